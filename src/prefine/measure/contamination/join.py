"""Join the benchmark matches of prompts and responses to their pairs."""

from collections.abc import Mapping

import polars as pl

from prefine.measure.contamination.matches import METRICS

_TIES = {"by": False, "longest_run": True, "example_id": False, "benchmark": False}
BEST = {
    "example": {"overlap": True, **_TIES},
    "run_example": {"longest_run": True, "overlap": True, **_TIES},
    "parts_example": {"parts": True, "overlap": True, **_TIES},
}
"""For each id column, the sort order whose first match it names; true sorts in descending order.
Ties are broken by an exact match, the longest run, the smallest id and the first benchmark."""
_SIDES = {
    "prompt": ("prompts", "prompt_id"),
    "chosen": ("responses", "chosen_id"),
    "rejected": ("responses", "rejected_id"),
}


def best_matches(matches: pl.DataFrame) -> pl.DataFrame:
    """Return the matches of each text that have its largest value of any metric."""
    firsts = [_first(matches, "id", order) for order in BEST.values()]
    covered = _first(matches, "id", {"covered": True, **_TIES})
    return pl.concat([*firsts, covered]).unique()


def _first(rows: pl.DataFrame, key: str, order: Mapping[str, bool]) -> pl.DataFrame:
    ordered = rows.sort(list(order), descending=list(order.values()), nulls_last=True)
    return ordered.unique(key, keep="first", maintain_order=True)


def join_matches(
    pairs: pl.DataFrame, best: Mapping[str, pl.DataFrame], benchmarks: list[str]
) -> pl.DataFrame:
    """Return the largest values of each pair, over all its texts and for each text.

    Args:
        pairs: ``pair_id``, ``prompt_id``, ``chosen_id`` and ``rejected_id``.
        best: The results of ``best_matches``, by the table of the texts.
        benchmarks: The names of the benchmarks, in order.
    """
    by_side: list[pl.DataFrame] = []
    rows = pairs.select("pair_id")
    for side, (table, column) in _SIDES.items():
        if table in best:
            ids = pairs.select("pair_id", pl.col(column).alias("id"))
            of_side = ids.join(best[table], on="id").drop("id")
            by_side.append(of_side)
            rows = _with_largest(rows, of_side, f"{side}_contamination")
    matches = pl.concat(by_side)
    rows = _with_largest(rows, matches, "contamination")
    for name, order in BEST.items():
        extra = ("by", "benchmark") if name == "example" else ()
        positive = matches.filter(pl.col(next(iter(order))) > 0)
        first = _first(positive, "pair_id", order).select(
            "pair_id",
            pl.col("example_id").alias(f"contamination_{name}"),
            *(pl.col(column).alias(f"contamination_{column}") for column in extra),
        )
        rows = rows.join(first, on="pair_id", how="left", validate="1:1")
    names = dict(enumerate(benchmarks))
    number = pl.col("contamination_benchmark")
    return rows.with_columns(number.replace_strict(names, return_dtype=pl.String))


def _with_largest(rows: pl.DataFrame, matches: pl.DataFrame, stem: str) -> pl.DataFrame:
    names = {name: f"{stem}_{name}" for name in METRICS}
    largest = matches.group_by("pair_id").agg(pl.col(name).max() for name in METRICS).rename(names)
    joined = rows.join(largest, on="pair_id", how="left", maintain_order="left", validate="1:1")
    return joined.with_columns(pl.col(name).fill_null(0) for name in names.values())
