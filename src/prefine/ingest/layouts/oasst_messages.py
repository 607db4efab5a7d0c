"""OpenAssistant flat messages: one message per row, linked by the id of its parent."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from prefine.ingest.layout import Context, Layout
from prefine.ingest.record import Reason, Record, RowError
from prefine.ingest.trees import is_deleted, is_reply, ranked_record
from prefine.ingest.values import is_blank, required
from prefine.settings.json import Json

_KEPT = (
    *("message_id", "parent_id", "role", "text", "rank", "lang", "deleted", "model_name"),
    *("user_id", "review_result", "synthetic"),
)
_CHILDREN = "children of"


class OasstMessages(Layout):
    """OpenAssistant messages (OASST1, OASST2): one message per row, linked by ``parent_id``.

    Each prompt with at least two ranked replies becomes a ranking.
    """

    own_table: ClassVar = "messages"
    keys: ClassVar = ("message_id", "parent_id", "text", "role", "rank")
    because: ClassVar = "`message_id` and `parent_id`: one message of a tree per row"

    format: Literal["oasst_messages"] = "oasst_messages"
    """Name of the layout."""

    @classmethod
    def index(
        cls, table: str, rows: Iterable[tuple[Json, Mapping[str, str]]]
    ) -> Mapping[Any, Json]:
        """Index messages by id, and the replies to each by the id of their parent."""
        del table
        index: dict[Any, Json] = {}
        for row, _ in rows:
            slim = {key: row[key] for key in _KEPT if row.get(key) is not None}
            index[str(row.get("message_id"))] = slim
            replies = index.setdefault((_CHILDREN, str(row.get("parent_id"))), {"replies": []})
            replies["replies"].append(slim)
        return index

    def parse(self, row: Json, context: Context) -> Record:
        """Parse a prompt with its ranked replies."""
        records = list(self.records(row, context))
        if not records:
            detail = "the row is a reply, which is part of the record of its prompt"
            raise RowError(Reason.LABEL_MISSING, detail)
        return records[0]

    def records(self, row: Json, context: Context) -> Iterable[Record]:
        """Parse a prompt with its ranked replies; a ranked reply has no record of its own."""
        messages = context.tables.get("messages", {})
        path = _path(row, messages)
        is_prompt = row.get("role") == "prompter"
        own = path if is_prompt else path[:-1]
        record = _record(own, messages) if own else None
        if record is None or (not is_prompt and not is_reply(row)):
            raise RowError(Reason.LABEL_MISSING, "the prompt has fewer than two ranked replies")
        return (record,) if is_prompt else ()


def _record(path: list[Json], messages: Mapping[Any, Json]) -> Record | None:
    if any(map(is_deleted, path)):
        return None
    key = (_CHILDREN, str(path[-1].get("message_id")))
    return ranked_record(path, messages.get(key, {}).get("replies", []))


def _path(row: Json, messages: Mapping[Any, Json]) -> list[Json]:
    """Return the messages from the root to a row."""
    path, seen = [row], {str(required(row, "message_id"))}
    while not is_blank(parent := path[-1].get("parent_id")):
        parent = str(parent)
        message = messages.get(parent)
        if message is None or parent in seen:
            problem = "does not exist" if message is None else "is one of its own replies"
            detail = f"the parent message {parent:.80} {problem}"
            raise RowError(Reason.LOOKUP_MISSING, detail)
        path.append(message)
        seen.add(parent)
    return path[::-1]
