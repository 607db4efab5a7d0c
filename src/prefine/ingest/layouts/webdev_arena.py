"""WebDev Arena: conversations whose responses are text and a web application."""

from typing import Literal

from prefine.ingest.arena import named_winner_record
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import content
from prefine.ingest.record import Record
from prefine.ingest.values import nonempty_list, optional, text
from prefine.settings.json import Json, is_array, is_object


class WebDevArena(Layout):
    """WebDev Arena: two conversations with a ``winner``; responses have an application's code."""

    format: Literal["webdev_arena"] = "webdev_arena"
    """Name of the layout."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect two conversations whose messages contain applications."""
        side = row.get("conversation_a")
        if not {"winner", "conversation_b"} <= row.keys() or not is_array(side):
            return None
        if any(is_object(turn) and "object" in turn for turn in side):
            return "`conversation_a` and `conversation_b` with applications in `object`"
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Parse two conversations; the code of an application follows the text of its message."""
        sides = {
            key: [_with_code(turn, key) for turn in nonempty_list(row, key)]
            for key in ("conversation_a", "conversation_b")
        }
        return named_winner_record({**row, **sides}, optional(row, "judge_hash"))


def _with_code(turn: object, what: str) -> object:
    """Return a message with the code of its application as a fenced block after its text."""
    application = turn.get("object") if is_object(turn) else None
    if not is_object(turn) or not is_object(application) or application.get("code") is None:
        return turn
    prose = content(turn.get("content") or "", what)
    code = text(application["code"], f"{what}.object.code")
    fenced = f"```\n{code}\n```"
    return {"role": turn.get("role"), "content": f"{prose}\n\n{fenced}" if prose else fenced}
