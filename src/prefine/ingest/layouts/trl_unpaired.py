"""TRL's unpaired preference layout: single completions with a thumb up or down."""

from typing import ClassVar, Literal

from prefine.ingest.labels import thumb_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of, response_of
from prefine.ingest.pairs import group_of
from prefine.ingest.record import Candidate, Record
from prefine.ingest.values import optional, required
from prefine.settings.json import Json


class TrlUnpaired(Layout):
    """``prompt``, ``completion`` and a ``label`` that is true or false."""

    keys: ClassVar = ("prompt", "completion", "label")
    because: ClassVar = "`prompt`, `completion` and `label` stand for one response a row"

    format: Literal["trl_unpaired"] = "trl_unpaired"

    def parse(self, row: Json, context: Context) -> Record:
        """Read one response with its thumb."""
        prompt = prompt_of(required(row, "prompt"), "prompt")
        turns = response_of(row.get("completion"), "completion")
        candidate = Candidate(turns, optional(row, "model"))
        return Record(prompt, [candidate], [thumb_label(row.get("label"))], group=group_of(row))
