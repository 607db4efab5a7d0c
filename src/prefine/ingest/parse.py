"""Parse raw rows with a layout, and apply the checks and conversions that all layouts share."""

import html
import math
from collections.abc import Sequence
from dataclasses import replace

from prefine.ingest.layout import Context, Layout
from prefine.ingest.markup import from_html
from prefine.ingest.messages import with_content
from prefine.ingest.prompt_parts import (
    require_no_tools,
    require_only_text,
    with_prompt_parts,
    with_tools,
)
from prefine.ingest.record import Candidate, Reason, Record, RowError
from prefine.ingest.rendered import unrendered
from prefine.ingest.rows import RawRow
from prefine.ingest.written import structured
from prefine.schema import Message, Winner
from prefine.settings.json import Json

_ROLES = {"system", "user", "assistant", "tool"}


def parse_row(row: RawRow, layout: Layout, context: Context) -> list[Record] | RowError:
    """Parse a raw row.

    Args:
        row: The raw row.
        layout: The source with its layout.
        context: Path fields of the file and lookup tables.

    Returns:
        The records of the row, or the error that sends it to quarantine.
    """
    if row.value is None or row.error is not None:
        assert row.error is not None, "a row without a value has an error"
        return row.error
    try:
        return _records(row.value, layout, context)
    except RowError as error:
        return error
    except RecursionError:
        return RowError(Reason.WRONG_TYPE, "the row is nested too deeply")


def _records(row: Json, layout: Layout, context: Context) -> list[Record]:
    known = {*layout.prompt_columns(), *layout.ignore}
    value = structured(row)
    keeps_tools = layout.tools == "keep"
    parts = (value, *layout.prompt_objects(value))
    for part in parts:
        require_only_text(part, known, tools=keeps_tools)
    records: list[Record] = []
    for parsed in layout.records(value, context):
        record = _without_missing(parsed)
        if keeps_tools:
            record = with_tools(record, value, known)
        else:
            require_no_tools(record)
        _require_prompt(record)
        record = unrendered(record)
        for part in parts:
            record = with_prompt_parts(record, part, known)
        if layout.text != "plain":
            record = _decoded(record, layout.text)
        _require_scale(record, layout.minimum, layout.maximum)
        _require_usable(record)
        records.append(record)
    return records


def _without_missing(record: Record) -> Record:
    """Return a record without missing candidates and their labels.

    Raises:
        RowError: No label is left.
    """
    kept = [index for index, candidate in enumerate(record.candidates) if candidate.messages]
    if len(kept) == len(record.candidates):
        return record
    positions = {index: position for position, index in enumerate(kept)}
    labels = [
        replace(label, a=positions[label.a], b=None if label.b is None else positions[label.b])
        for label in record.labels
        if label.a in positions and (label.b is None or label.b in positions)
    ]
    if not labels:
        detail = "a response is missing or null, and no label is left without it"
        raise RowError(Reason.RESPONSE_MISSING, detail)
    return replace(
        record,
        candidates=[record.candidates[i] for i in kept],
        labels=labels,
        num_missing=len(record.candidates) - len(kept),
    )


def _decoded(record: Record, mode: str) -> Record:
    """Apply a source's ``text`` setting to every turn of a record."""
    convert = html.unescape if mode == "escaped" else from_html

    def converted(turns: Sequence[Message]) -> list[Message]:
        return [with_content(turn, convert(turn["content"])) for turn in turns]

    candidates = [replace(c, messages=converted(c.messages)) for c in record.candidates]
    return replace(record, prompt=converted(record.prompt), candidates=candidates)


def _require_prompt(record: Record) -> None:
    if not any(message["content"].strip() for message in record.prompt):
        raise RowError(Reason.PROMPT_EMPTY, "the prompt has no text")


def _require_scale(record: Record, minimum: float | None, maximum: float | None) -> None:
    """Refuse a rating outside the range that the source states."""
    low = -math.inf if minimum is None else minimum
    high = math.inf if maximum is None else maximum
    for label in record.labels:
        if label.rating is not None and not low <= label.rating <= high:
            raise RowError(
                Reason.RATING_OUT_OF_RANGE,
                f"the rating {label.rating:g} is outside the range from {low:g} to {high:g}",
            )


def _require_usable(record: Record) -> None:
    """Refuse a record without prompt text, assistant responses or labels."""
    _require_prompt(record)
    for candidate in record.candidates:
        _require_response(candidate)
    if not record.labels:
        raise RowError(Reason.LABEL_MISSING, "the row has no label")
    turns = (record.prompt, *(candidate.messages for candidate in record.candidates))
    if unknown := {m["role"] for messages in turns for m in messages} - _ROLES:
        known = ", ".join(sorted(_ROLES))
        detail = f"the layout returned the role {min(unknown)!r}, not one of {known}"
        raise RowError(Reason.UNKNOWN_ROLE, detail)
    if any(not _is_known(label.winner) for label in record.labels):
        detail = "the layout returned a label whose winner is not a `Winner`"
        raise RowError(Reason.UNKNOWN_LABEL, detail)


def _require_response(candidate: Candidate) -> None:
    if not candidate.messages or candidate.messages[0]["role"] != "assistant":
        raise RowError(
            Reason.RESPONSE_NOT_ASSISTANT, "a response does not begin with an assistant turn"
        )
    if candidate.messages[-1]["role"] != "assistant":
        raise RowError(
            Reason.RESPONSE_NOT_ASSISTANT, "a response does not end with an assistant turn"
        )


def _is_known(winner: object) -> bool:
    return winner is None or isinstance(winner, Winner)
