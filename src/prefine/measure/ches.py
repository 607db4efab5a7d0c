"""CHES: how alike chosen and rejected are in the policy's own hidden space.

What comes in: pairs, and the policy at the start of preference tuning. What goes out: the score of
each pair in both directions, raw and length-normalised. What never happens: a pad in a sum, a cut
response, a score for a pair that was not measured whole.

With S the sum of the hidden states that predict a response's tokens, n their number and m = S / n:

    ches            = <S+, S- - S+>        higher: preference tuning pushes chosen down more
    ches_normalized = <m+, m- - m+>

Source: Razin et al. 2024, Unintentional Unalignment, Definitions 2 and 3.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from prefine.recipe import Ches
from prefine.schema import Message
from prefine.step import Counts, Work

if TYPE_CHECKING:
    from prefine.serve.chat import Chat, PromptResponse
    from prefine.serve.hidden import HiddenStates

_CHUNK = 256
"""Pairs whose sums are in memory at once."""

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


def measure(work: Work, config: Ches) -> Counts:
    """Score all pairs of a shard."""
    from prefine.serve.chat import chat_for
    from prefine.serve.hidden import HiddenStates

    chat = chat_for(config.weights, config.template)
    model = HiddenStates(config, work.runtime)
    count = 0
    for pairs in _conversations(work):
        work.emit(f"measure_{config.name}", _score(pairs, chat, model, config))
        count += pairs.height
        work.progress(pairs.height)
    return Counts(count, count)


def _conversations(work: Work) -> Iterator[pl.DataFrame]:
    """Yield pairs with the messages of both sides, those of one prompt side by side."""
    pairs = work.read("pairs", ["pair_id", "prompt_id", "chosen_id", "rejected_id"])
    prompts = work.read("prompts", ["prompt_id", "messages"]).rename({"messages": "asked"})
    responses = work.read("responses", ["response_id", "messages"])
    for chunk in pairs.sort("prompt_id", "pair_id").iter_slices(_CHUNK):
        found = chunk.join(prompts, on="prompt_id", how="left", maintain_order="left")
        for side in ("chosen", "rejected"):
            of_side = responses.rename({"response_id": f"{side}_id", "messages": side})
            found = found.join(of_side, on=f"{side}_id", how="left", maintain_order="left")
        yield found


def _score(pairs: pl.DataFrame, chat: "Chat", model: "HiddenStates", config: Ches) -> pl.DataFrame:
    """Score a chunk of pairs; each distinct response goes through the policy once."""
    sequences: dict[str, PromptResponse] = {}
    for side in ("chosen", "rejected"):
        for name, asked, said in zip(pairs[f"{side}_id"], pairs["asked"], pairs[side], strict=True):
            if name not in sequences:
                turns = cast("Sequence[Message]", said)
                sequences[name] = chat.prompt_response(cast("Sequence[Message]", asked), turns)
    fits = [
        name
        for name, ids in sequences.items()
        if len(ids.prompt) + len(ids.response) <= config.max_tokens
    ]
    sums: dict[str, Vector] = {}
    if fits:
        found = model.response_sums([sequences[name] for name in fits]).astype(np.float64)
        sums = dict(zip(fits, found, strict=True))
    scores: list[Score | None] = [
        ches(sums[a], sums[b], len(sequences[a].response), len(sequences[b].response))
        if a in sums and b in sums
        else None
        for a, b in zip(pairs["chosen_id"], pairs["rejected_id"], strict=True)
    ]
    return _table(pairs["pair_id"], scores, config.name)


def _table(names: pl.Series, scores: list[Score | None], name: str) -> pl.DataFrame:
    columns = [name, f"{name}_reversed", f"{name}_normalized", f"{name}_normalized_reversed"]
    rows = [score or (None,) * len(columns) for score in scores]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.Float64), orient="row")
    too_long = pl.when(pl.col(name).is_null()).then(pl.lit("too_long"))
    return frame.with_columns(names.alias("pair_id"), too_long.alias(f"{name}_reason"))
