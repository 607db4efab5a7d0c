"""Columns of all pairs as arrays: numbers and codes of texts, in either direction."""

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
    """A column in both directions, one value a pair."""

    own: npt.NDArray[Any]
    turned: npt.NDArray[Any]
    """The values in flipped pairs; the same object for a column without a direction."""
    num_codes: int = 0
    """Number of codes."""


@dataclass(frozen=True)
class Facts:
    """One row per pair, as arrays that are made when a rule first needs them.

    A number is a float, null is NaN. A text is a code from 0: its place in ``texts``. Text columns
    of the table may be dictionary arrays, as Parquet files have them: then only the distinct values
    of each part are compared.
    """

    table: pa.Table
    columns: Mapping[str, Column]
    _numbers: dict[str, Directed] = field(default_factory=dict[str, Directed])
    _groups: dict[str, Directed] = field(default_factory=dict[str, Directed])
    _values: dict[str, Array] = field(default_factory=dict[str, "Array"])
    _texts: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def column(self, name: str) -> Column:
        """Return what a column means; one that no rule may name does not depend on direction."""
        found = self.columns.get(name) or ID_COLUMNS.get(name)
        if found is not None:
            return found
        type_ = cast("Any", self.table.schema.field(name).type)
        return Column(name, type_.value_type if pa.types.is_dictionary(type_) else type_, "")

    def numbers(self, name: str) -> Directed:
        """Return a column as floats, null as NaN; a text as the float of its code."""
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
        """Return a number from 0 for each distinct value of a column, and -1 for null."""
        if name not in self._groups:
            column = self.column(name)
            own = _comparable(self.table[name], column)
            other = self._turned_values(column, own)
            codes, self._values[name] = _encoded([own] if other is own else [own, other])
            self._groups[name] = Directed(codes[0], codes[-1], len(self._values[name]))
        return self._groups[name]

    def texts(self, name: str) -> tuple[str, ...]:
        """Return what the codes of a text column stand for."""
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
        """The place of each pair's source in ``source_names``."""
        rank = {name: place for place, name in enumerate(self.source_names)}
        known = [rank[text] for text in self.texts("source")]
        return np.array([*known, rank.get("", -1)], np.int64)[self.groups("source").own]

    @cached_property
    def source_names(self) -> tuple[str, ...]:
        """The sources, in order; a pair without one counts under the empty name."""
        has_null = (self.groups("source").own < 0).any()
        return tuple(sorted({*self.texts("source"), *([""] if has_null else [])}))

    @cached_property
    def is_directed(self) -> Bools | None:
        """Whether a human said which side is better; null where no human said anything."""
        if HUMAN_VERDICT not in self.table.column_names:
            return None
        texts = self.texts(HUMAN_VERDICT)
        named = [code for code, text in enumerate(texts) if text in {"right", "wrong"}]
        return np.isin(self.groups(HUMAN_VERDICT).own, named) if named else None


def to_arrow(values: npt.NDArray[Any], missing: Bools | None = None) -> Array:
    """Return numbers as an Arrow array that shares their memory.

    ``pa.array`` does the same for numpy arrays, and imports pandas where it is installed.

    Args:
        values: One dimension.
        missing: Which are null; none by default.
    """
    bits = None if missing is None else np.packbits(~missing, bitorder="little")
    nulls = None if bits is None else pa.py_buffer(cast("Any", bits))
    data = pa.py_buffer(cast("Any", np.ascontiguousarray(values)))
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [nulls, data])


def _floats(values: Chunked) -> Floats:
    """Return numbers or truth values as floats, null as NaN."""
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    floats = pl.Series(values.cast(pa.float64(), safe=False))
    return floats.fill_null(math.nan).to_numpy().astype(np.float64, copy=False)


def _code_floats(codes: Places) -> Floats:
    floats = codes.astype(np.float64)
    floats[codes < 0] = np.nan
    return floats


def _comparable(values: Chunked, column: Column) -> Chunked:
    """Return values of which those that are equal have one form: integers stay exact."""
    if not column.numeric:
        return values if pa.types.is_dictionary(values.type) else values.cast(_TEXT)
    if pa.types.is_integer(values.type):
        return values
    floats = _floats(values) + 0.0  # turns -0 into 0
    return pa.chunked_array([to_arrow(floats, missing=np.isnan(floats))])


def _encoded(columns: list[Chunked]) -> tuple[list[Places], Array]:
    """Return codes of the values of several columns that share them, and the values."""
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
    """Return a dictionary array whose texts together may have more than 2 GB."""
    if not pa.types.is_string(chunk.type.value_type):
        return chunk
    return cast("Any", pa.DictionaryArray.from_arrays(chunk.indices, chunk.dictionary.cast(_TEXT)))
