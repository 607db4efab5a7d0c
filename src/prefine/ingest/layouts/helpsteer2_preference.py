"""The preference file of NVIDIA HelpSteer2: two responses and a signed strength."""

from typing import ClassVar, Literal

from prefine.ingest.labels import level_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import response_of
from prefine.ingest.record import Candidate, Record
from prefine.ingest.transcripts import flattened_prompt
from prefine.ingest.values import optional, required
from prefine.settings.json import Json


class HelpSteer2Preference(Layout):
    """NVIDIA HelpSteer2 preferences: two responses and ``preference_strength`` from -3 to 3."""

    keys: ClassVar = ("prompt", "response_1", "response_2", "preference_strength")
    because: ClassVar = "`response_1`, `response_2` and `preference_strength`"
    aspects: ClassVar = ("overall",)

    format: Literal["helpsteer2_preference"] = "helpsteer2_preference"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse the strength; negative prefers the first response."""
        candidates = [Candidate(response_of(row.get(k), k)) for k in ("response_1", "response_2")]
        label = level_label(required(row, "preference_strength"), "preference_strength")
        prompt = flattened_prompt(required(row, "prompt"))
        return Record(prompt, candidates, [label], split=optional(row, "split"))
