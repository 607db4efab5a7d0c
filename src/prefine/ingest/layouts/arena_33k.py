"""Chatbot Arena conversations, the release of 33,000, and MT-Bench's human judgements."""

from typing import ClassVar, Literal

from prefine.ingest.arena import named_winner_record
from prefine.ingest.layout import Context, Layout
from prefine.ingest.record import Record
from prefine.ingest.values import optional
from prefine.settings.json import Json


class Arena33k(Layout):
    """Chatbot Arena, 33,000 conversations, and MT-Bench human judgements: with a ``judge``."""

    version: ClassVar = 2
    keys: ClassVar = ("conversation_a", "conversation_b", "winner", "judge")
    because: ClassVar = "`conversation_a`, `conversation_b`, `winner` and `judge`"
    aspects: ClassVar = ("overall",)

    format: Literal["arena_33k"] = "arena_33k"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse two conversations up to the judged turn; their common beginning is the prompt."""
        return named_winner_record(row, optional(row, "judge"))
