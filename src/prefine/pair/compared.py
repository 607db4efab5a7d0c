"""Select pairs from lists with incomplete ratings; two responses are compared by common raters."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, cast

import polars as pl

from prefine.pair.exact import Numbers
from prefine.pair.ratings import common_ratings, mean_values
from prefine.pair.select import RankedPair, Selected, candidates, limited, without_order
from prefine.pair.settings import Pairs
from prefine.schema import hash_unit

_KEYS = ["list", "low", "high"]
_KNOWN = {"list": pl.UInt32, "low": pl.String, "high": pl.String}


class Compared(NamedTuple):
    """The pairs selected from lists with incomplete ratings."""

    pairs: list[tuple[Mapping[str, object], RankedPair]]
    """The selected pairs, each with the columns of its vote that come from the ratings."""
    unit: int
    """Gaps are multiples of ``1 / unit``."""
    reasons: pl.DataFrame
    """One row per rating: its ``number``, and why no pair is built from it; null if one is."""


def compare(ratings: pl.DataFrame, config: Pairs, seed: int) -> Compared:
    """Select pairs of each list; the gap of a pair comes from the columns that rate both sides.

    The columns that rate all responses of a list order it, and the pairs are selected from that
    order. Without such columns, all pairs that some column rates are candidates.

    Args:
        ratings: Ratings in lists as ``comparable`` returns them, with ``repeats``.
        config: How pairs are selected.
        seed: Seed of random choices and of ties between equal values.
    """
    has_order = pl.col("covers").any().over("list")
    once = ratings.filter(~pl.col("repeats"))
    ordered = _candidates(once.filter("covers"), config, seed)
    known = pl.concat((ordered, _rated_pairs(once.filter(~has_order))))
    values, numbers = _values(known, once)
    by_list = list(_select(values, numbers, config, seed))
    selected = [
        ((key, *sorted(pair[:2])), pair) for key, selection in by_list for pair in selection.pairs
    ]
    narrow = [(key, name) for key, selection in by_list for name in selection.too_narrow]
    taken = pl.DataFrame([key for key, _ in selected], schema=_KNOWN, orient="row")
    behind = common_ratings(taken, ratings).join(taken, on=_KEYS, how="semi")
    names = pl.col("annotator").cast(pl.String).drop_nulls().unique().sort()
    facts = behind.group_by(_KEYS).agg(
        pl.col("prompt_id", "source").first(),
        pl.when(names.len() > 0).then(names.str.join("+")).first().alias("annotator"),
        pl.col("context_mismatch").any(),
        row=pl.lit(None, pl.String),
        aspect=pl.lit(None, pl.String),
        index=pl.lit(None, pl.Int32),
    )
    by_key = {tuple(row[key] for key in _KEYS): row for row in facts.iter_rows(named=True)}
    unused = ratings.join(behind.select("number").unique(), on="number", how="anti")
    return Compared(
        [(by_key[key], pair) for key, pair in selected],
        numbers.unit,
        pl.concat(
            (
                behind.select("number", reason=pl.lit(None, pl.String)).unique(),
                _unused(unused, values, narrow),
            )
        ),
    )


def _candidates(covering: pl.DataFrame, config: Pairs, seed: int) -> pl.DataFrame:
    """Return the candidate pairs of lists that are ordered by columns rating all responses."""
    values, numbers = mean_values(covering, ["list"])
    lists = values.sort("list", "response_a").group_by("list", maintain_order=True)
    pairs: list[tuple[object, str, str]] = []
    for row in lists.agg(pl.col("prompt_id").first(), "response_a", "value").iter_rows(named=True):
        scored = zip(row["response_a"], numbers.at(row["value"]), strict=True)
        prompt = cast("str", row["prompt_id"])
        candidate_pairs = candidates(
            scored, config.select, lambda key, name=prompt: hash_unit(seed, name, key)
        )
        pairs += [(row["list"], min(a, b), max(a, b)) for (a, _), (b, _) in candidate_pairs]
    return pl.DataFrame(pairs, schema=_KNOWN, orient="row")


def _rated_pairs(ratings: pl.DataFrame) -> pl.DataFrame:
    """Return the pairs of which some column rates both responses."""
    rated = ratings.select("list", "column", low="response_a").unique()
    other = rated.select("column", high="low")
    pairs = rated.join(other, on="column").filter(pl.col("low") < pl.col("high"))
    return pairs.select(_KEYS).unique()


def _values(known: pl.DataFrame, ratings: pl.DataFrame) -> tuple[pl.DataFrame, Numbers]:
    """Return the values of both sides of each pair, and whether its list ``has_order``."""
    means, numbers = mean_values(common_ratings(known, ratings), _KEYS)
    low, high = (
        pl.col("value").filter(pl.col("response_a") == pl.col(side)).first()
        for side in ("low", "high")
    )
    pairs = means.join(known, on=_KEYS, how="semi").group_by(_KEYS)
    values = pairs.agg(pl.col("prompt_id").first(), of_low=low, of_high=high)
    orders = ratings.group_by("list").agg(pl.col("covers").any().alias("has_order"))
    return values.join(orders, on="list").sort(_KEYS), numbers


def _select(
    values: pl.DataFrame, numbers: Numbers, config: Pairs, seed: int
) -> Iterator[tuple[int, Selected]]:
    """Yield the number of each list and the pairs that are selected from it."""
    sides = ("low", "high", "of_low", "of_high")
    lists = values.group_by("list", maintain_order=True).agg(
        pl.col("has_order", "prompt_id").first(), *sides
    )
    for row in lists.iter_rows(named=True):
        prompt = cast("str", row["prompt_id"])

        def chance(key: str, name: str = prompt) -> float:
            return hash_unit(seed, name, key)

        pairs = [
            _ranked_pair(low, high, of_low - of_high)
            for low, high, of_low, of_high in zip(
                row["low"],
                row["high"],
                numbers.at(row["of_low"]),
                numbers.at(row["of_high"]),
                strict=True,
            )
        ]
        if not row["has_order"]:
            pairs = without_order(pairs, config.select, chance)
        yield row["list"], limited(pairs, config, chance, numbers.unit)


def _ranked_pair(low: str, high: str, gap: int) -> RankedPair:
    return RankedPair(low, high, gap) if gap > 0 else RankedPair(high, low, -gap)


def _unused(
    unused: pl.DataFrame, values: pl.DataFrame, narrow: list[tuple[int, str]]
) -> pl.DataFrame:
    """Return why no pair is built from some ratings."""
    schema = {"list": pl.UInt32, "response_a": pl.String}
    too_narrow = pl.DataFrame(narrow, schema=schema, orient="row").unique()
    differ = values.group_by("list").agg(
        (pl.col("of_low") != pl.col("of_high")).any().alias("differ")
    )
    why = (
        pl.when("narrow")
        .then(pl.lit("too_narrow"))
        .when("differ")
        .then(pl.lit("not_selected"))
        .otherwise(pl.lit("tie"))
    )
    return (
        unused.join(differ, on="list", how="left")
        .join(too_narrow.with_columns(narrow=True), on=["list", "response_a"], how="left")
        .select("number", why.alias("reason"))
    )
