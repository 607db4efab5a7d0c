"""Read ratings, ranks and written rankings by a column map."""

import re
from typing import Any

from prefine.ingest.labels import rating_label
from prefine.ingest.layouts.columns.annotators import annotators
from prefine.ingest.layouts.columns.choices import unlisted
from prefine.ingest.layouts.columns.columnmap import NumberColumns, RankingColumn
from prefine.ingest.layouts.columns.spelling import is_blank, listed
from prefine.ingest.literals import as_list
from prefine.ingest.paths import values_at
from prefine.ingest.record import Label, Reason, RowError
from prefine.ingest.values import number, text
from prefine.schema import Kind, Winner
from prefine.settings.json import Json, is_array


def spread(row: Json, paths: tuple[str, ...]) -> list[Any]:
    """Return one value per path, or the items of the one path that holds a list.

    A list may be written as text.
    """
    values = [value for path in paths for value in values_at(row, path)]
    if len(values) != 1:
        return values
    held = as_list(values[0])
    return held if is_array(held) else values


def ratings(
    row: Json, column: NumberColumns, count: int, shared: str | None, aspect: str | None
) -> list[Label]:
    """Read one rating per response.

    Args:
        row: The raw row.
        column: How the columns are read.
        count: How many responses the row has.
        shared: The rater where the entry names none.
        aspect: What was rated.
    """
    values = _numbers(row, column, count)
    [rater] = annotators(row, column, shared, column.columns[0], 1)
    return [rating_label(i, v, aspect or "overall", rater) for i, v in enumerate(values)]


def ranks(
    row: Json, column: NumberColumns, count: int, shared: str | None, aspect: str | None
) -> list[Label]:
    """Read one rank per response; the arguments are those of ``ratings``."""
    values = _numbers(row, column, count)
    [judge] = annotators(row, column, shared, column.columns[0], 1)
    return [_rank(i, v, aspect, judge) for i, v in enumerate(values)]


def ranking(
    row: Json, column: RankingColumn, count: int, shared: str | None, aspect: str | None
) -> list[Label]:
    """Read ``B>A>C=D`` as ranks; letters that are not named get none.

    The arguments are those of ``ratings``.
    """
    values = values_at(row, column.column)
    names = annotators(row, column, shared, column.column, len(values))
    labels: list[Label] = []
    for whole, name in zip(values, names, strict=True):
        if is_blank(whole):
            labels += [_rank(position, None, aspect, name) for position in range(count)]
        else:
            places = _places(text(whole, column.column), column, count)
            labels += [
                _rank(column.candidates.index(letter), rank, aspect, name, whole)
                for letter, rank in places.items()
            ]
    return labels


def _rank(
    index: int, rank: float | None, aspect: str | None, annotator: str | None, label: Any = None
) -> Label:
    """Return a rank; a missing one is kept as a label that says nothing."""
    invalid = Winner.INVALID if rank is None else None
    said: dict[str, Any] = {"aspect": aspect, "annotator": annotator, "label": label}
    return Label(Kind.RANK, index, None, invalid, rank=rank, **said)


def _numbers(row: Json, column: NumberColumns, count: int) -> list[float | None]:
    values = spread(row, column.columns)
    if len(values) != count:
        raise RowError(Reason.WRONG_TYPE, f"{count} responses but {len(values)} numbers")
    return [_number(value, column) for value in values]


def _number(value: Any, column: NumberColumns) -> float | None:
    """Return what a value counts as; null where it is missing."""
    try:
        found = _worth(value, column) if column.values else number(value, column.columns[0])
    except RowError as error:
        if column.otherwise is None or error.reason is not Reason.UNKNOWN_LABEL:
            raise
        return None
    low, high = column.minimum, column.maximum
    too_low = found is not None and low is not None and found < low
    too_high = found is not None and high is not None and found > high
    if too_low or too_high:
        where = ", ".join(column.columns)
        bound = f"minimum of {low:g}" if too_low else f"maximum of {high:g}"
        what = f"`{where}` has {found:g}, out of the range with a {bound}"
        raise RowError(Reason.RATING_OUT_OF_RANGE, what)
    return found


def _worth(value: object, column: NumberColumns) -> float | None:
    key = listed(value, tuple(column.values))
    if key is not None:
        return column.values[key]
    if is_blank(value):
        return None
    raise unlisted(column.columns[0], value, tuple(column.values))


def _places(whole: str, column: RankingColumn, count: int) -> dict[str, float]:
    """Return the rank of each letter; those of one level have the same."""
    position, found = 1, dict[str, float]()
    letters = column.candidates[:count]
    for level in re.split(r"\s*>\s*", whole.strip()):
        names = [listed(name, letters) for name in re.split(r"\s*=\s*", level)]
        for name in names:
            if name is None or name in found:
                raise RowError(Reason.UNKNOWN_LABEL, f"`{column.column}` is not a ranking")
            found[name] = float(position)
        position += len(names)
    return found
