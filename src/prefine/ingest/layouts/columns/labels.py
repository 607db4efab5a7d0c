"""Read the labels of a row by a column map: choices, ratings, ranks and written rankings."""

import re
from collections.abc import Iterable
from typing import Any

from prefine.ingest.labels import pair_label, rating_label, signed_preference
from prefine.ingest.layouts.columns.columnmap import (
    ColumnMap,
    LabelColumn,
    NumberColumns,
    RankingColumn,
)
from prefine.ingest.paths import LIST, values_at
from prefine.ingest.record import Label, Reason, RowError
from prefine.ingest.values import number, text
from prefine.schema import Kind, Winner
from prefine.settings.json import Json, is_array


def labels_of(row: Json, columns: ColumnMap, annotator: str | None, count: int) -> list[Label]:
    """Return the labels of a row.

    Args:
        row: The raw row.
        columns: Which columns hold labels.
        annotator: Who judged, as far as the row or the file's path says.
        count: How many candidates the row has.
    """
    chosen = pair_label(Winner.A, label="chosen", annotator=annotator)
    labels = [] if columns.responses else [chosen]
    for column in columns.labels:
        alone = sum(other.aspect == column.aspect for other in columns.labels) == 1
        judge = column.annotator or annotator or (None if alone else _stem(column.column))
        labels += _choices(row, column, judge, count)
    for kind, several in ((Kind.RATING, columns.ratings), (Kind.RANK, columns.ranks)):
        for column in several:
            labels += _numbers(row, kind, column, annotator, count)
    for column in columns.ranking:
        labels += ranking(row, column, annotator)
    return labels


def spread(row: Json, paths: tuple[str, ...]) -> list[Any]:
    """Return one value per path, or the items of the one path that holds a list."""
    values = [value for path in paths for value in values_at(row, path)]
    if len(values) == 1 and is_array(values[0]):
        return values[0]
    return values


def _choices(row: Json, column: LabelColumn, annotator: str | None, count: int) -> list[Label]:
    if count != 2:  # noqa: PLR2004 - a pair
        detail = f"`{column.column}` names a side, but the row has not two"
        raise RowError(Reason.WRONG_TYPE, detail)
    values = values_at(row, column.column)
    annotators = _numbered(annotator, column.column, len(values))
    return [
        _choice(value, column, aspect=column.aspect, annotator=name)
        for value, name in zip(values, annotators, strict=True)
    ]


def _numbered(annotator: str | None, column: str, count: int) -> list[str | None]:
    """Name the annotators behind a column: several values are several annotators."""
    if count == 1:
        return [annotator]
    return [f"{annotator or _stem(column)}_{position + 1}" for position in range(count)]


def _stem(column: str) -> str:
    return column.split(LIST, 1)[0]


def _choice(value: Any, column: LabelColumn, **facts: Any) -> Label:
    raw = _spelling(value)
    facts["label"] = raw
    if column.negative is not None:
        strength = number(value, column.column)
        if strength is None:
            return pair_label(Winner.INVALID, **facts)
        sign = 1 if column.negative == "a" else -1
        winner, strength = signed_preference(sign * strength)
        return pair_label(winner, strength=strength, strength_unit=column.column, **facts)
    meaning = column.values.get(raw, column.otherwise)
    if meaning is None:
        raise _unlisted(column.column, raw, column.values)
    return pair_label(Winner(meaning), **facts)


def _unlisted(column: str, raw: str, values: Iterable[str]) -> RowError:
    known = ", ".join(values)
    return RowError(Reason.UNKNOWN_LABEL, f"`{column}` is {raw[:40]!r}, not one of {known}")


def _spelling(value: object) -> str:
    """Return a raw value as a recipe writes it: ``true``, ``1`` for 1.0."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _numbers(
    row: Json, kind: Kind, column: NumberColumns, annotator: str | None, count: int
) -> list[Label]:
    values = spread(row, column.columns)
    if len(values) != count:
        raise RowError(Reason.WRONG_TYPE, f"{count} responses but {len(values)} numbers")
    if column.values:
        values = [_worth(value, column) for value in values]
    judge = column.annotator or annotator
    if kind is Kind.RATING:
        return [rating_label(i, v, column.aspect or "overall", judge) for i, v in enumerate(values)]
    ranks = [number(value, column.columns[0]) for value in values]
    return [
        Label(kind, i, None, Winner.INVALID if r is None else None, rank=r, annotator=judge)
        for i, r in enumerate(ranks)
    ]


def _worth(value: object, column: NumberColumns) -> float | None:
    raw = _spelling(value)
    if raw not in column.values and column.otherwise is None:
        raise _unlisted(column.columns[0], raw, column.values)
    return column.values.get(raw)


def ranking(row: Json, column: RankingColumn, annotator: str | None = None) -> list[Label]:
    """Read ``B>A>C=D`` as ranks; letters that are not named get none."""
    values = values_at(row, column.column)
    annotators = _numbered(column.annotator or annotator, column.column, len(values))
    return [
        label
        for whole, name in zip(values, annotators, strict=True)
        for label in _ranks(text(whole, column.column), column, name)
    ]


def _ranks(whole: str, column: RankingColumn, annotator: str | None) -> list[Label]:
    position, ranks = 1, dict[str, float]()
    for level in re.split(r"\s*>\s*", whole.strip()):
        names = re.split(r"\s*=\s*", level)
        for name in names:
            if name not in column.candidates or name in ranks:
                raise RowError(Reason.UNKNOWN_LABEL, f"`{column.column}` is not a ranking")
            ranks[name] = float(position)
        position += len(names)
    return [
        Label(Kind.RANK, column.candidates.index(name), rank=rank, annotator=annotator, label=whole)
        for name, rank in ranks.items()
    ]
