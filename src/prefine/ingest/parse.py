"""Read one raw row by its layout, with the checks and conversions that all layouts share."""

import html
import math
from collections.abc import Sequence
from dataclasses import replace

from prefine.ingest.beside import (
    require_no_tools,
    require_only_text,
    with_prompt_parts,
    with_tools,
)
from prefine.ingest.layout import Context, Layout
from prefine.ingest.markup import from_html
from prefine.ingest.messages import with_content
from prefine.ingest.record import Candidate, Reason, Record, RowError
from prefine.ingest.rendered import unrendered
from prefine.ingest.rows import RawRow
from prefine.ingest.written import structured
from prefine.schema import Message, Winner
from prefine.settings.json import Json

_ROLES = {"system", "user", "assistant", "tool"}


def parse_row(row: RawRow, layout: Layout, context: Context) -> list[Record] | RowError:
    """Return what a raw row says, or why it cannot be read."""
    if row.value is None or row.error is not None:
        assert row.error is not None, "a row without a value says why"
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
    found: list[Record] = []
    for record in layout.records(value, context):
        whole = _without_missing(record)
        if keeps_tools:
            whole = with_tools(whole, value, known)
        else:
            require_no_tools(whole)
        _require_prompt(whole)
        whole = unrendered(whole)
        for part in parts:
            whole = with_prompt_parts(whole, part, known)
        if layout.text != "plain":
            whole = _unescaped(whole, layout.text)
        _require_scale(whole, layout.minimum, layout.maximum)
        found.append(_checked(whole))
    return found


def _without_missing(record: Record) -> Record:
    """Return a record without missing candidates and the labels about them.

    Raises:
        RowError: No label is left.
    """
    kept = [index for index, one in enumerate(record.candidates) if one.messages]
    if len(kept) == len(record.candidates):
        return record
    places = {index: place for place, index in enumerate(kept)}
    labels = [
        replace(label, a=places[label.a], b=None if label.b is None else places[label.b])
        for label in record.labels
        if label.a in places and (label.b is None or label.b in places)
    ]
    if not labels:
        raise RowError(Reason.RESPONSE_MISSING, "a response is missing or null, with its labels")
    return replace(
        record,
        candidates=[record.candidates[i] for i in kept],
        labels=labels,
        num_missing=len(record.candidates) - len(kept),
    )


def _unescaped(record: Record, mode: str) -> Record:
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
    """Refuse a rating outside of the scale that the source states."""
    low = -math.inf if minimum is None else minimum
    high = math.inf if maximum is None else maximum
    for label in record.labels:
        if label.rating is not None and not low <= label.rating <= high:
            raise RowError(
                Reason.RATING_OUT_OF_RANGE,
                f"the rating {label.rating:g} is outside of the range from {low:g} to {high:g}",
            )


def _checked(record: Record) -> Record:
    """Refuse a record that no trainer could use, whatever its labels say."""
    _require_prompt(record)
    for candidate in record.candidates:
        _require_response(candidate)
    if not record.labels:
        raise RowError(Reason.LABEL_MISSING, "the row has no label")
    turns = (record.prompt, *(candidate.messages for candidate in record.candidates))
    if unknown := {m["role"] for messages in turns for m in messages} - _ROLES:
        raise RowError(Reason.UNKNOWN_ROLE, f"the layout gives a turn the role {min(unknown)!r}")
    if any(not _is_known(label.winner) for label in record.labels):
        raise RowError(
            Reason.UNKNOWN_LABEL, "the layout gives a label a winner that is no `Winner`"
        )
    return record


def _require_response(candidate: Candidate) -> None:
    if not candidate.messages or candidate.messages[0]["role"] != "assistant":
        raise RowError(Reason.RESPONSE_NOT_ASSISTANT, "a response is not an assistant turn")
    if candidate.messages[-1]["role"] != "assistant":
        raise RowError(Reason.RESPONSE_NOT_ASSISTANT, "a response ends on another role")


def _is_known(winner: object) -> bool:
    return winner is None or isinstance(winner, Winner)
