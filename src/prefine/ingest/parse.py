"""Read one raw row by its layout, with the checks and conversions that all layouts share."""

import html
from collections.abc import Sequence
from dataclasses import replace

from prefine.ingest.layout import Context, Layout
from prefine.ingest.markup import from_html
from prefine.ingest.record import Reason, Record, RowError
from prefine.ingest.rows import RawRow
from prefine.schema import Message, Winner
from prefine.settings.json import Json

_ROLES = {"system", "user", "assistant", "tool"}
_BESIDE_TEXT = ("images", "image", "videos", "audios", "tools")


def parse_row(row: RawRow, layout: Layout, context: Context) -> Record | RowError:
    """Return what a raw row says, or why it cannot be read."""
    if row.value is None or row.error is not None:
        assert row.error is not None, "a row without a value says why"
        return row.error
    try:
        _require_only_text(row.value)
        record = layout.parse(row.value, context)
        if layout.text != "plain":
            record = _unescaped(record, layout.text)
        return _checked(record)
    except RowError as error:
        return error
    except RecursionError:
        return RowError(Reason.WRONG_TYPE, "the row is nested too deeply")


def _require_only_text(row: Json) -> None:
    """Refuse a row whose images or tools belong to it: its texts alone are another row."""
    for key in _BESIDE_TEXT:
        if row.get(key) not in (None, "", "[]", "null", [], {}):
            raise RowError(Reason.NOT_TEXT_CONTENT, f"the row has `{key}` beside its texts")


def _unescaped(record: Record, mode: str) -> Record:
    """Apply a source's ``text`` setting to every turn of a record."""
    convert = html.unescape if mode == "escaped" else from_html

    def converted(turns: Sequence[Message]) -> list[Message]:
        return [Message(role=t["role"], content=convert(t["content"])) for t in turns]

    candidates = [replace(c, messages=converted(c.messages)) for c in record.candidates]
    return replace(record, prompt=converted(record.prompt), candidates=candidates)


def _checked(record: Record) -> Record:
    """Refuse a record that no trainer could use, whatever its labels say."""
    if not any(message["content"].strip() for message in record.prompt):
        raise RowError(Reason.PROMPT_EMPTY, "the prompt has no text")
    for candidate in record.candidates:
        if not candidate.messages or candidate.messages[0]["role"] != "assistant":
            raise RowError(Reason.RESPONSE_NOT_ASSISTANT, "a response is not an assistant turn")
        if candidate.messages[-1]["role"] != "assistant":
            raise RowError(Reason.RESPONSE_NOT_ASSISTANT, "a response ends on another role")
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


def _is_known(winner: object) -> bool:
    return winner is None or isinstance(winner, Winner)
