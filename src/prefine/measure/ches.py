"""CHES: how alike chosen and rejected are in the policy's own hidden space.

What comes in: pairs, and the policy at the start of preference tuning. What goes out: the score of
each pair in both directions, in three forms. What never happens: a pad in a sum, a cut response, a
score for a pair that was not measured whole, a response that is read twice for two pairs.

With S the sum of the hidden states that predict a response's tokens, n their number and m = S / n:

    ches            = <S+, S- - S+>        higher: preference tuning pushes chosen down more
    ches_normalized = <m+, m- - m+>
    ches_ln_div     = the same as the last, over the states from the first differing token on

A response costs one pass whatever the number of its pairs: K responses to a prompt give K sums, and
all ordered couples of them are dot products of those.

Source: Razin et al. 2024, Unintentional Unalignment, Definitions 2 and 3; its theory lets the first
tokens differ, which ``ches_ln_div`` restores for responses that begin alike.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from prefine.recipe import Ches
from prefine.schema import Message
from prefine.step import Counts, Work

if TYPE_CHECKING:
    from prefine.serve.chat import Chat, PromptResponse
    from prefine.serve.hidden import HiddenStates

_CHUNK = 256
"""Pairs whose sums are in memory at once; a prompt's pairs are never torn apart."""

Vector = npt.NDArray[np.float64]


class Score(NamedTuple):
    """CHES of an ordered couple, and of the same couple swapped."""

    ches: float
    ches_reversed: float
    normalized: float
    normalized_reversed: float


def ches(chosen: Vector, rejected: Vector, num_chosen: int, num_rejected: int) -> Score:
    """Score a pair from its two sums of hidden states.

    Args:
        chosen: Sum over the chosen response, shape (D,).
        rejected: Sum over the rejected response, shape (D,).
        num_chosen: States in the first sum.
        num_rejected: States in the second sum.
    """
    mean_chosen, mean_rejected = chosen / num_chosen, rejected / num_rejected
    apart, mean_apart = rejected - chosen, mean_rejected - mean_chosen
    return Score(
        float(chosen @ apart),
        float(-rejected @ apart),
        float(mean_chosen @ mean_apart),
        float(-mean_rejected @ mean_apart),
    )


def shared_beginning(a: Sequence[int], b: Sequence[int]) -> int:
    """Return how many first tokens two responses have in common."""
    for place, (left, right) in enumerate(zip(a, b, strict=False)):
        if left != right:
            return place
    return min(len(a), len(b))


def sums_schema(config: Ches) -> pa.Schema | None:
    """Return the schema of the stored sums, or null where none are stored."""
    if config.store is None:
        return None
    number = pa.float16() if config.store == "float16" else pa.float32()
    return pa.schema(
        [
            pa.field("response_id", pa.large_string(), False),
            pa.field("num_states", pa.int64(), False),
            pa.field("mean", pa.large_list(number), False),
        ]
    )


def measure(work: Work, config: Ches) -> Counts:
    """Score all pairs of a shard."""
    from prefine.serve.chat import chat_for
    from prefine.serve.hidden import HiddenStates

    chat = chat_for(config.weights, config.template)
    model = HiddenStates(config, work.runtime)
    work.notes["packed"] = model.packs
    work.expect(work.read("pairs", ["pair_id"]).height)
    count = 0
    for pairs in _conversations(work):
        chunk = _Chunk(pairs, chat, model, config)
        work.emit(f"measure_{config.name}", chunk.scores(config.name))
        schema = sums_schema(config)
        if schema is not None:
            work.emit(f"sums_{config.name}", chunk.sums(schema))
        count += pairs.height
        work.progress(pairs.height)
    return Counts(count, count)


def _conversations(work: Work) -> Iterator[pl.DataFrame]:
    """Yield pairs with the messages of both sides, all pairs of a prompt in one frame."""
    pairs = work.read("pairs", ["pair_id", "prompt_id", "chosen_id", "rejected_id"])
    prompts = work.read("prompts", ["prompt_id", "messages"]).rename({"messages": "asked"})
    responses = work.read("responses", ["response_id", "messages"])
    ordered = pairs.sort("prompt_id", "pair_id").with_row_index("place")
    chunk_of = pl.col("place").first().over("prompt_id") // _CHUNK
    for _, chunk in ordered.group_by(chunk_of, maintain_order=True):
        found = chunk.join(prompts, on="prompt_id", how="left", maintain_order="left")
        for side in ("chosen", "rejected"):
            of_side = responses.rename({"response_id": f"{side}_id", "messages": side})
            found = found.join(of_side, on=f"{side}_id", how="left", maintain_order="left")
        yield found


class _Chunk:
    """Some pairs, and the sums of their responses."""

    def __init__(
        self, pairs: pl.DataFrame, chat: "Chat", model: "HiddenStates", config: Ches
    ) -> None:
        from prefine.serve.hidden import Beginning

        self._pairs = pairs
        self._ids = _tokenised(pairs, chat)
        fits = [
            name
            for name, ids in self._ids.items()
            if len(ids.prompt) + len(ids.response) <= config.max_tokens
        ]
        place = {name: index for index, name in enumerate(fits)}
        self._alike = [self._beginning(*couple) for couple in self._couples()]
        wanted = [
            (couple, alike)
            for couple, alike in zip(self._couples(), self._alike, strict=True)
            if alike and couple[0] in place and couple[1] in place
        ]
        beginnings = [Beginning(place[chosen], alike) for (chosen, _), alike in wanted]
        sums, firsts = model.response_sums([self._ids[name] for name in fits], beginnings)
        self._sums = dict(zip(fits, sums.astype(np.float64), strict=True))
        names = [couple for couple, _ in wanted]
        self._firsts = dict(zip(names, firsts.astype(np.float64), strict=True))

    def _couples(self) -> list[tuple[str, str]]:
        return list(zip(self._pairs["chosen_id"], self._pairs["rejected_id"], strict=True))

    def _beginning(self, chosen: str, rejected: str) -> int:
        return shared_beginning(self._ids[chosen].response, self._ids[rejected].response)

    def _score(self, chosen: str, rejected: str, alike: int) -> tuple[float | None, ...]:
        """Score a couple: raw, normalised, and from the first differing token on."""
        if chosen not in self._sums or rejected not in self._sums:
            return (None,) * 6
        lengths = [len(self._ids[name].response) for name in (chosen, rejected)]
        sums = self._sums[chosen], self._sums[rejected]
        whole = ches(*sums, *lengths)
        if alike == min(lengths):
            return (*whole, None, None)
        first = self._firsts[chosen, rejected] if alike else np.zeros_like(sums[0])
        rest = ches(sums[0] - first, sums[1] - first, lengths[0] - alike, lengths[1] - alike)
        return (*whole, rest.normalized, rest.normalized_reversed)

    def scores(self, name: str) -> pl.DataFrame:
        """Return one row a pair."""
        forms = (name, f"{name}_normalized", f"{name}_ln_div")
        columns = [column for form in forms for column in (form, f"{form}_reversed")]
        rows = [
            self._score(*couple, alike)
            for couple, alike in zip(self._couples(), self._alike, strict=True)
        ]
        frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.Float64), orient="row")
        too_long = pl.when(pl.col(name).is_null()).then(pl.lit("too_long"))
        return frame.with_columns(
            self._pairs["pair_id"],
            pl.Series(f"{name}_shared_tokens", self._alike, dtype=pl.Int64),
            too_long.alias(f"{name}_reason"),
        )

    def sums(self, schema: pa.Schema) -> pa.Table:
        """Return the mean state and the number of states of each response."""
        names = sorted(self._sums)
        if not names:
            return schema.empty_table()
        counts = [len(self._ids[name].response) for name in names]
        means = [self._sums[name] / n for name, n in zip(names, counts, strict=True)]
        column: Any = pl.Series(np.stack(means).astype(np.float32))
        vectors = column.to_arrow().cast(schema.field("mean").type)
        return pa.Table.from_arrays([pa.array(names), pa.array(counts), vectors], schema.names)


def _tokenised(pairs: pl.DataFrame, chat: "Chat") -> dict[str, "PromptResponse"]:
    """Return the token ids of each distinct response, those of a prompt side by side."""
    found: dict[str, PromptResponse] = {}
    columns = ("asked", "chosen_id", "chosen", "rejected_id", "rejected")
    for asked, *sides in pairs.select(columns).iter_rows():
        for name, said in (sides[:2], sides[2:]):
            if name not in found:
                turns = cast("Sequence[Message]", said)
                found[name] = chat.prompt_response(cast("Sequence[Message]", asked), turns)
    return found
