"""Columns of all pairs as arrays: numbers and codes of texts, in either direction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
import numpy.typing as npt
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
    texts: tuple[str, ...] = ()
    """What the codes of a text column stand for."""
    num_codes: int = 0
    """How many codes there are."""


@dataclass(frozen=True)
class Facts:
    """One row per pair, as arrays that are made when a rule first needs them.

    A number is a float, null is NaN. A text is a code from 0: its place in ``Directed.texts``.
    """

    table: pa.Table
    columns: Mapping[str, Column]
    _numbers: dict[str, Directed] = field(default_factory=dict[str, Directed])
    _groups: dict[str, Directed] = field(default_factory=dict[str, Directed])

    def column(self, name: str) -> Column:
        """Return what a column means; one that no rule may name does not depend on direction."""
        found = self.columns.get(name) or ID_COLUMNS.get(name)
        return found or Column(name, cast("pa.DataType", self.table.schema.field(name).type), "")

    def numbers(self, name: str, rows: Places | None = None) -> Directed:
        """Return a column as floats, null as NaN; a text as the float of its code.

        Args:
            name: The column.
            rows: The rows of which a text needs a code, as in ``groups``.
        """
        if name not in self._numbers:
            column = self.column(name)
            if column.numeric:
                own = _floats(self.table[name])
                self._numbers[name] = Directed(own, self._turned(column, own))
            else:
                codes = self.groups(name, rows)
                floats = _code_floats(codes.own)
                other = floats if codes.turned is codes.own else _code_floats(codes.turned)
                self._numbers[name] = Directed(floats, other, codes.texts, codes.num_codes)
        return self._numbers[name]

    def _turned(self, column: Column, own: Floats) -> Floats:
        if column.flip is Flip.NEGATE:
            return -own
        if column.flip is Flip.COMPLEMENT:
            return 1 - own
        return own if column.partner is None else _floats(self.table[column.partner])

    def groups(self, name: str, rows: Places | None = None) -> Directed:
        """Return a number from 0 for each distinct value of a column, and -1 for null.

        Args:
            name: The column.
            rows: Those that are still in, of which alone the codes will be read; all by default.
        """
        if name not in self._groups:
            column = self.column(name)
            own = _comparable(self._some(name, rows), column)
            other = self._turned_values(column, own, rows)
            codes, values = _encoded([own] if other is own else [own, other])
            codes = [self._laid_out(one, rows) for one in codes]
            texts = () if column.numeric else tuple(map(str, values.to_pylist()))
            self._groups[name] = Directed(codes[0], codes[-1], texts, len(values))
        return self._groups[name]

    def _some(self, name: str, rows: Places | None) -> Chunked:
        values = self.table[name]
        return (
            values
            if rows is None or len(rows) == len(values)
            else values.take(cast("Any", pa.array(rows)))
        )

    def _laid_out(self, codes: Places, rows: Places | None) -> Places:
        if rows is None or len(rows) == self.table.num_rows:
            return codes
        whole = np.full(self.table.num_rows, -1)
        whole[rows] = codes
        return whole

    def _turned_values(self, column: Column, own: Chunked, rows: Places | None) -> Chunked:
        if column.flip is Flip.NEGATE:
            return _comparable(pc.negate(own), column)
        if column.flip is Flip.COMPLEMENT:
            return _comparable(pc.subtract(1, own), column)
        partner = column.partner
        return own if partner is None else _comparable(self._some(partner, rows), column)

    @cached_property
    def order(self) -> Floats:
        """The seeded position of each pair, in [0, 1)."""
        return _floats(self.table["order"])

    @cached_property
    def source(self) -> Places:
        """The place of each pair's source in ``source_names``."""
        found = self.groups("source")
        rank = {name: place for place, name in enumerate(self.source_names)}
        places = np.array([*(rank[text] for text in found.texts), rank.get("", -1)], np.int64)
        return places[found.own]

    @cached_property
    def source_names(self) -> tuple[str, ...]:
        """The sources, in order; a pair without one counts under the empty name."""
        found = self.groups("source")
        return tuple(sorted({*found.texts, *([""] if (found.own < 0).any() else [])}))

    @cached_property
    def is_directed(self) -> Bools | None:
        """Whether a human said which side is better; null where no human said anything."""
        if HUMAN_VERDICT not in self.table.column_names:
            return None
        found = self.groups(HUMAN_VERDICT)
        named = [code for code, text in enumerate(found.texts) if text in {"right", "wrong"}]
        return np.isin(found.own, named) if named else None


def _floats(values: Chunked) -> Floats:
    """Return numbers or truth values as floats, null as NaN."""
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    return values.cast(pa.float64(), safe=False).to_numpy().astype(np.float64, copy=False)


def _code_floats(codes: Places) -> Floats:
    floats = codes.astype(np.float64)
    floats[codes < 0] = np.nan
    return floats


def _comparable(values: Chunked, column: Column) -> Chunked:
    """Return values of which those that are equal have one form: integers stay exact."""
    if not column.numeric:
        return values.cast(_TEXT)
    if pa.types.is_integer(values.type):
        return values
    floats = _floats(values) + 0.0  # turns -0 into 0
    return pa.chunked_array([pa.array(floats, mask=np.isnan(floats))])


def _encoded(columns: list[Chunked]) -> tuple[list[Places], Array]:
    """Return codes of the values of several columns that share them, and the values."""
    arrays = [column.combine_chunks() for column in columns]
    encoded = cast("Any", pa.concat_arrays(arrays)).dictionary_encode()
    codes: Places = encoded.indices.fill_null(-1).to_numpy().astype(np.int64)
    ends = np.cumsum([len(column) for column in columns])[:-1]
    return list(np.split(codes, ends)), encoded.dictionary
