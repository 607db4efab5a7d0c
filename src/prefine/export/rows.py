"""Kept pairs as the rows that trainers read.

What comes in: pairs, messages, facts and verdicts of one part. What goes out: rows of one fixed
Arrow schema. What never happens: a null or empty side, a column whose name a trainer interprets.
"""

from collections.abc import Mapping

import polars as pl
import pyarrow as pa

from prefine.recipe import Recipe, rule_columns
from prefine.schema import Column
from prefine.step import Work

_MESSAGES = pa.list_(pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())]))
_IDS = ("pair_id", "prompt_id")
_TAKEN_ALONG = (
    *("source", "group", "label_source", "votes_for", "votes_against", "votes_tie", "agreement"),
    *("strength", "rating_gap"),
)


def exported_columns(recipe: Recipe) -> dict[str, Column]:
    """Return the facts that go into the shards, by name and in order."""
    known = rule_columns(recipe)
    if recipe.export.columns is not None:
        return {name: known[name] for name in recipe.export.columns}
    measured = [column.name for measure in recipe.measures for column in measure.columns()]
    return {name: known[name] for name in (*_TAKEN_ALONG, *measured)}


def shard_schema(recipe: Recipe) -> pa.Schema:
    """Return the one schema of all shards.

    ``explicit`` is TRL's layout A: prompt, chosen and rejected; ``implicit`` is layout B: chosen
    and rejected hold the prompt, and there is no prompt column.
    """
    sides = ["chosen", "rejected"]
    if recipe.export.layout == "explicit":
        sides = ["prompt", *sides]
    keys: dict[str, pa.DataType] = dict.fromkeys(sides, _MESSAGES)
    keys |= dict.fromkeys(_IDS, pa.string()) | {"is_flipped": pa.bool_()}
    facts = {name: _small(column.type) for name, column in exported_columns(recipe).items()}
    required = [pa.field(name, type_, False) for name, type_ in keys.items()]
    return pa.schema(required + [pa.field(name, type_) for name, type_ in facts.items()])


def _small(type_: pa.DataType) -> pa.DataType:
    return pa.string() if type_ == pa.large_string() else type_


def rows_of(work: Work, part: int, columns: Mapping[str, Column], layout: str) -> pl.DataFrame:
    """Return the kept pairs of one part in the order of the decisions.

    Args:
        work: Reads ``facts``, ``decisions``, ``prompts`` and ``responses``.
        part: Which part.
        columns: Facts to carry along; flipped pairs get them in their new direction.
        layout: ``explicit`` or ``implicit``.
    """
    needs = {need for column in columns.values() for need in column.needs()}
    facts = work.read("facts", sorted(needs | {*_IDS, "chosen_id", "rejected_id"}), part=part)
    kept = kept_of(work, part)
    flipped = pl.col("is_flipped")
    rows = kept.join(facts, on="pair_id", how="left", maintain_order="left").with_columns(
        *(column.seen(flipped) for column in columns.values()),
        pl.when(flipped).then("rejected_id").otherwise("chosen_id").alias("chosen_id"),
        pl.when(flipped).then("chosen_id").otherwise("rejected_id").alias("rejected_id"),
    )
    prompts = work.read("prompts", ["prompt_id", "messages"], part=part)
    responses = work.read("responses", ["response_id", "messages"], part=part)
    rows = _with(rows, prompts, "prompt_id", "prompt")
    for side in ("chosen", "rejected"):
        rows = _with(rows, responses, f"{side}_id", side)
    if layout == "implicit":
        rows = rows.with_columns(
            pl.concat_list("prompt", s).alias(s) for s in ("chosen", "rejected")
        )
    return rows


def kept_of(work: Work, part: int) -> pl.DataFrame:
    """Return the pairs of one part that are exported: id, direction and order."""
    decisions = work.read("decisions", ["pair_id", "verdict", "order"], part=part)
    kept = decisions.filter(pl.col("verdict").is_in(["keep", "flip"])).sort("order", "pair_id")
    return kept.select("pair_id", (pl.col("verdict") == "flip").alias("is_flipped"))


def _with(rows: pl.DataFrame, texts: pl.DataFrame, key: str, name: str) -> pl.DataFrame:
    own = texts.columns[0]
    found = texts.rename({own: key, "messages": name})
    return rows.join(found, on=key, how="left", maintain_order="left", validate="m:1")
