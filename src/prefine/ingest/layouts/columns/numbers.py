"""Parse ratings, ranks and rankings with a column map."""

import re
from typing import Any

from prefine.ingest.labels import rating_label
from prefine.ingest.layouts.columns.annotators import annotators
from prefine.ingest.layouts.columns.choices import unlisted_value
from prefine.ingest.layouts.columns.columnmap import NumberColumns, RankingColumn
from prefine.ingest.layouts.columns.spelling import find_spelling, is_blank
from prefine.ingest.literals import as_list
from prefine.ingest.paths import values_at
from prefine.ingest.record import Label, Reason, RowError
from prefine.ingest.values import number, text
from prefine.schema import Kind, Winner
from prefine.settings.json import Json, is_array


def values_or_items(row: Json, paths: tuple[str, ...]) -> list[Any]:
    """Return one value per path, or the items if a single path leads to a list.

    The list may be written as text.
    """
    values = [value for path in paths for value in values_at(row, path)]
    if len(values) != 1:
        return values
    items = as_list(values[0])
    return items if is_array(items) else values


def ratings(
    row: Json, column: NumberColumns, count: int, shared: str | None, aspect: str | None
) -> list[Label]:
    """Parse one rating per response.

    Args:
        row: The raw row.
        column: How the columns are parsed.
        count: Number of responses of the row.
        shared: The annotator if the entry names none.
        aspect: The aspect that was rated.

    Raises:
        RowError: A value is not a number or out of range, or there are more or fewer numbers than
            responses.
    """
    values = _numbers(row, column, count)
    [rater] = annotators(row, column, shared, column.columns[0], 1)
    return [rating_label(i, v, aspect or "overall", rater) for i, v in enumerate(values)]


def ranks(
    row: Json, column: NumberColumns, count: int, shared: str | None, aspect: str | None
) -> list[Label]:
    """Parse one rank per response; the arguments and errors are those of ``ratings``."""
    values = _numbers(row, column, count)
    [annotator] = annotators(row, column, shared, column.columns[0], 1)
    return [_rank(i, v, aspect, annotator) for i, v in enumerate(values)]


def ranking(
    row: Json, column: RankingColumn, count: int, shared: str | None, aspect: str | None
) -> list[Label]:
    """Parse a ranking such as ``B>A>C=D`` as ranks; missing letters get no rank.

    The arguments are those of ``ratings``.

    Raises:
        RowError: The value is not a ranking of the candidates.
    """
    values = values_at(row, column.column)
    names = annotators(row, column, shared, column.column, len(values))
    labels: list[Label] = []
    for whole, name in zip(values, names, strict=True):
        if is_blank(whole):
            labels += [_rank(position, None, aspect, name) for position in range(count)]
        else:
            rank_of = _ranks_by_letter(text(whole, column.column), column, count)
            labels += [
                _rank(column.candidates.index(letter), rank, aspect, name, whole)
                for letter, rank in rank_of.items()
            ]
    return labels


def _rank(
    index: int, rank: float | None, aspect: str | None, annotator: str | None, label: Any = None
) -> Label:
    """Return a rank; a missing rank becomes an invalid label."""
    invalid = Winner.INVALID if rank is None else None
    facts: dict[str, Any] = {"aspect": aspect, "annotator": annotator, "label": label}
    return Label(Kind.RANK, index, None, invalid, rank=rank, **facts)


def _numbers(row: Json, column: NumberColumns, count: int) -> list[float | None]:
    values = values_or_items(row, column.columns)
    if len(values) != count:
        raise RowError(Reason.WRONG_TYPE, f"{count} responses but {len(values)} numbers")
    return [_number(value, column) for value in values]


def _number(value: Any, column: NumberColumns) -> float | None:
    """Return the number of a raw value, or None if it is missing."""
    try:
        parsed = (
            _listed_number(value, column) if column.values else number(value, column.columns[0])
        )
    except RowError as error:
        if column.otherwise is None or error.reason is not Reason.UNKNOWN_LABEL:
            raise
        return None
    low, high = column.minimum, column.maximum
    too_low = parsed is not None and low is not None and parsed < low
    too_high = parsed is not None and high is not None and parsed > high
    if too_low or too_high:
        where = ", ".join(column.columns)
        bound = f"below the minimum of {low:g}" if too_low else f"above the maximum of {high:g}"
        raise RowError(Reason.RATING_OUT_OF_RANGE, f"`{where}` has {parsed:g}, {bound}")
    return parsed


def _listed_number(value: object, column: NumberColumns) -> float | None:
    key = find_spelling(value, tuple(column.values))
    if key is not None:
        return column.values[key]
    if is_blank(value):
        return None
    raise unlisted_value(column.columns[0], value, tuple(column.values))


def _ranks_by_letter(whole: str, column: RankingColumn, count: int) -> dict[str, float]:
    """Return the rank of each letter; tied letters have the same rank."""
    position, rank_of = 1, dict[str, float]()
    letters = column.candidates[:count]
    for level in re.split(r"\s*>\s*", whole.strip()):
        names = [find_spelling(name, letters) for name in re.split(r"\s*=\s*", level)]
        for name in names:
            if name is None or name in rank_of:
                known = ", ".join(letters)
                detail = f"is {whole[:40]!r}, not a ranking of {known}, each at most once"
                raise RowError(Reason.UNKNOWN_LABEL, f"`{column.column}` {detail}")
            rank_of[name] = float(position)
        position += len(names)
    return rank_of
