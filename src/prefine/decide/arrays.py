"""Columns of all pairs as arrays of numbers or text codes, in both directions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from prefine.decide.columns import ID_COLUMNS
from prefine.schema import HUMAN_VERDICT, Column, Flip

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Array: TypeAlias = "pa.Array[Any]"
Chunked: TypeAlias = "pa.ChunkedArray[Any]"

_TEXT = pa.large_string()


class Directed(NamedTuple):
    """A column in both directions, one value per pair; shape (pairs,) each."""

    own: npt.NDArray[Any]
    """The values of pairs as labelled."""
    turned: npt.NDArray[Any]
    """The values of flipped pairs; the same object as ``own`` if the column has no direction."""
    num_codes: int = 0
    """Number of codes; 0 for a column of numbers."""


@dataclass(frozen=True)
class Facts:
    """The columns of all pairs, one row per pair, converted to arrays on first use.

    Numbers are floats with NaN for null. A text is a code from 0, its position in ``texts``. Text
    columns of the table may be dictionary arrays, which are faster to encode.
    """

    table: pa.Table
    """One row per pair."""
    columns: Mapping[str, Column]
    """The columns that rules may name."""
    _numbers: dict[str, Directed] = field(default_factory=dict[str, Directed])
    _groups: dict[str, Directed] = field(default_factory=dict[str, Directed])
    _values: dict[str, Array] = field(default_factory=dict[str, "Array"])
    _texts: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def column(self, name: str) -> Column:
        """Return the definition of a column; an unknown one does not depend on the direction."""
        column = self.columns.get(name) or ID_COLUMNS.get(name)
        if column is not None:
            return column
        type_ = cast("Any", self.table.schema.field(name).type)
        return Column(name, type_.value_type if pa.types.is_dictionary(type_) else type_, "")

    def numbers(self, name: str) -> Directed:
        """Return a column as floats with NaN for null; a text column as its codes."""
        if name not in self._numbers:
            column = self.column(name)
            if column.numeric:
                own = _floats(self.table[name])
                self._numbers[name] = Directed(own, self._turned(column, own))
            else:
                codes = self.groups(name)
                floats = _code_floats(codes.own)
                other = floats if codes.turned is codes.own else _code_floats(codes.turned)
                self._numbers[name] = Directed(floats, other, codes.num_codes)
        return self._numbers[name]

    def _turned(self, column: Column, own: Floats) -> Floats:
        if column.flip is Flip.NEGATE:
            return -own
        if column.flip is Flip.COMPLEMENT:
            return 1 - own
        return own if column.partner is None else _floats(self.table[column.partner])

    def groups(self, name: str) -> Directed:
        """Return the codes of a column: equal values have equal codes from 0, null has -1."""
        if name not in self._groups:
            column = self.column(name)
            own = _comparable(self.table[name], column)
            other = self._turned_values(column, own)
            codes, self._values[name] = _encoded([own] if other is own else [own, other])
            self._groups[name] = Directed(codes[0], codes[-1], len(self._values[name]))
        return self._groups[name]

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the texts of a text column, by code."""
        if name not in self._texts:
            self.groups(name)
            self._texts[name] = tuple(map(str, self._values[name].to_pylist()))
        return self._texts[name]

    def _turned_values(self, column: Column, own: Chunked) -> Chunked:
        if column.flip is Flip.NEGATE:
            return _comparable(pc.negate(own), column)
        if column.flip is Flip.COMPLEMENT:
            return _comparable(pc.subtract(1, own), column)
        partner = column.partner
        return own if partner is None else _comparable(self.table[partner], column)

    @cached_property
    def order(self) -> Floats:
        """The seeded position of each pair, in [0, 1)."""
        return _floats(self.table["order"])

    @cached_property
    def source(self) -> Places:
        """The position of each pair's source in ``source_names``."""
        rank = {name: position for position, name in enumerate(self.source_names)}
        known = [rank[text] for text in self.texts("source")]
        return np.array([*known, rank.get("", -1)], np.int64)[self.groups("source").own]

    @cached_property
    def source_names(self) -> tuple[str, ...]:
        """The names of the sources, sorted; the empty name stands for a missing source."""
        has_null = (self.groups("source").own < 0).any()
        return tuple(sorted({*self.texts("source"), *([""] if has_null else [])}))

    @cached_property
    def is_directed(self) -> Bools | None:
        """Whether a human verdict on the label exists for each pair; None if there are none."""
        if HUMAN_VERDICT not in self.table.column_names:
            return None
        texts = self.texts(HUMAN_VERDICT)
        directing = [code for code, text in enumerate(texts) if text in {"right", "wrong"}]
        return np.isin(self.groups(HUMAN_VERDICT).own, directing) if directing else None


def to_arrow(values: npt.NDArray[Any], missing: Bools | None = None) -> Array:
    """Return numbers as an Arrow array that shares their memory.

    ``pa.array`` would do the same but imports pandas if it is installed.

    Args:
        values: Shape (values,).
        missing: Which values are null, shape (values,); none by default.
    """
    bits = None if missing is None else np.packbits(~missing, bitorder="little")
    nulls = None if bits is None else pa.py_buffer(cast("Any", bits))
    data = pa.py_buffer(cast("Any", np.ascontiguousarray(values)))
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [nulls, data])


def _floats(values: Chunked) -> Floats:
    """Return numbers or Booleans as floats, null as NaN."""
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    floats = pl.Series(values.cast(pa.float64(), safe=False))
    return floats.fill_null(math.nan).to_numpy().astype(np.float64, copy=False)


def _code_floats(codes: Places) -> Floats:
    floats = codes.astype(np.float64)
    floats[codes < 0] = np.nan
    return floats


def _comparable(values: Chunked, column: Column) -> Chunked:
    """Return values in a form in which equal values are identical; integers stay exact."""
    if not column.numeric:
        return values if pa.types.is_dictionary(values.type) else values.cast(_TEXT)
    if pa.types.is_integer(values.type):
        return values
    floats = _floats(values) + 0.0  # turns -0 into 0
    return pa.chunked_array([to_arrow(floats, missing=np.isnan(floats))])


def _encoded(columns: list[Chunked]) -> tuple[list[Places], Array]:
    """Return the codes of several columns in a common dictionary, and the dictionary."""
    chunks = [chunk for column in columns for chunk in column.chunks]
    if not chunks:
        return [np.zeros(0, np.int64) for _ in columns], cast("Array", pa.nulls(0, _TEXT))
    if not pa.types.is_dictionary(columns[0].type):
        chunks = [cast("Any", pa.concat_arrays(chunks)).dictionary_encode()]
    encoded = cast("Any", pa.chunked_array([_large(chunk) for chunk in chunks]))
    unified: list[Any] = encoded.unify_dictionaries().chunks
    parts = [pl.Series(chunk.indices).fill_null(-1).to_numpy() for chunk in unified]
    codes = np.concatenate(parts).astype(np.int64)
    ends = np.cumsum([len(column) for column in columns])[:-1]
    return list(np.split(codes, ends)), cast("Array", unified[0].dictionary)


def _large(chunk: Any) -> Any:
    """Return a dictionary array with 64-bit offsets, because all texts may exceed 2 GB."""
    if not pa.types.is_string(chunk.type.value_type):
        return chunk
    return cast("Any", pa.DictionaryArray.from_arrays(chunk.indices, chunk.dictionary.cast(_TEXT)))
