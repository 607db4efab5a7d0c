"""Direct pairs by the majority of human verdicts, which outrank the labels or vote with them."""

from collections.abc import Sequence
from fractions import Fraction

import polars as pl

from prefine.pair.exact import decimal
from prefine.pair.verdicts.settings import Word
from prefine.schema import PAIR_COLUMNS, Column

CAST: dict[str, type[pl.DataType]] = {
    "pair_id": pl.String,
    "reviewer": pl.String,
    "by": pl.String,
    "word": pl.String,
    "outcome": pl.String,
    "at": pl.Float64,
    "at_text": pl.String,
    "weight": pl.Float64,
}
"""Columns of one usable verdict on one pair. ``outcome`` is the id of the better response, or
``tie``, ``both_bad`` or ``drop``; ``weight`` is null if the verdict outranks the labels."""

_TIE = pl.lit(Word.TIE.value)
_NO_SIDE = (Word.TIE.value, Word.BOTH_BAD.value)
_WORDS = (*_NO_SIDE, Word.DROP.value)


def reviewed(pairs: pl.DataFrame, cast: pl.DataFrame, kept: Sequence[Column]) -> pl.DataFrame:
    """Direct pairs by human verdicts, and add the columns about verdicts.

    Args:
        pairs: Pairs as directed by their labels, with their ``balance``, a fraction.
        cast: The verdicts on these pairs, with the columns ``CAST``.
        kept: Columns of pairs that come from kept columns.
    """
    outranks = pl.col("weight").is_null()
    last = pl.col("at").max().over("pair_id", "reviewer", outranks)
    latest = cast.filter(pl.col("at").eq_missing(last))
    outranking = latest.filter(outranks)
    votes = latest.filter(~outranks)
    counts = cast.group_by("pair_id").agg(pl.len().cast(pl.Int64).alias("num_verdicts"))
    decisions = _decisions(outranking)
    for facts in (counts, decisions, _reviewers(outranking), _favoured_sides(votes, pairs)):
        pairs = pairs.drop(facts.columns[1:], strict=False)
        pairs = pairs.join(facts, on="pair_id", how="left", maintain_order="left")
    return _directed(pairs, kept)


def _plurality(votes: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Return the most frequent outcome for each key; ``tie`` if several are most frequent."""
    counted = votes.group_by(*keys, "outcome").len()
    top = counted.filter(pl.col("len") == pl.col("len").max().over(*keys))
    outcome = pl.when(pl.len() == 1).then(pl.col("outcome").first()).otherwise(_TIE)
    return top.group_by(keys).agg(outcome.alias("outcome"))


def _decisions(outranking: pl.DataFrame) -> pl.DataFrame:
    """Return the outcome of each pair by the majority of its reviewers, each with one vote."""
    each = _plurality(outranking, ["pair_id", "reviewer"])
    decided = _plurality(each, ["pair_id"])
    words = (
        outranking.join(decided, on=["pair_id", "outcome"])
        .group_by("pair_id")
        .agg((pl.col("word") == Word.WRONG).all().alias("all_wrong"))
    )
    return decided.join(words, on="pair_id", how="left")


def _reviewers(outranking: pl.DataFrame) -> pl.DataFrame:
    """Return the reviewers of each pair, and the time of the latest verdict."""
    ordered = outranking.sort("pair_id", "at", "at_text", nulls_last=False)
    return ordered.group_by("pair_id", maintain_order=True).agg(
        pl.col("by").drop_nulls().unique().sort().str.join("+").replace("", None).alias("human_by"),
        pl.col("at_text").drop_nulls().last().alias("human_at"),
    )


def _favoured_sides(votes: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Return the side that labels and verdicts favour together: 1 chosen, -1 rejected, or 0."""
    each = _plurality(votes, ["pair_id", "reviewer", "weight"])
    sides = each.join(pairs.select("pair_id", "chosen_id", "balance"), on="pair_id")
    toward = (
        pl.when(pl.col("outcome").is_in(_WORDS))
        .then(0)
        .otherwise(pl.when(pl.col("outcome") == pl.col("chosen_id")).then(1).otherwise(-1))
    )
    lists = sides.group_by("pair_id").agg(
        pl.col("balance").first(), pl.col("weight"), toward.alias("toward")
    )
    favours = [_favours(*row) for row in lists.select("balance", "weight", "toward").iter_rows()]
    return lists.select("pair_id", pl.Series("favours", favours, dtype=pl.Int8))


def _favours(balance: str, weights: Sequence[float], towards: Sequence[int]) -> int:
    """Return the sign of the labels' balance plus the signed weights of the verdicts."""
    verdicts = sum(decimal(w) * toward for w, toward in zip(weights, towards, strict=True))
    total = abs(Fraction(balance)) + verdicts
    return (total > 0) - (total < 0)


def _directed(pairs: pl.DataFrame, kept: Sequence[Column]) -> pl.DataFrame:
    outcome, favours = pl.col("outcome"), pl.col("favours")
    is_side = (~outcome.is_in(_WORDS)).fill_null(value=False)
    frame = pairs.with_columns(
        pl.when(is_side)
        .then(outcome != pl.col("chosen_id"))
        .otherwise(outcome.is_null() & (favours.fill_null(1) < 0))
        .alias("turned"),
        pl.when(is_side)
        .then(pl.lit(value=False))
        .when(outcome.is_in(_NO_SIDE))
        .then(pl.lit(value=True))
        .when(outcome.is_null() & favours.is_not_null())
        .then(favours == 0)
        .otherwise("is_tie")
        .alias("decided_tie"),
        _human_verdict(is_side),
    )
    turned = pl.col("turned")
    return frame.with_columns(
        *(column.in_direction(turned) for column in (*PAIR_COLUMNS, *kept)),
        pl.when(turned).then("rejected_id").otherwise("chosen_id").alias("chosen_id"),
        pl.when(turned).then("chosen_id").otherwise("rejected_id").alias("rejected_id"),
    ).with_columns(
        pl.col("decided_tie").alias("is_tie"),
        pl.col("num_verdicts").fill_null(0),
        pl.when(outcome.is_not_null())
        .then(pl.lit("verdict"))
        .otherwise("label_source")
        .alias("label_source"),
    )


def _human_verdict(is_side: pl.Expr) -> pl.Expr:
    """Return the verdict relative to the direction by the labels, if there is one."""
    against = (
        pl.when("is_tie").then("all_wrong").otherwise(pl.col("outcome") != pl.col("chosen_id"))
    )
    word = pl.when(against).then(pl.lit(Word.WRONG.value)).otherwise(pl.lit(Word.RIGHT.value))
    return pl.when(is_side).then(word).otherwise("outcome").alias("human_verdict")
