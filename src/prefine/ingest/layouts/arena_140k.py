"""Chatbot Arena conversations, the release of 140,000: whole conversations with a session."""

from typing import ClassVar, Literal

from prefine.ingest.arena import named_winner_record
from prefine.ingest.layout import Context, Layout
from prefine.ingest.record import Record
from prefine.settings.json import Json


class Arena140k(Layout):
    """Chatbot Arena, 140,000 conversations: like ``arena_100k`` with ``evaluation_session_id``."""

    keys: ClassVar = ("conversation_a", "conversation_b", "winner", "evaluation_session_id")
    because: ClassVar = "`conversation_a`, `conversation_b`, `winner` and `evaluation_session_id`"
    aspects: ClassVar = ("overall",)

    format: Literal["arena_140k"] = "arena_140k"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse two conversations, whose common beginning is the prompt."""
        return named_winner_record(row)
