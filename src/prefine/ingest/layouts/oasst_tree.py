"""OpenAssistant conversation trees: prompts with ranked replies."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal

from prefine.ingest.layout import Context, Layout
from prefine.ingest.record import Reason, Record, RowError
from prefine.ingest.trees import is_deleted, ranked_record
from prefine.ingest.values import item_object, optional, required
from prefine.settings.json import Json, is_array, is_object

_MAX_DEPTH = 200


class OasstTree(Layout):
    """OpenAssistant trees (OASST1, OASST2): one conversation tree per row.

    Each prompt of a tree with at least two ranked replies becomes a ranking.
    """

    format: Literal["oasst_tree"] = "oasst_tree"
    """Name of the layout."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect a tree by its root."""
        root = row.get("prompt")
        if "message_tree_id" in row and is_object(root) and "replies" in root:
            return "`prompt` with nested `replies`, a conversation tree"
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Parse the first prompt of a tree that has ranked replies."""
        return next(iter(self.records(row, context)))

    def records(self, row: Json, context: Context) -> Iterable[Record]:
        """Parse every prompt of a tree with at least two ranked replies."""
        root = item_object(required(row, "prompt"), "prompt")
        state = optional(row, "tree_state")
        records = [replace(record, group=state) for record in _walk([root])]
        if not records:
            raise RowError(Reason.LABEL_MISSING, "no prompt of the tree has two ranked replies")
        return records


def _walk(path: list[Json]) -> Iterator[Record]:
    """Yield the records of the subtree below the last message of a path from the root."""
    message = path[-1]
    if len(path) > _MAX_DEPTH:
        raise RowError(Reason.WRONG_TYPE, f"the tree is deeper than {_MAX_DEPTH} messages")
    if is_deleted(message):
        return
    replies: object = message.get("replies") or []
    if not is_array(replies):
        raise RowError(Reason.WRONG_TYPE, "`replies` is not a list")
    children = [item_object(reply, "replies") for reply in replies]
    if message.get("role") == "prompter":
        record = ranked_record(path, children)
        if record is not None:
            yield record
    for child in children:
        yield from _walk([*path, child])
