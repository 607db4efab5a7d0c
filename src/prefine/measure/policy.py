"""How likely the policy finds responses, and by how much it prefers the chosen ones.

What comes in: pairs, and the policy at the start of preference tuning. What goes out: log-
probability, number of tokens and mean entropy of each response, and per pair both sides and the
difference of the log-probabilities. What never happens: a response that is read twice for two
pairs, a cut one, a value that looks like a number where none could be had.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

import polars as pl
import pyarrow as pa

from prefine.measure.texts import beside
from prefine.recipe import PolicyLikelihood
from prefine.schema import Message
from prefine.step import Counts, Work

if TYPE_CHECKING:
    from prefine.serve.chat import Chat, PromptResponse
    from prefine.serve.states import Reading

LIKELIHOODS = pa.schema(
    [
        pa.field("response_id", pa.large_string(), False),
        pa.field("logp", pa.float64()),
        pa.field("num_tokens", pa.int64(), False),
        pa.field("entropy", pa.float64()),
        pa.field("reason", pa.large_string()),
    ]
)
"""One row a response that stands in a pair: sum of log-probabilities in nats, tokens with the end,
mean entropy in nats, and why there is none."""

_CHUNK = 256
"""Pairs that are read together; a prompt's pairs are never torn apart."""


def conversations(work: Work) -> Iterator[pl.DataFrame]:
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


def tokenised(pairs: pl.DataFrame, chat: "Chat") -> dict[str, "PromptResponse"]:
    """Return the token ids of each distinct response, those of a prompt side by side."""
    found: dict[str, PromptResponse] = {}
    columns = ("asked", "chosen_id", "chosen", "rejected_id", "rejected")
    for asked, *sides in pairs.select(columns).iter_rows():
        for name, said in (sides[:2], sides[2:]):
            if name not in found:
                turns = cast("Sequence[Message]", said)
                found[name] = chat.prompt_response(cast("Sequence[Message]", asked), turns)
    return found


def fitting(ids: dict[str, "PromptResponse"], max_tokens: int) -> list[str]:
    """Return the responses that are not too long with their prompts."""
    return [name for name, one in ids.items() if len(one.prompt) + len(one.response) <= max_tokens]


def read(work: Work, config: PolicyLikelihood) -> Counts:
    """Read all responses that stand in pairs of a shard."""
    from prefine.serve.chat import chat_for
    from prefine.serve.hidden import HiddenStates

    chat = chat_for(config.weights, config.template)
    work.notes["chat"] = chat.facts()
    model = HiddenStates(config, work.runtime, likelihoods=True)
    work.expect(work.read("pairs", ["pair_id"]).height)
    count = 0
    for pairs in conversations(work):
        ids = tokenised(pairs, chat)
        fits = fitting(ids, config.max_tokens)
        reading = model.read([ids[name] for name in fits])
        work.emit(f"policy_{config.name}", likelihoods(ids, fits, reading))
        count += pairs.height
        work.progress(pairs.height)
    return Counts(count, count)


def likelihoods(
    ids: dict[str, "PromptResponse"], fits: Sequence[str], reading: "Reading"
) -> pl.DataFrame:
    """Return one row a response: its values, or the reason why it has none.

    Args:
        ids: All responses.
        fits: Those that were read, in the order of the reading.
        reading: What was read.
    """
    values = dict(zip(fits, zip(reading.logps, reading.entropies, strict=True), strict=True))
    rows = [
        (name, values[name][0], len(one.response), values[name][1], None)
        if name in values
        else (name, None, len(one.response), None, "too_long")
        for name, one in sorted(ids.items())
    ]
    schema = {"response_id": pl.String, "logp": pl.Float64, "num_tokens": pl.Int64}
    return pl.DataFrame(
        rows, schema=schema | {"entropy": pl.Float64, "reason": pl.String}, orient="row"
    )


def measure(work: Work, config: PolicyLikelihood) -> Counts:
    """Lay the values of both responses beside the pairs of a shard."""
    name = config.name
    pairs = work.read("pairs", ["pair_id", "chosen_id", "rejected_id"])
    stems = {"logp": f"{name}_logp", "num_tokens": f"{name}_tokens", "entropy": f"{name}_entropy"}
    read = work.read(f"policy_{name}").rename(stems)
    result = beside(pairs, read, *stems.values(), "reason").with_columns(
        (pl.col(f"chosen_{name}_logp") - pl.col(f"rejected_{name}_logp")).alias(
            f"{name}_logp_margin"
        ),
        pl.coalesce("chosen_reason", "rejected_reason").alias(f"{name}_reason"),
    )
    work.emit(f"measure_{name}", result)
    return Counts(pairs.height, result.height)
