"""H4, Tulu and distilabel data sets: a text prompt and whole conversations."""

from typing import ClassVar, Literal

from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import is_conversation, messages
from prefine.ingest.pairs import SIDES, conversation_pair
from prefine.ingest.record import Reason, Record, RowError
from prefine.ingest.values import required, text
from prefine.settings.json import Json

_SAMPLES = {"all_rm_scores", "rewards_armorm"}


class H4(Layout):
    """H4, Tulu and distilabel: ``chosen`` and ``rejected`` are whole conversations.

    The text in ``prompt`` (or ``instruction``) must be one of their common turns.
    """

    aspects: ClassVar = ("overall",)

    format: Literal["h4"] = "h4"
    """Name of the layout."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect a text prompt and whole conversations."""
        if not {"chosen", "rejected"} <= row.keys() or row.keys() & _SAMPLES:
            return None
        key = _prompt_key(row)
        if isinstance(row.get(key), str) and is_conversation(row["chosen"]):
            return f"`{key}` is a text and `chosen` is a whole conversation"
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Parse whole conversations; the text prompt must be one of their common turns."""
        sides = [messages(required(row, side), side) for side in SIDES]
        record = conversation_pair(row, *sides)
        key = _prompt_key(row)
        prompt = text(required(row, key), key).strip()
        if all(turn["content"].strip() != prompt for turn in record.prompt):
            detail = f"`{key}` is not a common turn of `chosen` and `rejected`"
            raise RowError(Reason.PROMPT_DIFFERS, detail)
        return record


def _prompt_key(row: Json) -> str:
    return "instruction" if "prompt" not in row and "instruction" in row else "prompt"
