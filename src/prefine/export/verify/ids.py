"""Ids as two numbers (96 bits), for many rows in little memory."""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from prefine.schema.ids import ID_DIGITS

_NO_DIGIT = 255
_VALUES = np.full(256, _NO_DIGIT, np.uint8)
_VALUES[[ord(sign) for sign in "0123456789abcdef"]] = np.arange(16)
KEY = ("high", "low")
"""Columns of an id: its first 16 hex digits, and the other 8."""


def ids_of(column: Any) -> tuple[pl.DataFrame, npt.NDArray[np.bool_]]:
    """Return the ids of a column as numbers, and a mask of the rows that have a valid id.

    Args:
        column: An Arrow array of texts; a valid id has 24 lower-case hex digits.
    """
    texts = column.cast(pa.large_binary())
    ends = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset :][: len(texts) + 1]
    chosen = (np.diff(ends) == ID_DIGITS) & np.asarray(texts.is_valid())
    fixed = texts.filter(pa.array(chosen)).cast(pa.binary(ID_DIGITS))
    start = fixed.offset * ID_DIGITS
    data = np.frombuffer(fixed.buffers()[1], np.uint8)
    digits = _VALUES[data[start : start + len(fixed) * ID_DIGITS].reshape(-1, ID_DIGITS)]
    whole = (digits != _NO_DIGIT).all(axis=1)
    chosen[chosen] = whole
    halves = digits[whole].reshape(-1, ID_DIGITS // 2, 2)
    packed = (halves[:, :, 0] << 4) | halves[:, :, 1]
    high = np.ascontiguousarray(packed[:, :8]).view(">u8").astype(np.uint64).ravel()
    low = np.ascontiguousarray(packed[:, 8:]).view(">u4").astype(np.uint32).ravel()
    return pl.DataFrame(dict(zip(KEY, (high, low), strict=True))), chosen


def first_id(rows: pl.DataFrame) -> str:
    """Return the smallest id as text."""
    high, low = rows.select(KEY).sort(KEY).row(0)
    return f"{high:016x}{low:08x}"
