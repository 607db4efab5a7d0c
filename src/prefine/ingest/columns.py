"""The generic column map: any layout that a recipe can describe with names alone.

What comes in: rows and a ``ColumnMap``. What goes out: records. What never happens: an expression;
where a name is not enough, the missing thing is an adapter.
"""

import re
from collections.abc import Iterable
from typing import Any

from prefine.errors import RecipeError
from prefine.ingest.record import (
    Candidate,
    Context,
    Label,
    Reason,
    Record,
    RowError,
    choose,
    couple,
    number,
    prompt_of,
    rating,
    response_of,
    text,
)
from prefine.recipe import ColumnMap, LabelColumn, NumberColumns, RankingColumn
from prefine.schema import Kind, Winner
from prefine.schema.json import Json, is_array, is_object

_LIST = "[]"


def value_at(row: object, path: str) -> Any:
    """Follow a dotted path; a key that holds dots itself is found first.

    Raises:
        RowError: There is nothing at the path.
    """
    if not is_object(row):
        raise RowError(Reason.WRONG_TYPE, f"what should hold `{path}` is not an object")
    if path in row:
        return row[path]
    here: Any = row
    for key in path.split("."):
        if not is_object(here) or key not in here:
            raise RowError(Reason.MISSING_VALUE, f"there is no `{path}`")
        here = here[key]
    return here


def values_at(row: Json, path: str) -> list[Any]:
    """Follow a path with at most one ``[]``: one value an element of that list."""
    if _LIST not in path:
        return [value_at(row, path)]
    before, after = path.split(_LIST, 1)
    found = value_at(row, before)
    if not is_array(found):
        raise RowError(Reason.WRONG_TYPE, f"`{before}` is not a list")
    return [value_at(item, after.lstrip(".")) if after else item for item in found]


def parse(row: Json, context: Context) -> Record:
    """Read a row by the source's column map."""
    columns = context.source.columns
    if columns is None:
        raise RecipeError(f"source {context.source.name}: `format: columns` needs `columns`")
    system = value_at(row, columns.system) if columns.system else None
    if system is not None:
        system = text(system, columns.system or "")
    prompt = prompt_of(value_at(row, columns.prompt), columns.prompt, system)
    candidates = _candidates(row, columns)
    annotator = _maybe(row, columns.annotator) or context.fields.get("annotator")
    labels = [] if columns.responses else [couple(Winner.A, label="chosen", annotator=annotator)]
    for column in columns.labels:
        alone = sum(other.aspect == column.aspect for other in columns.labels) == 1
        who = column.annotator or annotator or (None if alone else _stem(column.column))
        labels += _labels(row, column, who, len(candidates))
    for kind, several in ((Kind.RATING, columns.ratings), (Kind.RANK, columns.ranks)):
        for column in several:
            labels += _numbers(row, kind, column, annotator, len(candidates))
    for column in columns.ranking:
        labels += ranking(row, column, annotator)
    return Record(
        prompt,
        candidates,
        labels,
        group=_maybe(row, columns.group),
        language=_maybe(row, columns.language),
        split=_maybe(row, columns.split),
    )


def _maybe(row: Json, path: str | None) -> str | None:
    if path is None:
        return None
    value = value_at(row, path)
    return None if value is None else str(value)


def _spread(row: Json, paths: tuple[str, ...]) -> list[Any]:
    """Return one value a path, or the items of the one path that holds a list."""
    found = [value for path in paths for value in values_at(row, path)]
    if len(found) == 1 and is_array(found[0]):
        return found[0]
    return found


def _candidates(row: Json, columns: ColumnMap) -> list[Candidate]:
    paths = columns.responses or (columns.chosen or "", columns.rejected or "")
    found = _spread(row, paths)
    models = _spread(row, columns.models) if columns.models else [None] * len(found)
    if len(models) != len(found):
        raise RowError(Reason.WRONG_TYPE, f"{len(found)} responses but {len(models)} models")
    return [
        Candidate(response_of(value, paths[0]), None if model is None else str(model))
        for value, model in zip(found, models, strict=True)
    ]


def _two(num_candidates: int, column: str) -> None:
    if num_candidates != 2:  # noqa: PLR2004 - a couple
        raise RowError(Reason.WRONG_TYPE, f"`{column}` names a side, but the row has not two")


def _labels(row: Json, column: LabelColumn, annotator: str | None, count: int) -> list[Label]:
    _two(count, column.column)
    found = values_at(row, column.column)
    names = _numbered(annotator, column.column, len(found))
    return [
        _label(value, column, aspect=column.aspect, annotator=name)
        for value, name in zip(found, names, strict=True)
    ]


def _numbered(annotator: str | None, column: str, count: int) -> list[str | None]:
    """Name the annotators behind a column: several values are several annotators."""
    if count == 1:
        return [annotator]
    return [f"{annotator or _stem(column)}_{number + 1}" for number in range(count)]


def _stem(column: str) -> str:
    return column.split(_LIST, 1)[0]


def _label(value: Any, column: LabelColumn, **facts: Any) -> Label:
    raw = _plain(value)
    if column.negative is not None:
        found = number(value, column.column)
        if found is None:
            return couple(Winner.INVALID, label=raw, **facts)
        sign = 1 if column.negative == "a" else -1
        winner, strength = choose(sign * found)
        return couple(winner, strength=strength, strength_unit=column.column, label=raw, **facts)
    meaning = column.values.get(raw, column.otherwise)
    if meaning is None:
        raise _unlisted(column.column, raw, column.values)
    return couple(Winner(meaning), label=raw, **facts)


def _unlisted(column: str, raw: str, values: Iterable[str]) -> RowError:
    known = ", ".join(values)
    return RowError(Reason.UNKNOWN_LABEL, f"`{column}` is {raw[:40]!r}, not one of {known}")


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _numbers(
    row: Json, kind: Kind, column: NumberColumns, annotator: str | None, count: int
) -> list[Label]:
    found = _spread(row, column.columns)
    if len(found) != count:
        raise RowError(Reason.WRONG_TYPE, f"{count} responses but {len(found)} numbers")
    if column.values:
        found = [_worth(value, column) for value in found]
    who = column.annotator or annotator
    if kind is Kind.RATING:
        return [rating(i, v, column.aspect or "overall", who) for i, v in enumerate(found)]
    ranks = [number(value, column.columns[0]) for value in found]
    return [
        Label(kind, i, None, Winner.INVALID if r is None else None, rank=r, annotator=who)
        for i, r in enumerate(ranks)
    ]


def _worth(value: object, column: NumberColumns) -> float | None:
    raw = _plain(value)
    if raw not in column.values and column.otherwise is None:
        raise _unlisted(column.columns[0], raw, column.values)
    return column.values.get(raw)


def ranking(row: Json, column: RankingColumn, annotator: str | None = None) -> list[Label]:
    """Read ``B>A>C=D`` as ranks; letters that are not named get none."""
    found = values_at(row, column.column)
    names = _numbered(column.annotator or annotator, column.column, len(found))
    return [
        label
        for whole, name in zip(found, names, strict=True)
        for label in _ranking(text(whole, column.column), column, name)
    ]


def _ranking(whole: str, column: RankingColumn, annotator: str | None) -> list[Label]:
    place, ranks = 1, dict[str, float]()
    for level in re.split(r"\s*>\s*", whole.strip()):
        names = re.split(r"\s*=\s*", level)
        for name in names:
            if name not in column.candidates or name in ranks:
                raise RowError(Reason.UNKNOWN_LABEL, f"`{column.column}` is not a ranking")
            ranks[name] = float(place)
        place += len(names)
    return [
        Label(Kind.RANK, column.candidates.index(name), rank=rank, annotator=annotator, label=whole)
        for name, rank in ranks.items()
    ]
