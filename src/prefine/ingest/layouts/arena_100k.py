"""Chatbot Arena conversations, the release of 100,000: whole conversations and a named winner."""

from typing import ClassVar, Literal

from prefine.ingest.arena import named_winner_record
from prefine.ingest.layout import Context, Layout
from prefine.ingest.record import Record
from prefine.ingest.values import optional
from prefine.settings.json import Json, is_array, is_object


class Arena100k(Layout):
    """Chatbot Arena, 100,000 conversations: two whole conversations and a named ``winner``."""

    aspects: ClassVar = ("overall",)

    format: Literal["arena_100k"] = "arena_100k"
    """Name of the layout."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect two conversations with a winner, without the columns of the other releases."""
        sides = [row.get("conversation_a"), row.get("conversation_b")]
        if "winner" not in row or row.keys() & {"judge", "evaluation_session_id"}:
            return None
        if not all(is_array(side) and side and is_object(side[0]) for side in sides):
            return None
        if any(is_object(turn) and "object" in turn for side in sides for turn in side or ()):
            return None
        return "`conversation_a`, `conversation_b` and `winner`"

    def parse(self, row: Json, context: Context) -> Record:
        """Parse two conversations, whose common beginning is the prompt."""
        return named_winner_record(row, optional(row, "judge_hash"))
