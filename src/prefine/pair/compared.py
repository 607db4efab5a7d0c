"""Couples of lists in which some raters left responses out, each compared by those who did not."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, cast

import polars as pl

from prefine.pair.exact import Numbers
from prefine.pair.ratings import common, mean_values
from prefine.pair.select import Couple, Selected, candidates, limited, without_order
from prefine.pair.settings import Pairs
from prefine.schema import hash_unit

_KEYS = ["list", "low", "high"]
_KNOWN = {"list": pl.UInt32, "low": pl.String, "high": pl.String}


class Compared(NamedTuple):
    """What came of lists in which some raters left responses out."""

    couples: list[tuple[Mapping[str, object], Couple]]
    """The couples that were selected; with each, the facts of the ratings behind it."""
    unit: int
    """Their gaps are multiples of ``1 / unit``."""
    fates: pl.DataFrame
    """One row a rating: its ``number``, and why it is behind no couple; null where it is."""


def compare(ratings: pl.DataFrame, config: Pairs, seed: int) -> Compared:
    """Select couples list by list; the value of a couple is by the columns that rate both sides.

    The columns that cover a list put it in order, and with it say which couples are selected.
    Where none does, all couples that some column rates are compared.

    Args:
        ratings: Ratings in lists, as ``comparable`` returns them, with ``repeats``.
        config: How couples are selected.
        seed: Decides between equals.
    """
    has_order = pl.col("covers").any().over("list")
    once = ratings.filter(~pl.col("repeats"))
    ordered = _candidates(once.filter("covers"), config, seed)
    known = pl.concat((ordered, _all_couples(once.filter(~has_order))))
    values, numbers = _values(known, once)
    found = list(_select(values, numbers, config, seed))
    selected = [
        ((key, *sorted(couple[:2])), couple) for key, one in found for couple in one.couples
    ]
    narrow = [(key, name) for key, one in found for name in one.too_narrow]
    taken = pl.DataFrame([key for key, _ in selected], schema=_KNOWN, orient="row")
    behind = common(taken, ratings).join(taken, on=_KEYS, how="semi")
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
        [(by_key[key], couple) for key, couple in selected],
        numbers.unit,
        pl.concat(
            (
                behind.select("number", fate=pl.lit(None, pl.String)).unique(),
                _unused(unused, values, narrow),
            )
        ),
    )


def _candidates(covering: pl.DataFrame, config: Pairs, seed: int) -> pl.DataFrame:
    """Return the couples to compare in lists that covering columns put in order."""
    values, numbers = mean_values(covering, ["list"])
    lists = values.sort("list", "response_a").group_by("list", maintain_order=True)
    found: list[tuple[object, str, str]] = []
    for row in lists.agg(pl.col("prompt_id").first(), "response_a", "value").iter_rows(named=True):
        scored = zip(row["response_a"], numbers.at(row["value"]), strict=True)
        prompt = cast("str", row["prompt_id"])
        couples = candidates(
            scored, config.select, lambda key, name=prompt: hash_unit(seed, name, key)
        )
        found += [(row["list"], min(a, b), max(a, b)) for (a, _), (b, _) in couples]
    return pl.DataFrame(found, schema=_KNOWN, orient="row")


def _all_couples(ratings: pl.DataFrame) -> pl.DataFrame:
    """Return the couples of which some column rates both responses."""
    rated = ratings.select("list", "column", low="response_a").unique()
    other = rated.select("column", high="low")
    couples = rated.join(other, on="column").filter(pl.col("low") < pl.col("high"))
    return couples.select(_KEYS).unique()


def _values(known: pl.DataFrame, ratings: pl.DataFrame) -> tuple[pl.DataFrame, Numbers]:
    """Return the values of both sides of each couple, and whether its list ``has_order``."""
    means, numbers = mean_values(common(known, ratings), _KEYS)
    low, high = (
        pl.col("value").filter(pl.col("response_a") == pl.col(side)).first()
        for side in ("low", "high")
    )
    couples = means.join(known, on=_KEYS, how="semi").group_by(_KEYS)
    values = couples.agg(pl.col("prompt_id").first(), of_low=low, of_high=high)
    orders = ratings.group_by("list").agg(pl.col("covers").any().alias("has_order"))
    return values.join(orders, on="list").sort(_KEYS), numbers


def _select(
    values: pl.DataFrame, numbers: Numbers, config: Pairs, seed: int
) -> Iterator[tuple[int, Selected]]:
    """Yield what is selected of each list, after its number."""
    sides = ("low", "high", "of_low", "of_high")
    lists = values.group_by("list", maintain_order=True).agg(
        pl.col("has_order", "prompt_id").first(), *sides
    )
    for row in lists.iter_rows(named=True):
        prompt = cast("str", row["prompt_id"])

        def chance(key: str, name: str = prompt) -> float:
            return hash_unit(seed, name, key)

        couples = [
            _couple(low, high, of_low - of_high)
            for low, high, of_low, of_high in zip(
                row["low"],
                row["high"],
                numbers.at(row["of_low"]),
                numbers.at(row["of_high"]),
                strict=True,
            )
        ]
        if not row["has_order"]:
            couples = without_order(couples, config.select, chance)
        yield row["list"], limited(couples, config, chance, numbers.unit)


def _couple(low: str, high: str, gap: int) -> Couple:
    return Couple(low, high, gap) if gap > 0 else Couple(high, low, -gap)


def _unused(
    unused: pl.DataFrame, values: pl.DataFrame, narrow: list[tuple[int, str]]
) -> pl.DataFrame:
    """Say why ratings are behind no couple."""
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
        .select("number", why.alias("fate"))
    )
