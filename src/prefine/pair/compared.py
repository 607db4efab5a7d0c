"""Couples of lists in which some raters left responses out, each compared by those who did not."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, cast

import polars as pl

from prefine.pair.ratings import common, mean_values
from prefine.pair.select import Couple, candidates, limited, without_order
from prefine.pair.settings import Pairs
from prefine.schema import hash_unit

_KEYS = ["list", "low", "high"]
_KNOWN = {"list": pl.UInt32, "low": pl.String, "high": pl.String}


class Compared(NamedTuple):
    """What came of lists in which some raters left responses out."""

    couples: list[tuple[Mapping[str, object], Couple]]
    """The couples that were selected; with each, the facts of the ratings behind it."""
    fates: pl.DataFrame
    """One row a rating: its ``number``, and why it is behind no couple; null where it is."""


def compare(ratings: pl.DataFrame, config: Pairs, seed: int) -> Compared:
    """Select couples list by list; the value of a couple is by the columns that rate both sides.

    The columns that cover a list put it in order, and with it say which couples are selected.
    Where none does, all couples that some column rates are compared.

    Args:
        ratings: Ratings in lists, as ``comparable`` returns them.
        config: How couples are selected.
        seed: Decides between equals.
    """
    has_order = pl.col("covers").any().over("list")
    ordered = _candidates(ratings.filter("covers"), config, seed)
    known = pl.concat((ordered, _all_couples(ratings.filter(~has_order))))
    gaps = _gaps(known, ratings)
    selected = list(_select(gaps, config, seed))
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
        pl.concat(
            (
                behind.select("number", fate=pl.lit(None, pl.String)).unique(),
                _unused(unused, gaps),
            )
        ),
    )


def _candidates(covering: pl.DataFrame, config: Pairs, seed: int) -> pl.DataFrame:
    """Return the couples to compare in lists that covering columns put in order."""
    values = mean_values(covering, ["list"]).sort("list", "response_a")
    lists = values.group_by("list", maintain_order=True)
    found: list[tuple[object, str, str]] = []
    for row in lists.agg(pl.col("prompt_id").first(), "response_a", "value").iter_rows(named=True):
        scored = zip(row["response_a"], row["value"], strict=True)
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


def _gaps(known: pl.DataFrame, ratings: pl.DataFrame) -> pl.DataFrame:
    """Return the ``gap`` of each couple, low minus high, and whether its list ``has_order``."""
    values = mean_values(common(known, ratings), _KEYS).join(known, on=_KEYS, how="semi")
    low, high = (
        pl.col("value").filter(pl.col("response_a") == pl.col(side)).first()
        for side in ("low", "high")
    )
    gaps = values.group_by(_KEYS).agg(pl.col("prompt_id").first(), (low - high).alias("gap"))
    orders = ratings.group_by("list").agg(pl.col("covers").any().alias("has_order"))
    return gaps.join(orders, on="list").sort(_KEYS)


def _select(
    gaps: pl.DataFrame, config: Pairs, seed: int
) -> Iterator[tuple[tuple[object, ...], Couple]]:
    """Yield the selected couples, each after its key."""
    columns = ("has_order", "prompt_id")
    lists = gaps.group_by("list", maintain_order=True).agg(
        pl.col(columns).first(), "low", "high", "gap"
    )
    for row in lists.iter_rows(named=True):
        prompt = cast("str", row["prompt_id"])

        def chance(key: str, name: str = prompt) -> float:
            return hash_unit(seed, name, key)

        couples = [
            Couple(low, high, gap) if gap > 0 else Couple(high, low, -gap)
            for low, high, gap in zip(row["low"], row["high"], row["gap"], strict=True)
        ]
        if not row["has_order"]:
            couples = without_order(couples, config.select, chance)
        for couple in limited(couples, config, chance):
            key = (row["list"], *sorted((couple.winner, couple.loser)))
            yield key, couple


def _unused(unused: pl.DataFrame, gaps: pl.DataFrame) -> pl.DataFrame:
    """Say why ratings are behind no couple."""
    differ = gaps.group_by("list").agg((pl.col("gap") != 0).any().alias("differ"))
    fate = pl.when(pl.col("differ").fill_null(value=False)).then(pl.lit("not_selected"))
    return unused.join(differ, on="list", how="left").select(
        "number", fate=fate.otherwise(pl.lit("tie"))
    )
