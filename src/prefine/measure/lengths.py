"""Lengths of prompts and responses in characters and tokens."""

from typing import ClassVar, Literal

import polars as pl
import pyarrow as pa

from prefine.measure.base import Measure
from prefine.schema import COUNT, Column, Flip
from prefine.schema.columns import sides
from prefine.settings import Model, Need, Weights
from prefine.step import Counts, Work
from prefine.tables.texts import join_sides

_PAIR = ["pair_id", "prompt_id", "chosen_id", "rejected_id"]


class Lengths(Measure):
    """Lengths of the prompt and both responses in characters and, with a tokenizer, in tokens.

    Use it to detect length bias and to bound lengths. Only message contents are counted, without
    the text that a chat template adds.
    """

    tables: ClassVar = ("pairs", "prompts", "responses")

    kind: Literal["lengths"]
    """Selects this measure."""
    tokenizer: Weights | None = None
    """The tokenizer that counts tokens; null counts characters only."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        return _columns("chars") + (_columns("tokens") if self.tokenizer else ())

    def needs(self) -> tuple[Need, ...]:
        """Return the extras that ``run`` needs."""
        return (Need("tokenizer", "lengths with a `tokenizer`"),) if self.tokenizer else ()

    def run(self, work: Work) -> Counts:
        """Compute the lengths for all pairs of a shard."""
        pairs = work.read("pairs", _PAIR)
        result = _add_lengths(work, pairs, "chars", None)
        if self.tokenizer is not None:
            result = _add_lengths(work, result, "tokens", work.model(self.tokenizer))
        work.emit(self.table, result)
        return Counts(pairs.height, result.height)


_NAMES = {"chars": "characters", "tokens": "tokens"}
"""Units as written in the meanings of columns."""


def _columns(unit: str) -> tuple[Column, ...]:
    return (
        Column(
            f"prompt_{unit}", pa.int64(), f"length of the prompt in {_NAMES[unit]}", range=COUNT
        ),
        *sides(unit, pa.int64(), f"length in {_NAMES[unit]}", within=COUNT),
        Column(
            f"{unit}_gap",
            pa.int64(),
            f"length of chosen minus length of rejected, in {_NAMES[unit]}",
            Flip.NEGATE,
        ),
    )


def _add_lengths(
    work: Work, pairs: pl.DataFrame, unit: str, tokenizer: Model | None
) -> pl.DataFrame:
    responses = _counts(work, "responses", "response_id", unit, tokenizer)
    prompts = _counts(work, "prompts", "prompt_id", unit, tokenizer)
    pairs = join_sides(pairs, responses, unit)
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
    token_counts = turns.select(key, pl.Series(unit, counts, dtype=pl.Int64))
    return token_counts.group_by(key, maintain_order=True).sum()
