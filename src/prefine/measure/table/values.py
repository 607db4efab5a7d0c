"""The value columns of a user's table: their types, and how they change when a pair is flipped."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self

import orjson
import polars as pl
import pyarrow as pa
from pydantic import Field, model_validator

from prefine.errors import DataError
from prefine.schema import VALUE_TYPES, Column, Flip, ValueType
from prefine.schema.columns import sides
from prefine.settings import Name, Part
from prefine.tables.keyed import Unit

_POLARS: Mapping[str, Any] = {
    "number": pl.Float64,
    "integer": pl.Int64,
    "truth": pl.Boolean,
    "text": pl.String,
}
_NUMERIC = ("number", "integer")
_FLIPS: Mapping[str, tuple[ValueType, ...]] = {
    Flip.NEGATE: ("number", "integer"),
    Flip.COMPLEMENT: ("number",),
}
_MISSING = {"", "na", "n/a", "nan", "null", "none"}
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_INT64 = 2**63


class ValueColumn(Part):
    """One value column of a user's table."""

    type: ValueType
    """Type of the values: ``number`` (floating point), ``integer``, ``truth`` (true or false) or
    ``text``; a value of another type becomes null and is counted."""
    column: str | None = Field(default=None, min_length=1)
    """Dotted path of the value in a row of the file; null uses the name of the column."""
    flip: Literal["same", "negate", "complement", "swap"] = "same"
    """How the value changes when chosen and rejected are swapped, for rows about pairs: ``same``
    does not change it, ``negate`` changes its sign, ``complement`` replaces v by 1 - v, ``swap``
    exchanges it with the value of ``partner``."""
    partner: Name | None = None
    """The column that ``flip: swap`` exchanges values with."""
    about: str | None = Field(default=None, min_length=1)
    """Description of the column for the data set card: meaning, unit and range."""

    @property
    def arrow(self) -> pa.DataType:
        """The type of the column in the tables."""
        return VALUE_TYPES[self.type]

    @model_validator(mode="after")
    def _flips(self) -> Self:
        if (self.flip == Flip.SWAP) != (self.partner is not None):
            raise ValueError("`flip: swap` needs `partner`, and `partner` needs `flip: swap`")
        types = _FLIPS.get(self.flip)
        if types and self.type not in types:
            raise ValueError(
                f"`flip: {self.flip}` needs `type: {' or '.join(types)}`; found `type: {self.type}`"
            )
        return self


Values = Mapping[str, ValueColumn]
"""The value columns by name."""


def require_flips(values: Values, unit: Unit) -> None:
    """Check that the flips of all columns are possible.

    Raises:
        ValueError: Rows are not about pairs, or the partner of a column is unknown or does not fit.
    """
    for name, value in values.items():
        if unit != "pair" and value.flip != Flip.SAME:
            raise ValueError(
                f"`{name}`: `flip` needs rows about pairs; these rows are about a {unit}; remove "
                "`flip`"
                + (" (columns of responses are always swapped)" if unit == "response" else "")
            )
        if value.partner is None:
            continue
        partner = values.get(value.partner)
        if partner is None:
            raise ValueError(
                f"`{name}`: no column `{value.partner}` to swap with; the columns are "
                f"{', '.join(values)}"
            )
        if partner.partner != name or partner.type != value.type or value.partner == name:
            raise ValueError(
                f"`{name}` and `{value.partner}` must be two columns of the same type that name "
                "each other as `partner`"
            )


def pair_columns(table: str, values: Values, unit: Unit) -> tuple[Column, ...]:
    """Return the pair columns of the value columns.

    Args:
        table: The name of the user's table.
        values: Its value columns.
        unit: What its rows are about.
    """
    columns: list[Column] = []
    for name, value in values.items():
        about = value.about or f"`{value.column or name}` of the table `{table}`"
        if unit != "response":
            columns.append(Column(name, value.arrow, about, Flip(value.flip), value.partner))
            continue
        columns += sides(name, value.arrow, about + ",")
        if value.type in _NUMERIC:
            margin = f"{about}, chosen minus rejected"
            columns.append(Column(f"{name}_margin", value.arrow, margin, Flip.NEGATE))
    return tuple(columns)


def margins(values: Values) -> list[pl.Expr]:
    """Return the margins of numeric response values, as expressions on the pair columns."""
    return [
        (pl.col(f"chosen_{name}") - pl.col(f"rejected_{name}")).alias(f"{name}_margin")
        for name, value in values.items()
        if value.type in _NUMERIC
    ]


def parse_values(rows: pl.DataFrame, values: Values) -> tuple[pl.DataFrame, dict[str, int]]:
    """Parse the values of keyed rows.

    Args:
        rows: The rows with ``row_index`` and the JSON objects ``values``.
        values: The value columns.

    Returns:
        ``row_index`` with one column for each value; null if a value is missing or of another type;
        and the number of values of another type, by column.

    Raises:
        DataError: A value of a column with ``flip: complement`` is outside [0, 1].
    """
    parsed: dict[str, list[Any]] = {name: [] for name in values}
    wrong: Counter[str] = Counter()
    for text in rows["values"]:
        raw_values = orjson.loads(text)
        for name, value in values.items():
            raw = raw_values[name]
            try:
                parsed[name].append(None if raw is None else _PARSE[value.type](raw))
            except (TypeError, ValueError):
                parsed[name].append(None)
                wrong[name] += 1
    columns = [pl.Series(name, parsed[name], _POLARS[v.type]) for name, v in values.items()]
    _require_probabilities(columns, values)
    return rows.select("row_index").with_columns(columns), dict(sorted(wrong.items()))


def _require_probabilities(columns: list[pl.Series], values: Values) -> None:
    for column in columns:
        if Flip(values[column.name].flip) is not Flip.COMPLEMENT:
            continue
        outside = column.filter((column < 0) | (column > 1))
        if len(outside):
            raise DataError(
                f"column `{column.name}` of a table has `flip: complement`, which needs values in "
                f"[0, 1]; found {outside[0]:g}; divide a percentage by 100, or set another `flip`"
            )


def _number(raw: object) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise TypeError("not a number")
    if isinstance(raw, str) and raw.strip().lower() in _MISSING:
        return None
    value = float(raw)
    if not math.isfinite(value):
        raise ValueError("not finite")
    return value


def _integer(raw: object) -> int | None:
    value = _number(raw)
    if value is None:
        return None
    if not value.is_integer():
        raise ValueError("not whole")
    try:
        whole = int(raw)  # pyright: ignore[reportArgumentType] - exact where a float is not
    except ValueError:
        whole = int(value)
    if not -_INT64 <= whole < _INT64:
        raise ValueError("beyond 64 bits")
    return whole


def _truth(raw: object) -> bool | None:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str):
        word = raw.strip().lower()
        if word in _TRUTH:
            return _TRUTH[word]
    value = _number(raw)
    if value is not None and value not in {0.0, 1.0}:
        raise ValueError("not a truth value")
    return None if value is None else bool(value)


def _text(raw: object) -> str | None:
    if isinstance(raw, str):
        return raw or None
    if isinstance(raw, bool):
        return str(raw).lower()
    if isinstance(raw, float) and raw.is_integer():
        return str(int(raw))
    if isinstance(raw, int | float):
        return str(raw)
    raise TypeError("not a text")


_PARSE: Mapping[str, Callable[[object], Any]] = {
    "number": _number,
    "integer": _integer,
    "truth": _truth,
    "text": _text,
}
