"""Rewards of responses, and margins of pairs.

What comes in: responses with their prompts. What goes out: one raw reward a response, and per pair
the two rewards and their difference. What never happens: a response scored twice, a conversation
that is cut in silence, a missing reward that looks like a number.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from prefine.errors import DataError, RecipeError
from prefine.measure.journal import Journal
from prefine.measure.texts import beside
from prefine.recipe import Reward, TransformersReward, VllmReward
from prefine.schema import Message, hash_unit
from prefine.step import Counts, Work

if TYPE_CHECKING:
    from prefine.serve.chat import Chat
    from prefine.serve.scores import RewardModel

_CHUNK = 8192
"""Responses that are scored together while the next are tokenised."""

_KEPT_ROWS = 256
"""Rewards of a model in process that are put aside together; a server's are after each reply."""


def rewards_schema(config: Reward) -> pa.Schema:
    """Return the schema of the rewards of responses.

    One row a response: its raw logits, and the reason why it has none, or those of a cut text.
    """
    return pa.schema(
        [
            pa.field("response_id", pa.large_string(), False),
            *(pa.field(reward.column, pa.float32()) for reward in config.scored()),
            pa.field("num_tokens", pa.int64(), False),
            pa.field("reason", pa.large_string()),
        ]
    )


def measure(work: Work, config: Reward) -> Counts:
    """Score all responses of a shard; those that an interrupted attempt scored are not again.

    Raises:
        DataError: A conversation is too long and the recipe wants an error.
        RecipeError: The model has another number of heads than the recipe names.
    """
    from prefine.serve.chat import chat_for
    from prefine.serve.reward import InProcessReward
    from prefine.serve.vllm import VllmServers

    chat = chat_for(config.weights, config.template)
    work.notes["chat"] = chat.facts()
    model: RewardModel
    if isinstance(config, VllmReward):
        model = servers = VllmServers(config, work.runtime)
        work.notes["servers"] = servers.check()
        journal = Journal(work, 1)
    else:
        model = InProcessReward(config, work.runtime)
        journal = Journal(work, _KEPT_ROWS)
    responses = _conversations(work)
    work.expect(responses.height)
    canaries: dict[str, _Tokens] = {}
    for conversations in _tokenised(responses, chat, config):
        _score(conversations, model, journal, config)
        work.emit(f"reward_{config.name}", _table(conversations, journal, config))
        if isinstance(config, VllmReward):
            canaries = _chosen(canaries | conversations, config)
    if isinstance(config, VllmReward) and canaries:
        _compare(canaries, journal, config)
    return Counts(responses.height, responses.height)


class _Tokens(NamedTuple):
    """A conversation as the model reads it."""

    ids: npt.NDArray[np.int32]
    """Shape (tokens,); the last ones where it was cut."""
    num_tokens: int
    """Before any cut."""


def _chosen(conversations: dict[str, _Tokens], config: VllmReward) -> dict[str, _Tokens]:
    """Return the responses that are scored again: whole ones, by a draw over their ids."""
    whole = {n: c for n, c in conversations.items() if c.num_tokens <= config.max_tokens}
    drawn = sorted(whole, key=lambda name: hash_unit(0, "canary", name))
    return {name: whole[name] for name in drawn[: config.canaries]}


def _compare(canaries: dict[str, _Tokens], journal: Journal, config: VllmReward) -> None:
    """Score some responses again in process, and note the largest difference.

    Raises:
        RecipeError: It is larger than the recipe allows: the server has another model, and what
            it said is forgotten.
    """
    from prefine.serve.reward import InProcessReward

    reference = TransformersReward(
        kind="reward/transformers", weights=config.weights, heads=config.heads
    )
    model = InProcessReward(reference, journal.work.runtime)
    expected = model.score([found.ids for found in canaries.values()])
    served = np.array([journal.values[name] for name in canaries])
    largest = float(np.abs(served - expected).max())
    journal.work.notes["canaries"] = len(canaries)
    journal.work.notes["canary_largest_difference"] = round(largest, 6)
    if config.canary_limit is not None and largest > config.canary_limit:
        journal.work.forget()
        raise RecipeError(
            f"reward `{config.name}`: server and transformers differ by {largest:.4g} on one of "
            f"{len(canaries)} responses, and {config.canary_limit:g} is allowed; is it the same "
            "model, in a type that is precise enough?"
        )


def _score(
    conversations: dict[str, _Tokens], model: "RewardModel", journal: Journal, config: Reward
) -> None:
    """Score what fits, and the journal does not hold yet."""
    fits = [name for name, found in conversations.items() if len(found.ids) <= config.max_tokens]
    missing = [name for name in fits if name not in journal.values]
    journal.work.progress(len(conversations) - len(missing))

    def on_batch(places: list[int], rewards: npt.NDArray[np.float32]) -> None:
        journal.add(
            {missing[place]: row for place, row in zip(places, rewards.tolist(), strict=True)}
        )

    model.score([conversations[name].ids for name in missing], on_batch)
    journal.write()


def _conversations(work: Work) -> pl.DataFrame:
    """Return all responses with their prompts, those of one prompt side by side."""
    prompts = work.read("prompts", ["prompt_id", "messages"]).rename({"messages": "asked"})
    responses = work.read("responses", ["response_id", "prompt_id", "messages"])
    return responses.join(prompts, on="prompt_id", how="left").sort("prompt_id", "response_id")


def _tokenised(
    responses: pl.DataFrame, chat: "Chat", config: Reward
) -> Iterator[dict[str, _Tokens]]:
    """Yield chunks of conversations; the next is tokenised while one is scored."""

    def tokens(rows: pl.DataFrame) -> dict[str, _Tokens]:
        return {
            name: _fitting(
                chat.conversation(cast("Sequence[Message]", [*asked, *said])), name, config
            )
            for name, asked, said in rows.select("response_id", "asked", "messages").iter_rows()
        }

    with ThreadPoolExecutor(1) as ahead:
        chunks = responses.iter_slices(_CHUNK)
        waiting = deque(ahead.submit(tokens, rows) for rows in islice(chunks, 2))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(ahead.submit(tokens, rows) for rows in islice(chunks, 1))


def _fitting(ids: list[int], name: str, config: Reward) -> _Tokens:
    """Apply the recipe's policy to a conversation that is too long."""
    if len(ids) > config.max_tokens and config.over_long == "error":
        raise DataError(
            f"response {name} has {len(ids)} tokens with its prompt, and {config.max_tokens} are "
            "allowed; `over_long` of the measure says what shall become of such a one"
        )
    cut = config.over_long == "flag_and_cut"
    return _Tokens(np.array(ids[-config.max_tokens :] if cut else ids, np.int32), len(ids))


def _table(conversations: dict[str, _Tokens], journal: Journal, config: Reward) -> pl.DataFrame:
    names = list(conversations)
    lengths = [found.num_tokens for found in conversations.values()]
    over = pl.col("num_tokens") > config.max_tokens
    frame = pl.DataFrame(
        {
            "response_id": names,
            **{
                reward.column: pl.Series(
                    [journal.values[n][head] if n in journal.values else None for n in names],
                    dtype=pl.Float32,
                )
                for head, reward in enumerate(config.scored())
            },
            "num_tokens": lengths,
        }
    )
    why = "cut" if config.over_long == "flag_and_cut" else "too_long"
    return frame.with_columns(pl.when(over).then(pl.lit(why)).alias("reason"))


def margins(work: Work, config: Reward) -> Counts:
    """Lay the rewards beside the pairs of a shard."""
    name, scored = config.name, config.scored()
    pairs = work.read("pairs", ["pair_id", "chosen_id", "rejected_id"])
    rewards = work.read(f"reward_{name}").select(
        "response_id", "reason", *(pl.col(r.column).cast(pl.Float64).alias(r.name) for r in scored)
    )
    result = beside(pairs, rewards, *(r.name for r in scored), "reason").with_columns(
        *(
            (pl.col(f"chosen_{r.name}") - pl.col(f"rejected_{r.name}")).alias(f"{r.name}_margin")
            for r in scored
        ),
        pl.coalesce("chosen_reason", "rejected_reason").alias(f"{name}_reason"),
    )
    work.emit(f"measure_{name}", result)
    return Counts(pairs.height, result.height)
