"""ShareGPT pairs in the format of LLaMA-Factory."""

from typing import ClassVar, Literal

from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of, response_of
from prefine.ingest.pairs import SIDES, pair_record
from prefine.ingest.record import Record
from prefine.ingest.values import required
from prefine.settings.json import Json


class ShareGpt(Layout):
    """ShareGPT pairs (LLaMA-Factory): ``conversations`` is the prompt of a labelled pair."""

    reads_beside: ClassVar = ("conversations",)
    keys: ClassVar = ("conversations", "chosen", "rejected")
    because: ClassVar = "`conversations`, `chosen` and `rejected`"
    aspects: ClassVar = ("overall",)

    format: Literal["sharegpt"] = "sharegpt"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse a conversation with ``from`` and ``value``, and sides as messages or strings."""
        conversation = required(row, "conversations")
        prompt = prompt_of(conversation, "conversations")
        return pair_record(row, prompt, *(response_of(row.get(side), side) for side in SIDES))
