"""Conversations with a thumb up or down, as LLaMA-Factory uses them for KTO."""

from typing import Literal

from prefine.ingest.labels import thumb_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import messages
from prefine.ingest.record import Candidate, Record
from prefine.ingest.values import required
from prefine.settings.json import Json, is_array


class ShareGptUnpaired(Layout):
    """``messages`` with a ``label`` that is true or false."""

    format: Literal["sharegpt_unpaired"] = "sharegpt_unpaired"

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Recognise a whole conversation with a truth value."""
        if is_array(row.get("messages")) and isinstance(row.get("label"), bool):
            return "`messages` with a `label` that is true or false"
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Read a conversation whose last turn is judged."""
        turns = messages(required(row, "messages"), "messages")
        return Record(turns[:-1], [Candidate(turns[-1:])], [thumb_label(row.get("label"))])
