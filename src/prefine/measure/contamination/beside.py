"""Lay what was found in prompts and responses beside their pairs."""

from collections.abc import Mapping

import polars as pl

from prefine.measure.contamination.matches import METRICS

_TIES = {"by": False, "longest_run": True, "example_id": False, "benchmark": False}
BEST = {
    "example": {"overlap": True, **_TIES},
    "run_example": {"longest_run": True, "overlap": True, **_TIES},
    "parts_example": {"parts": True, "overlap": True, **_TIES},
}
"""Which item each id names: the first in this order of columns, true where the largest comes first.
Of equal ones an exact match, then the lowest id and the first benchmark."""
_SIDES = {
    "prompt": ("prompts", "prompt_id"),
    "chosen": ("responses", "chosen_id"),
    "rejected": ("responses", "rejected_id"),
}


def best_of(matches: pl.DataFrame) -> pl.DataFrame:
    """Return the matches of each text that have its largest value of anything."""
    kept = [_first(matches, "id", order) for order in BEST.values()]
    covered = _first(matches, "id", {"covered": True, **_TIES})
    return pl.concat([*kept, covered]).unique()


def _first(rows: pl.DataFrame, key: str, order: Mapping[str, bool]) -> pl.DataFrame:
    placed = rows.sort(list(order), descending=list(order.values()), nulls_last=True)
    return placed.unique(key, keep="first", maintain_order=True)


def beside_pairs(
    pairs: pl.DataFrame, best: Mapping[str, pl.DataFrame], benchmarks: list[str]
) -> pl.DataFrame:
    """Return the largest values of each pair, over its texts and of each of them.

    Args:
        pairs: ``pair_id``, ``prompt_id``, ``chosen_id`` and ``rejected_id``.
        best: As of ``best_of``, by the table that the texts are of.
        benchmarks: Their names.
    """
    found: list[pl.DataFrame] = []
    rows = pairs.select("pair_id")
    for side, (table, column) in _SIDES.items():
        if table in best:
            named = pairs.select("pair_id", pl.col(column).alias("id"))
            of_side = named.join(best[table], on="id").drop("id")
            found.append(of_side)
            rows = _with_largest(rows, of_side, f"{side}_contamination")
    every = pl.concat(found)
    rows = _with_largest(rows, every, "contamination")
    for name, order in BEST.items():
        more = ("by", "benchmark") if name == "example" else ()
        here = every.filter(pl.col(next(iter(order))) > 0)
        first = _first(here, "pair_id", order).select(
            "pair_id",
            pl.col("example_id").alias(f"contamination_{name}"),
            *(pl.col(column).alias(f"contamination_{column}") for column in more),
        )
        rows = rows.join(first, on="pair_id", how="left", validate="1:1")
    numbers = dict(enumerate(benchmarks))
    number = pl.col("contamination_benchmark")
    return rows.with_columns(number.replace_strict(numbers, return_dtype=pl.String))


def _with_largest(rows: pl.DataFrame, found: pl.DataFrame, stem: str) -> pl.DataFrame:
    names = {name: f"{stem}_{name}" for name in METRICS}
    largest = found.group_by("pair_id").agg(pl.col(name).max() for name in METRICS).rename(names)
    joined = rows.join(largest, on="pair_id", how="left", maintain_order="left", validate="1:1")
    return joined.with_columns(pl.col(name).fill_null(0) for name in names.values())
