"""Exported pairs with texts and facts, flipped where the verdict says so."""

from collections.abc import Mapping

import polars as pl

from prefine.schema import Column
from prefine.step import Work

_CALL = {
    "type": pl.String,
    "function": pl.Struct({"name": pl.String, "arguments": pl.String}),
    "id": pl.String,
}
_CALLS = pl.List(pl.Struct(_CALL))


def kept_pairs(
    work: Work, part: int, columns: Mapping[str, Column], *, tools: bool = False
) -> pl.DataFrame:
    """Return the exported pairs of one part in their seeded order, with texts and facts.

    Args:
        work: Reads ``facts``, ``decisions``, ``prompts`` and ``responses``.
        part: Number of the part.
        columns: Facts to export; those of flipped pairs are flipped, too.
        tools: Whether to export tools and tool calls.
    """
    needs = {need for column in columns.values() for need in column.needs()}
    facts = work.read(
        "facts", sorted(needs | {"pair_id", "prompt_id", "chosen_id", "rejected_id"}), part=part
    )
    kept = kept_ids(work, part)
    flipped = pl.col("is_flipped")
    rows = kept.join(facts, on="pair_id", how="left", maintain_order="left").with_columns(
        *(column.in_direction(flipped) for column in columns.values()),
        pl.when(flipped).then("rejected_id").otherwise("chosen_id").alias("chosen_id"),
        pl.when(flipped).then("chosen_id").otherwise("rejected_id").alias("rejected_id"),
    )
    offered = ["tools"] if tools else []
    messages = (_with_calls if tools else _plain)(pl.col("messages"))
    prompts = work.read("prompts", ["prompt_id", "messages", *offered], part=part)
    prompts = prompts.with_columns(messages)
    responses = work.read("responses", ["response_id", "messages"], part=part)
    responses = responses.with_columns(messages)
    rows = _with_messages(rows, prompts, "prompt_id", "prompt")
    for side in ("chosen", "rejected"):
        rows = _with_messages(rows, responses, f"{side}_id", side)
    return rows


def _plain(messages: pl.Expr) -> pl.Expr:
    turn = pl.element().struct
    return messages.list.eval(pl.struct(turn.field("role"), turn.field("content")))


def _with_calls(messages: pl.Expr) -> pl.Expr:
    """Parse the tool calls of each message; arguments stay JSON text."""
    calls = pl.element().struct.field("tool_calls").str.json_decode(_CALLS)
    return messages.list.eval(pl.element().struct.with_fields(calls))


def kept_ids(work: Work, part: int) -> pl.DataFrame:
    """Return id and direction of the exported pairs of one part, in their seeded order."""
    decisions = work.read("decisions", ["pair_id", "verdict", "order"], part=part)
    kept = decisions.filter(pl.col("verdict").is_in(["keep", "flip"])).sort("order", "pair_id")
    return kept.select("pair_id", (pl.col("verdict") == "flip").alias("is_flipped"))


def _with_messages(rows: pl.DataFrame, texts: pl.DataFrame, key: str, name: str) -> pl.DataFrame:
    own = texts.columns[0]
    renamed = texts.rename({own: key, "messages": name})
    return rows.join(renamed, on=key, how="left", maintain_order="left", validate="m:1")
