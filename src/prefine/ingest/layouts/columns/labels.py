"""Parse the labels of a row with a column map: choices, ratings, ranks and rankings."""

from collections.abc import Sequence
from dataclasses import replace

from prefine.ingest.labels import pair_label
from prefine.ingest.layout import Context
from prefine.ingest.layouts.columns.annotators import optional_at, stem
from prefine.ingest.layouts.columns.choices import Answers, choices, unlisted_value
from prefine.ingest.layouts.columns.columnmap import ColumnMap, Judged, ShownFirst
from prefine.ingest.layouts.columns.numbers import ranking, ranks, ratings
from prefine.ingest.layouts.columns.spelling import find_spelling, is_blank
from prefine.ingest.paths import value_at
from prefine.ingest.record import Label, Reason, RowError
from prefine.schema import Kind, Winner
from prefine.settings.json import Json

_SWAPPED = {Winner.A: Winner.B, Winner.B: Winner.A}


def labels_of(row: Json, columns: ColumnMap, answers: Answers, context: Context) -> list[Label]:
    """Return the labels of a row.

    Args:
        row: The raw row.
        columns: The column map.
        answers: The responses that the labels are about.
        context: Path fields of the file.

    Raises:
        RowError: A label cannot be parsed, or all are missing.
    """
    annotator = optional_at(row, columns.annotator) or context.fields.get("annotator")
    whole = context.fields.get("aspect")
    labels: list[Label] = []
    if not columns.responses:
        labels.append(pair_label(Winner.A, label="chosen", aspect=whole, annotator=annotator))
    for entry in columns.labels:
        shared = annotator or _own_name(entry, columns.labels, entry.column)
        labels += choices(row, entry, answers, shared, entry.aspect or whole)
    _require_one(labels, columns)
    for entry in columns.ratings:
        shared = annotator or _own_name(entry, columns.ratings, entry.columns[0])
        labels += ratings(row, entry, len(answers), shared, entry.aspect or whole)
    labels += _lists(row, columns, len(answers), annotator, whole)
    if columns.shown_first is None:
        return labels
    if len(answers) != 2:  # noqa: PLR2004 - a pair
        name = columns.shown_first.column
        detail = f"`{name}` is about two responses, but the row has {len(answers)}"
        raise RowError(Reason.WRONG_TYPE, detail)
    return _shown(row, labels, columns.shown_first)


def _lists(
    row: Json, columns: ColumnMap, count: int, annotator: str | None, whole: str | None
) -> list[Label]:
    """Parse ranks and rankings; each list of a row has its own annotator or aspect."""
    entries = (*columns.ranks, *columns.ranking)
    labels: list[Label] = []
    for entry in columns.ranks:
        shared = _list_name(entry, entries, entry.columns[0], annotator)
        labels += ranks(row, entry, count, shared, entry.aspect or whole)
    for entry in columns.ranking:
        shared = _list_name(entry, entries, entry.column, annotator)
        labels += ranking(row, entry, count, shared, entry.aspect or whole)
    return labels


def _own_name(entry: Judged, entries: Sequence[Judged], column: str) -> str | None:
    """Return the column as the annotator if another entry judges the same aspect, else None."""
    is_only = sum(other.aspect == entry.aspect for other in entries) == 1
    return None if is_only else stem(column)


def _list_name(
    entry: Judged, entries: Sequence[Judged], column: str, annotator: str | None
) -> str | None:
    own = _own_name(entry, entries, column)
    return f"{annotator}_{own}" if annotator and own else annotator or own


def _require_one(labels: Sequence[Label], columns: ColumnMap) -> None:
    """Refuse a row whose labels are all null, if it has no ratings or ranks."""
    others = columns.ratings or columns.ranks or columns.ranking
    if others or any(x.winner is not Winner.INVALID or x.label is not None for x in labels):
        return
    names = ", ".join(f"`{entry.column}`" for entry in columns.labels)
    raise RowError(Reason.LABEL_MISSING, f"all labels are null or blank: {names}")


def _shown(row: Json, labels: list[Label], first: ShownFirst) -> list[Label]:
    """Orient the labels by the order in which the two responses were shown."""
    value = value_at(row, first.column)
    key = find_spelling(value, tuple(first.values))
    if key is None and not is_blank(value):
        raise unlisted_value(first.column, value, tuple(first.values))
    if key is None or first.values[key] == "a":
        return labels
    return [_swap_sides(label) if label.kind is Kind.PAIR else label for label in labels]


def _swap_sides(label: Label) -> Label:
    assert label.b is not None, "a choice is between two responses"
    winner = None if label.winner is None else _SWAPPED.get(label.winner, label.winner)
    return replace(label, a=label.b, b=label.a, winner=winner)
