"""The layout of H4, Tulu and distilabel sets: a text prompt beside whole conversations."""

from typing import Literal

from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import is_conversation, messages
from prefine.ingest.pairs import SIDES, conversation_pair
from prefine.ingest.record import Reason, Record, RowError
from prefine.ingest.values import required, text
from prefine.settings.json import Json


class H4(Layout):
    """A text ``prompt`` that ``chosen`` and ``rejected`` repeat as their first turns."""

    format: Literal["h4"] = "h4"

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Recognise a text prompt beside whole message lists."""
        if not {"prompt", "chosen", "rejected"} <= row.keys() or "all_rm_scores" in row:
            return None
        if isinstance(row["prompt"], str) and is_conversation(row["chosen"]):
            return "`prompt` is a text and `chosen` is a whole conversation"
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Read whole conversations; the text prompt must be one of their common turns."""
        sides = [messages(required(row, side), side) for side in SIDES]
        record = conversation_pair(row, *sides)
        prompt = text(required(row, "prompt"), "prompt").strip()
        if all(turn["content"].strip() != prompt for turn in record.prompt):
            raise RowError(Reason.PROMPT_DIFFERS, "`prompt` is no turn of `chosen`")
        return record
