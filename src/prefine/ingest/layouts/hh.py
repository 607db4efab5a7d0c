"""Anthropic HH-RLHF: chosen and rejected as whole transcripts."""

from typing import ClassVar, Literal

from prefine.ingest.layout import Context, Layout
from prefine.ingest.pairs import SIDES, conversation_pair
from prefine.ingest.record import Record
from prefine.ingest.transcripts import transcript
from prefine.ingest.values import required
from prefine.settings.json import Json


class Hh(Layout):
    """Anthropic HH-RLHF: ``chosen`` and ``rejected`` transcripts with Human/Assistant markers."""

    aspects: ClassVar = ("overall",)

    format: Literal["hh"] = "hh"
    """Name of the layout."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect two transcripts."""
        sides = [row.get(side) for side in SIDES]
        if "prompt" not in row and all(isinstance(s, str) and "\n\nAssistant:" in s for s in sides):
            return "`chosen` and `rejected` are transcripts with Human and Assistant markers"
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Parse two transcripts, whose common beginning is the prompt."""
        return conversation_pair(row, *(transcript(required(row, side), side) for side in SIDES))
