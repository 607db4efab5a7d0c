"""Lengths of prompts and responses, in characters and in tokens of a named tokenizer.

Contents alone are measured, not what a chat template adds.
"""

from typing import ClassVar, Literal

import polars as pl
import pyarrow as pa

from prefine.measure.base import Measure
from prefine.schema import COUNT, Column, Flip
from prefine.schema.columns import sides
from prefine.settings import Model, Need, Weights
from prefine.step import Counts, Work
from prefine.tables.texts import beside

_PAIR = ["pair_id", "prompt_id", "chosen_id", "rejected_id"]


class Lengths(Measure):
    """Characters, and tokens of a named tokenizer, of the prompt and both responses."""

    tables: ClassVar = ("pairs", "prompts", "responses")

    kind: Literal["lengths"]
    tokenizer: Weights | None = None

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        return _columns("chars") + (_columns("tokens") if self.tokenizer else ())

    def needs(self) -> tuple[Need, ...]:
        """Return the extras that ``run`` needs."""
        return (Need("tokenizer", "lengths with a `tokenizer`"),) if self.tokenizer else ()

    def run(self, work: Work) -> Counts:
        """Measure the lengths of all pairs of a shard."""
        pairs = work.read("pairs", _PAIR)
        result = _add(work, pairs, "chars", None)
        if self.tokenizer is not None:
            result = _add(work, result, "tokens", work.model(self.tokenizer))
        work.emit(self.table, result)
        return Counts(pairs.height, result.height)


def _columns(unit: str) -> tuple[Column, ...]:
    return (
        Column(f"prompt_{unit}", pa.int64(), f"length of the prompt in {unit}", range=COUNT),
        *sides(unit, pa.int64(), f"length in {unit}", within=COUNT),
        Column(f"{unit}_gap", pa.int64(), f"{unit} of chosen minus rejected", Flip.NEGATE),
    )


def _add(work: Work, pairs: pl.DataFrame, unit: str, tokenizer: Model | None) -> pl.DataFrame:
    responses = _counts(work, "responses", "response_id", unit, tokenizer)
    prompts = _counts(work, "prompts", "prompt_id", unit, tokenizer)
    pairs = beside(pairs, responses, unit)
    gap = pl.col(f"chosen_{unit}") - pl.col(f"rejected_{unit}")
    return pairs.join(
        prompts.rename({unit: f"prompt_{unit}"}), on="prompt_id", how="left", maintain_order="left"
    ).with_columns(gap.alias(f"{unit}_gap"))


def _counts(work: Work, table: str, key: str, unit: str, tokenizer: Model | None) -> pl.DataFrame:
    frame = work.read(table, [key, "messages"])
    if tokenizer is None:
        chars = pl.element().struct.field("content").str.len_chars()
        return frame.select(
            key, pl.col("messages").list.eval(chars).list.sum().alias(unit).cast(int)
        )
    from prefine.serve.chat import count_tokens

    turns = frame.explode("messages").select(key, pl.col("messages").struct.field("content"))
    counts = count_tokens(tokenizer, turns["content"].to_list()) if turns.height else []
    counted = turns.select(key, pl.Series(unit, counts, dtype=pl.Int64))
    return counted.group_by(key, maintain_order=True).sum()
