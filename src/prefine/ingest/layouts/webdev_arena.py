"""WebDev Arena: conversations whose responses are a text and a web application."""

from typing import Literal

from prefine.ingest.arena import named_winner_record
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import content
from prefine.ingest.record import Record
from prefine.ingest.values import nonempty_list, optional, text
from prefine.settings.json import Json, is_array, is_object


class WebDevArena(Layout):
    """``conversation_a`` and ``conversation_b`` whose messages have an ``object`` with ``code``."""

    format: Literal["webdev_arena"] = "webdev_arena"

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Recognise two conversations whose messages hold applications."""
        side = row.get("conversation_a")
        if not {"winner", "conversation_b"} <= row.keys() or not is_array(side):
            return None
        if any(is_object(turn) and "object" in turn for turn in side):
            return "`conversation_a` and `conversation_b` hold applications under `object`"
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Read two conversations; the code of an application follows the text of its message."""
        sides = {
            key: [_with_code(turn, key) for turn in nonempty_list(row, key)]
            for key in ("conversation_a", "conversation_b")
        }
        return named_winner_record({**row, **sides}, optional(row, "judge_hash"))


def _with_code(turn: object, what: str) -> object:
    """Return a message whose application is a fenced block behind its text."""
    built = turn.get("object") if is_object(turn) else None
    if not is_object(turn) or not is_object(built) or built.get("code") is None:
        return turn
    said = content(turn.get("content") or "", what)
    code = text(built["code"], f"{what}.object.code")
    fenced = f"```\n{code}\n```"
    return {"role": turn.get("role"), "content": f"{said}\n\n{fenced}" if said else fenced}
