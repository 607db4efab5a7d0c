"""Tokenize and score the responses of a shard in chunks, with a journal of the scores."""

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
"""Number of responses in a chunk; the next chunk is tokenized while one is scored."""


class TokenIds(NamedTuple):
    """A tokenized conversation."""

    ids: npt.NDArray[np.int32]
    """Token ids, shape (tokens,); only the last ones if the conversation was truncated."""
    num_tokens: int
    """Number of tokens before truncation."""


Conversations = dict[str, TokenIds | None]
"""Conversations by response id; None if the chat template cannot render the conversation's
tools."""


class Limit(NamedTuple):
    """The maximum length of a conversation, and the treatment of longer ones."""

    max_tokens: int
    """Maximum number of tokens of prompt and response together."""
    over_long: Literal["hold", "flag_and_cut", "error"]
    """The setting ``over_long`` of the measure."""


def score_missing(
    conversations: Conversations, model: "RewardModel", journal: ValueJournal, limit: Limit
) -> None:
    """Score the conversations within the limit that are not in the journal yet."""
    missing = {
        name: tokens.ids
        for name, tokens in conversations.items()
        if tokens is not None and len(tokens.ids) <= limit.max_tokens and name not in journal.values
    }
    names = list(missing)
    journal.work.progress(len(conversations) - len(missing))

    def on_batch(positions: list[int], rewards: npt.NDArray[np.float32]) -> None:
        rows = zip(positions, rewards.tolist(), strict=True)
        journal.add({names[position]: row for position, row in rows})

    model.score(list(missing.values()), on_batch)
    journal.write()


def with_prompts(work: Work) -> pl.DataFrame:
    """Return all responses of a shard with their prompts, sorted by prompt."""
    columns = ["prompt_id", "messages", "tools"]
    prompts = work.read("prompts", columns).rename({"messages": "prompt"})
    responses = work.read("responses", ["response_id", "prompt_id", "messages"])
    return responses.join(prompts, on="prompt_id", how="left").sort("prompt_id", "response_id")


def tokenize_chunks(responses: pl.DataFrame, chat: "Chat", limit: Limit) -> Iterator[Conversations]:
    """Yield chunks of tokenized conversations; the next is tokenized while one is scored.

    Args:
        responses: The result of ``with_prompts``.
        chat: Renders and tokenizes conversations.
        limit: The maximum length.

    Raises:
        DataError: A conversation is too long and ``over_long`` is ``error``.
    """

    def tokenize(rows: pl.DataFrame) -> Conversations:
        columns = rows.select("response_id", "prompt", "messages", "tools").iter_rows()
        return {
            name: None if ids is None else _apply_limit(ids, name, limit)
            for name, prompt, messages, tools in columns
            for ids in [_tokenize(chat, cast("Sequence[Message]", [*prompt, *messages]), tools)]
        }

    with ThreadPoolExecutor(1) as executor:
        chunks = responses.iter_slices(_CHUNK)
        pending = deque(executor.submit(tokenize, rows) for rows in islice(chunks, 2))
        while pending:
            yield pending.popleft().result()
            pending.extend(executor.submit(tokenize, rows) for rows in islice(chunks, 1))


def _tokenize(chat: "Chat", turns: "Sequence[Message]", tools: str | None) -> list[int] | None:
    """Return the token ids of a conversation; None if the template cannot render its tools."""
    from prefine.serve.chat import ToolsRefusedError

    try:
        return chat.conversation(turns, tools)
    except ToolsRefusedError:
        return None


def _apply_limit(ids: list[int], name: str, limit: Limit) -> TokenIds:
    """Apply the setting ``over_long`` to a tokenized conversation."""
    if len(ids) > limit.max_tokens and limit.over_long == "error":
        raise DataError(
            f"response {name} has {len(ids)} tokens with its prompt; `max_tokens` allows "
            f"{limit.max_tokens}; raise it, or set `over_long: hold` or `over_long: flag_and_cut`"
        )
    truncate = limit.over_long == "flag_and_cut"
    return TokenIds(np.array(ids[-limit.max_tokens :] if truncate else ids, np.int32), len(ids))


def reward_rows(
    conversations: Conversations,
    journal: ValueJournal,
    limit: Limit,
    rewards: Sequence[Reward],
) -> pl.DataFrame:
    """Return one row per response: rewards, number of tokens, and the reason if there is one.

    Args:
        conversations: The conversations, by response id.
        journal: The scores; a conversation without one gets nulls.
        limit: The maximum length, which determines the reason.
        rewards: The rewards in the order of the model's outputs; they name the columns.
    """
    names = list(conversations)
    lengths = [None if tokens is None else tokens.num_tokens for tokens in conversations.values()]
    is_over = pl.col("num_tokens") > limit.max_tokens
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
    return frame.with_columns(refused.when(is_over).then(pl.lit(why)).alias("reason"))
