"""Exact means of numbers that are written as decimals, rounded once, when they are recorded.

A float stands for the shortest decimal that is read as it: 3.4 - 3.2 is 0.2, and so is the
threshold 0.2. In binary, the difference is 0.19999999999999973.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from math import lcm
from typing import NamedTuple

import numpy as np
import polars as pl

_MOST_DIGITS = 6
"""Decimals after the point up to which numbers are first looked at as floats."""
_MOST_MULTIPLE = 10**15
"""Decimals of at most 15 digits are told apart by their floats."""
_MOST_LETTERS = 38
"""Whole numbers of 38 letters fit into 128 bits."""
_RATER = ("aspect", "annotator")


class Numbers(NamedTuple):
    """Distinct numbers, each a whole multiple of ``1 / unit``; columns hold places in this list."""

    multiples: list[int]
    unit: int

    def at(self, places: Iterable[int]) -> list[int]:
        """Return the multiples at some places."""
        return [self.multiples[place] for place in places]

    def rounded(self) -> list[float]:
        """Return the float that is nearest to each number."""
        return [multiple / self.unit for multiple in self.multiples]

    def gaps(self, left: Iterable[int], right: Iterable[int]) -> list[float]:
        """Return the float that is nearest to each difference of numbers at two places."""
        values = self.multiples
        return [(values[a] - values[b]) / self.unit for a, b in zip(left, right, strict=True)]


def decimal(value: float) -> Fraction:
    """Return the number that a float is the shortest decimal of."""
    return Fraction(repr(value))


def exact_values(column: pl.Series) -> tuple[pl.Series, Numbers]:
    """Return the places of a column of finite floats among its distinct numbers, and these."""
    whole = _whole(column)
    if whole is None:
        places, numbers = _of_fractions(map(Fraction, column.cast(pl.String)))
    else:
        places, numbers = _of_quotients(((number, 1) for number in whole[0]), whole[1])
    return pl.Series(column.name, places, dtype=pl.UInt32), numbers


def exact_means(rows: pl.DataFrame, by: Sequence[str]) -> tuple[pl.DataFrame, Numbers]:
    """Return one number for each group: the weighted mean of its aspects.

    The numbers of one annotator on one aspect are averaged first, then those of all annotators.
    An aspect of negative weight counts against; the sum is divided by the sum of the absolute
    weights.

    Args:
        rows: ``number``, ``weight`` (never 0, one for each aspect of a group), ``aspect`` and
            ``annotator``.
        by: The columns of a group.

    Returns:
        The columns ``by`` and ``value``, a place in the numbers; and these.
    """
    number, weight = _whole(rows["number"]), _whole(rows["weight"])
    if number is not None and weight is not None:
        counted = rows.select(*by, *_RATER, number=number[0], weight=weight[0])
        found = _means_of_integers(counted, by, number[1])
        if found is not None:
            return found
    return _means_of_fractions(rows, by)


def _whole(column: pl.Series) -> tuple[pl.Series, int] | None:
    """Return a column in whole multiples of ``1 / unit``, and the unit; null where 128 bits fail.

    A quotient of two whole numbers that are exact as floats is rounded correctly: where each number
    comes out again, it is the decimal that its float is the shortest of.
    """
    values = column.cast(pl.Float64).to_numpy()
    for digits in range(_MOST_DIGITS + 1):
        unit = 10**digits
        with np.errstate(over="ignore"):
            multiples = np.rint(values * unit)
        if (np.abs(multiples) < _MOST_MULTIPLE).all() and (multiples / unit == values).all():
            return pl.Series(multiples.astype(np.int64)), unit
    return _whole_by_text(column.cast(pl.String))


def _whole_by_text(texts: pl.Series) -> tuple[pl.Series, int] | None:
    """Return the same from the texts of numbers."""
    with_exponent = texts.filter(texts.str.contains("e", literal=True)).unique()
    plain = {text: format(Decimal(text), "f") for text in with_exponent}
    parts = texts.replace(plain).str.split_exact(".", 1).struct.unnest()
    after = parts["field_1"].fill_null("")
    digits = int(after.str.len_bytes().max() or 0)  # pyright: ignore[reportArgumentType]
    whole = parts["field_0"] + after.str.pad_end(digits, "0")
    if int(whole.str.len_bytes().max() or 0) > _MOST_LETTERS:  # pyright: ignore[reportArgumentType]
        return None
    return whole.cast(pl.Int128), 10**digits


def _means_of_integers(
    rows: pl.DataFrame, by: Sequence[str], unit: int
) -> tuple[pl.DataFrame, Numbers] | None:
    """Return the means of whole numbers of ``1 / unit``; null where their type is too small."""
    number, weight = pl.col("number"), pl.col("weight")
    wide = pl.Int128 in rows.schema.values()
    dtype, too_large = (pl.Int128, 2**127) if wide else (pl.Int64, 2**63)
    rows = rows.with_columns(number.cast(dtype), weight.cast(dtype))
    largest = _largest(rows["number"])
    for keys in ([*by, *_RATER], [*by, "aspect"]):
        rows = rows.group_by(keys).agg(number.sum(), pl.len().cast(dtype), weight.first())
        scale = lcm(*rows["len"].unique())
        largest, unit = largest * scale, unit * scale
        if largest >= too_large:
            return None
        rows = rows.with_columns(number * (pl.lit(scale, dtype) // pl.col("len")))
    if largest * _largest(rows["weight"]) * rows["aspect"].n_unique() >= too_large:
        return None
    means = rows.group_by(by).agg((number * weight).sum(), weight.abs().sum())
    distinct = means.select("number", "weight").unique()
    places, numbers = _of_quotients(distinct.iter_rows(), unit)
    found = distinct.with_columns(pl.Series("value", places, dtype=pl.UInt32))
    return means.join(found, on=["number", "weight"]).select(*by, "value"), numbers


def _largest(column: pl.Series) -> int:
    """Return the largest absolute value of whole numbers; 0 of none."""
    ends: list[int] = [*column.bottom_k(1), *column.top_k(1)]
    return max(map(abs, ends), default=0)


def _of_quotients(quotients: Iterable[tuple[int, int]], unit: int) -> tuple[list[int], Numbers]:
    """Return the place of each quotient of whole multiples, and the distinct quotients."""
    pairs = list(quotients)
    shared = lcm(*{weight for _, weight in pairs})
    places: dict[int, int] = {}
    found = [
        places.setdefault(number * (shared // weight), len(places)) for number, weight in pairs
    ]
    return found, Numbers(list(places), unit * shared)


def _of_fractions(values: Iterable[Fraction]) -> tuple[list[int], Numbers]:
    """Return the place of each value among the distinct ones, and these."""
    places: dict[Fraction, int] = {}
    found = [places.setdefault(value, len(places)) for value in values]
    unit = lcm(*(value.denominator for value in places))
    return found, Numbers([value.numerator * (unit // value.denominator) for value in places], unit)


def _means_of_fractions(rows: pl.DataFrame, by: Sequence[str]) -> tuple[pl.DataFrame, Numbers]:
    """Return the means of any numbers, some ten times as slowly."""
    names = ("aspect", "annotator", "number", "weight")
    texts = rows.select(*by, *names[:2], *(pl.col(name).cast(pl.String) for name in names[2:]))
    lists = texts.group_by(by).agg(names)
    known: dict[str, Fraction] = {}
    for name in names[2:]:
        known |= {text: Fraction(text) for text in texts[name].unique()}
    means: list[Fraction] = []
    for columns in lists.select(names).iter_rows():
        raters: dict[tuple[str, str], list[Fraction]] = {}
        weights: dict[str, Fraction] = {}
        for aspect, annotator, number, weight in zip(*columns, strict=True):
            raters.setdefault((aspect, annotator), []).append(known[number])
            weights[aspect] = known[weight]
        means.append(_mean(raters, weights))
    places, numbers = _of_fractions(means)
    return lists.select(by).with_columns(pl.Series("value", places, dtype=pl.UInt32)), numbers


def _mean(
    raters: Mapping[tuple[str, str], Sequence[Fraction]], weights: Mapping[str, Fraction]
) -> Fraction:
    aspects: dict[str, list[Fraction]] = {}
    for (aspect, _), found in raters.items():
        aspects.setdefault(aspect, []).append(_average(found))
    total = sum((weights[name] * _average(found) for name, found in aspects.items()), Fraction())
    return total / sum(map(abs, weights.values()))


def _average(values: Sequence[Fraction]) -> Fraction:
    return values[0] if len(values) == 1 else sum(values, Fraction()) / len(values)
