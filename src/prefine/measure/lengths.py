"""Lengths of prompts and responses, in characters and in tokens of a named tokenizer.

What comes in: the texts of a shard. What goes out: counts a pair. What never happens: a template's
own tokens in a count; contents alone are measured.
"""

import polars as pl

from prefine.measure.texts import beside
from prefine.recipe import Lengths, Weights
from prefine.step import Counts, Work

_PAIR = ["pair_id", "prompt_id", "chosen_id", "rejected_id"]


def measure(work: Work, config: Lengths) -> Counts:
    """Measure the lengths of all pairs of a shard."""
    pairs = work.read("pairs", _PAIR)
    result = _add(work, pairs, "chars", None)
    if config.tokenizer is not None:
        result = _add(work, result, "tokens", config.tokenizer)
    work.emit("measure_lengths", result)
    return Counts(pairs.height, result.height)


def _add(work: Work, pairs: pl.DataFrame, unit: str, tokenizer: Weights | None) -> pl.DataFrame:
    responses = _lengths(work, "responses", "response_id", unit, tokenizer)
    prompts = _lengths(work, "prompts", "prompt_id", unit, tokenizer)
    pairs = beside(pairs, responses, unit)
    gap = pl.col(f"chosen_{unit}") - pl.col(f"rejected_{unit}")
    return pairs.join(
        prompts.rename({unit: f"prompt_{unit}"}), on="prompt_id", how="left", maintain_order="left"
    ).with_columns(gap.alias(f"{unit}_gap"))


def _lengths(
    work: Work, table: str, key: str, unit: str, tokenizer: Weights | None
) -> pl.DataFrame:
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
