"""Exact decimal means, which are rounded only once.

A float stands for its shortest decimal representation, so that 3.4 - 3.2 equals a threshold of 0.2.
In binary floating point, the difference is 0.19999999999999973.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from math import lcm
from typing import NamedTuple

import numpy as np
import polars as pl

_MAX_DECIMALS = 6
"""Maximum number of decimal places for the fast conversion through floats."""
_MAX_MULTIPLE = 10**15
"""Decimals with at most 15 digits have distinct floats."""
_MAX_CHARS = 38
"""Integers of 38 characters fit into 128 bits."""
_RATER = ("aspect", "annotator")


class Numbers(NamedTuple):
    """Distinct exact numbers; columns of tables hold indexes of this list."""

    multiples: list[int]
    """The numbers as multiples of ``1 / unit``."""
    unit: int
    """The common denominator of the numbers."""

    def at(self, indexes: Iterable[int]) -> list[int]:
        """Return the multiples at some indexes."""
        return [self.multiples[index] for index in indexes]

    def rounded(self) -> list[float]:
        """Return the nearest float of each number."""
        return [multiple / self.unit for multiple in self.multiples]

    def gaps(self, left: Iterable[int], right: Iterable[int]) -> list[float]:
        """Return the nearest float of each difference of the numbers at two indexes."""
        values = self.multiples
        return [(values[a] - values[b]) / self.unit for a, b in zip(left, right, strict=True)]


def decimal(value: float) -> Fraction:
    """Return the shortest decimal representation of a float as a fraction."""
    return Fraction(repr(value))


def exact_values(column: pl.Series) -> tuple[pl.Series, Numbers]:
    """Return the distinct numbers of a column, and the column as indexes of them.

    Args:
        column: Finite floats.
    """
    integers = _as_integers(column)
    if integers is None:
        indexes, numbers = _index_fractions(map(Fraction, column.cast(pl.String)))
    else:
        indexes, numbers = _index_quotients(((number, 1) for number in integers[0]), integers[1])
    return pl.Series(column.name, indexes, dtype=pl.UInt32), numbers


def exact_means(rows: pl.DataFrame, by: Sequence[str]) -> tuple[pl.DataFrame, Numbers]:
    """Return the weighted mean of the aspects for each group.

    The numbers are averaged first by annotator and aspect, then by aspect. The weighted sum of the
    aspects is divided by the sum of the absolute weights.

    Args:
        rows: ``number``, ``weight`` (not 0, the same for each aspect of a group), ``aspect`` and
            ``annotator``.
        by: The columns that identify a group.

    Returns:
        The columns ``by`` and ``value``, an index of the numbers; and the numbers.
    """
    number, weight = _as_integers(rows["number"]), _as_integers(rows["weight"])
    if number is not None and weight is not None:
        integers = rows.select(*by, *_RATER, number=number[0], weight=weight[0])
        means = _means_of_integers(integers, by, number[1])
        if means is not None:
            return means
    return _means_of_fractions(rows, by)


def _as_integers(column: pl.Series) -> tuple[pl.Series, int] | None:
    """Return a column as multiples of ``1 / unit``, and the unit; None if they exceed 128 bits.

    Division of two integers that are exact as floats is rounded correctly, so a multiple that gives
    the original float when divided is its shortest decimal representation.
    """
    values = column.cast(pl.Float64).to_numpy()
    for digits in range(_MAX_DECIMALS + 1):
        unit = 10**digits
        with np.errstate(over="ignore"):
            multiples = np.rint(values * unit)
        if (np.abs(multiples) < _MAX_MULTIPLE).all() and (multiples / unit == values).all():
            return pl.Series(multiples.astype(np.int64)), unit
    return _parse_integers(column.cast(pl.String))


def _parse_integers(texts: pl.Series) -> tuple[pl.Series, int] | None:
    """Return the same as ``_as_integers`` from the decimal text of the numbers."""
    with_exponent = texts.filter(texts.str.contains("e", literal=True)).unique()
    plain = {text: format(Decimal(text), "f") for text in with_exponent}
    parts = texts.replace(plain).str.split_exact(".", 1).struct.unnest()
    after = parts["field_1"].fill_null("")
    digits = int(after.str.len_bytes().max() or 0)  # pyright: ignore[reportArgumentType]
    whole = parts["field_0"] + after.str.pad_end(digits, "0")
    if int(whole.str.len_bytes().max() or 0) > _MAX_CHARS:  # pyright: ignore[reportArgumentType]
        return None
    return whole.cast(pl.Int128), 10**digits


def _means_of_integers(
    rows: pl.DataFrame, by: Sequence[str], unit: int
) -> tuple[pl.DataFrame, Numbers] | None:
    """Return the means of multiples of ``1 / unit``; None if they exceed the integer type."""
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
    indexes, numbers = _index_quotients(distinct.iter_rows(), unit)
    indexed = distinct.with_columns(pl.Series("value", indexes, dtype=pl.UInt32))
    return means.join(indexed, on=["number", "weight"]).select(*by, "value"), numbers


def _largest(column: pl.Series) -> int:
    """Return the largest absolute value of integers; 0 for an empty column."""
    ends: list[int] = [*column.bottom_k(1), *column.top_k(1)]
    return max(map(abs, ends), default=0)


def _index_quotients(quotients: Iterable[tuple[int, int]], unit: int) -> tuple[list[int], Numbers]:
    """Return the distinct quotients of integers, and the index of each quotient."""
    pairs = list(quotients)
    shared = lcm(*{weight for _, weight in pairs})
    index_of: dict[int, int] = {}
    indexes = [
        index_of.setdefault(number * (shared // weight), len(index_of)) for number, weight in pairs
    ]
    return indexes, Numbers(list(index_of), unit * shared)


def _index_fractions(values: Iterable[Fraction]) -> tuple[list[int], Numbers]:
    """Return the distinct values, and the index of each value."""
    index_of: dict[Fraction, int] = {}
    indexes = [index_of.setdefault(value, len(index_of)) for value in values]
    unit = lcm(*(value.denominator for value in index_of))
    multiples = [value.numerator * (unit // value.denominator) for value in index_of]
    return indexes, Numbers(multiples, unit)


def _means_of_fractions(rows: pl.DataFrame, by: Sequence[str]) -> tuple[pl.DataFrame, Numbers]:
    """Return the means of numbers of any size, about ten times slower than with integers."""
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
    indexes, numbers = _index_fractions(means)
    return lists.select(by).with_columns(pl.Series("value", indexes, dtype=pl.UInt32)), numbers


def _mean(
    raters: Mapping[tuple[str, str], Sequence[Fraction]], weights: Mapping[str, Fraction]
) -> Fraction:
    aspects: dict[str, list[Fraction]] = {}
    for (aspect, _), values in raters.items():
        aspects.setdefault(aspect, []).append(_average(values))
    total = sum((weights[name] * _average(values) for name, values in aspects.items()), Fraction())
    return total / sum(map(abs, weights.values()))


def _average(values: Sequence[Fraction]) -> Fraction:
    return values[0] if len(values) == 1 else sum(values, Fraction()) / len(values)
