"""Score the responses of a shard: tokenised ahead, scored in chunks, kept as they come in."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from prefine.errors import DataError
from prefine.schema import Message
from prefine.step import ValueJournal, Work
from prefine.tables.conversations import TEMPLATE_REFUSED
from prefine.tables.rewards import Reward

if TYPE_CHECKING:
    from prefine.serve.chat import Chat
    from prefine.serve.scores import RewardModel

_CHUNK = 8192
"""Responses that are scored together while the next are tokenised."""


class TokenIds(NamedTuple):
    """A conversation as the model reads it."""

    ids: npt.NDArray[np.int32]
    """Shape (tokens,); the last ones where it was truncated."""
    num_tokens: int
    """Before any truncation."""


Conversations = dict[str, TokenIds | None]
"""Conversations by the id of the response that they end on; null where the chat template cannot
show the conversation's tools."""


class Limit(NamedTuple):
    """How long a conversation may be, and what is done with a longer one."""

    max_tokens: int
    over_long: Literal["hold", "flag_and_cut", "error"]


def score_missing(
    conversations: Conversations, model: "RewardModel", journal: ValueJournal, limit: Limit
) -> None:
    """Score what fits, and the journal does not hold yet."""
    missing = {
        name: one.ids
        for name, one in conversations.items()
        if one is not None and len(one.ids) <= limit.max_tokens and name not in journal.values
    }
    names = list(missing)
    journal.work.progress(len(conversations) - len(missing))

    def on_batch(places: list[int], rewards: npt.NDArray[np.float32]) -> None:
        journal.add(
            {names[place]: row for place, row in zip(places, rewards.tolist(), strict=True)}
        )

    model.score(list(missing.values()), on_batch)
    journal.write()


def with_prompts(work: Work) -> pl.DataFrame:
    """Return all responses with their prompts, those of one prompt side by side."""
    columns = ["prompt_id", "messages", "tools"]
    prompts = work.read("prompts", columns).rename({"messages": "asked"})
    responses = work.read("responses", ["response_id", "prompt_id", "messages"])
    return responses.join(prompts, on="prompt_id", how="left").sort("prompt_id", "response_id")


def tokenised(responses: pl.DataFrame, chat: "Chat", limit: Limit) -> Iterator[Conversations]:
    """Yield chunks of conversations; the next is tokenised while one is scored."""

    def tokens(rows: pl.DataFrame) -> Conversations:
        columns = rows.select("response_id", "asked", "messages", "tools").iter_rows()
        return {
            name: None if ids is None else _fitting(ids, name, limit)
            for name, asked, said, tools in columns
            for ids in [_rendered(chat, cast("Sequence[Message]", [*asked, *said]), tools)]
        }

    with ThreadPoolExecutor(1) as ahead:
        chunks = responses.iter_slices(_CHUNK)
        waiting = deque(ahead.submit(tokens, rows) for rows in islice(chunks, 2))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(ahead.submit(tokens, rows) for rows in islice(chunks, 1))


def _rendered(chat: "Chat", turns: "Sequence[Message]", tools: str | None) -> list[int] | None:
    from prefine.serve.chat import ToolsRefusedError

    try:
        return chat.conversation(turns, tools)
    except ToolsRefusedError:
        return None


def _fitting(ids: list[int], name: str, limit: Limit) -> TokenIds:
    """Apply the recipe's policy to a conversation that is too long."""
    if len(ids) > limit.max_tokens and limit.over_long == "error":
        raise DataError(
            f"response {name} has {len(ids)} tokens with its prompt, and {limit.max_tokens} are "
            "allowed; `over_long` of the measure says what is done with such a one"
        )
    cut = limit.over_long == "flag_and_cut"
    return TokenIds(np.array(ids[-limit.max_tokens :] if cut else ids, np.int32), len(ids))


def rewards_of(
    conversations: Conversations,
    journal: ValueJournal,
    limit: Limit,
    rewards: Sequence[Reward],
) -> pl.DataFrame:
    """Return one row a response: its rewards, its length, and why it has none.

    Args:
        conversations: The responses.
        journal: Their scores, as far as they have any.
        limit: Why a conversation has no score, or that of a truncated one.
        rewards: Names the columns, in the order of the model's outputs.
    """
    names = list(conversations)
    lengths = [None if one is None else one.num_tokens for one in conversations.values()]
    over = pl.col("num_tokens") > limit.max_tokens
    frame = pl.DataFrame(
        {
            "response_id": names,
            **{
                reward.column: pl.Series(
                    [journal.values[n][head] if n in journal.values else None for n in names],
                    dtype=pl.Float32,
                )
                for head, reward in enumerate(rewards)
            },
            "num_tokens": pl.Series(lengths, dtype=pl.Int64),
        }
    )
    why = "cut" if limit.over_long == "flag_and_cut" else "too_long"
    refused = pl.when(pl.col("num_tokens").is_null()).then(pl.lit(TEMPLATE_REFUSED))
    return frame.with_columns(refused.when(over).then(pl.lit(why)).alias("reason"))
