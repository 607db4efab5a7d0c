"""Conversations with a thumb up or down, in the format of LLaMA-Factory for KTO."""

from itertools import product
from typing import ClassVar, Literal

from prefine.ingest.labels import thumb_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import messages
from prefine.ingest.record import Candidate, Record
from prefine.ingest.values import required, truth
from prefine.settings.json import Json, is_array

_TURNS = ("messages", "conversations")
_THUMBS = ("label", "kto_tag")


class ShareGptUnpaired(Layout):
    """Unpaired conversations (LLaMA-Factory KTO): ``label`` or ``kto_tag`` is true or false."""

    reads_beside: ClassVar = _TURNS
    aspects: ClassVar = ("thumb",)

    format: Literal["sharegpt_unpaired"] = "sharegpt_unpaired"
    """Name of the layout."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect a whole conversation with a boolean."""
        for turns, thumb in product(_TURNS, _THUMBS):
            raw = row.get(thumb)
            is_boolean = isinstance(raw, bool) or (isinstance(raw, str) and truth(raw) is not None)
            if is_array(row.get(turns)) and is_boolean:
                return f"`{turns}` with a `{thumb}` that is true or false"
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Parse a conversation whose last turn is labelled."""
        column = next((name for name in _TURNS if name in row), _TURNS[0])
        thumb = next((name for name in _THUMBS if name in row), _THUMBS[0])
        turns = messages(required(row, column), column)
        return Record(turns[:-1], [Candidate(turns[-1:])], [thumb_label(row.get(thumb), thumb)])
