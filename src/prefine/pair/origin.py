"""The own id and the kept columns of each pair, from the raw rows that it comes from."""

from collections.abc import Sequence

import polars as pl

from prefine.schema import VALUE_TYPES, Column, Flip, Kind

_ORDER = ["source", "file", "row", "index"]
_JOINT = "+"
"""Separator of the own ids of a pair whose sides come from different raw rows."""
_DTYPES = {
    VALUE_TYPES["text"]: pl.String,
    VALUE_TYPES["number"]: pl.Float64,
    VALUE_TYPES["integer"]: pl.Int64,
    VALUE_TYPES["truth"]: pl.Boolean,
}


def with_origin(
    pairs: pl.DataFrame, judgements: pl.DataFrame, kept: Sequence[Column]
) -> pl.DataFrame:
    """Add ``own_id`` and the kept columns to pairs.

    They come from the first raw row, by source, file and row, that has a judgement on both
    responses. If there is none, each side has its own first row, and the two ids are joined.

    Args:
        pairs: ``low``, ``high``, ``chosen_id`` and ``rejected_id``.
        judgements: All judgements of the shard, with ``own_id`` and ``kept``.
        kept: Columns of pairs that come from kept columns.
    """
    of_side = _first(judgements.filter(pl.col("response_b").is_null()), ["response_a"])
    rows = pairs.select("low", "high", "chosen_id", "rejected_id")
    for column in ("low", "high", "chosen_id", "rejected_id"):
        names = {"response_a": column, "own_id": f"{column}_own", "kept": f"{column}_kept"}
        rows = rows.join(of_side.rename(names), on=column, how="left", maintain_order="left")
    both = _of_both(pairs, judgements)
    rows = rows.join(both, on=["low", "high"], how="left", maintain_order="left")
    sides = pl.concat_list("low_own", "high_own").list.drop_nulls().list.unique().list.sort()
    joined = pl.when(sides.list.len() > 0).then(sides.list.join(_JOINT))
    own_id = pl.when("together").then("own_id").otherwise(joined)
    columns = rows.select("low", "high", own_id.alias("own_id"), *map(_value, kept))
    return pairs.join(columns, on=["low", "high"], how="left", maintain_order="left")


def _of_both(pairs: pl.DataFrame, judgements: pl.DataFrame) -> pl.DataFrame:
    """Return the first raw row with a judgement on both responses of each pair."""
    labels = judgements.filter(pl.col("kind") == Kind.PAIR).select(
        pl.min_horizontal("response_a", "response_b").alias("low"),
        pl.max_horizontal("response_a", "response_b").alias("high"),
        *_ORDER,
        "own_id",
        "kept",
    )
    keys = pairs.select("low", "high")
    listed = judgements.filter(pl.col("kind") != Kind.PAIR)
    of_low = keys.join(listed, left_on="low", right_on="response_a")
    of_high = listed.select(*_ORDER[:3], high="response_a").unique()
    in_lists = of_low.join(of_high, on=["high", *_ORDER[:3]], how="semi")
    rows = pl.concat([labels, in_lists.select(labels.columns)])
    return _first(rows, ["low", "high"]).with_columns(pl.lit(value=True).alias("together"))


def _first(rows: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    ordered = rows.sort([*keys, *_ORDER], nulls_last=True)
    return ordered.unique(keys, keep="first", maintain_order=True).select(*keys, "own_id", "kept")


def _value(column: Column) -> pl.Expr:
    """Return a kept column, decoded from the JSON of its raw row."""
    if column.flip is Flip.SWAP:
        side, _, name = column.name.partition("_")
        return _decoded(f"{side}_id_kept", name, column).alias(column.name)
    return _decoded("kept", column.name, column).alias(column.name)


def _decoded(source: str, name: str, column: Column) -> pl.Expr:
    struct = pl.Struct({name: _DTYPES[column.type]})
    return pl.col(source).str.json_decode(struct).struct.field(name)
