"""NVIDIA HelpSteer2: one response per row, rated on five attributes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal

from prefine.ingest.labels import rating_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import response_of
from prefine.ingest.record import Candidate, Record
from prefine.ingest.transcripts import flattened_prompt
from prefine.ingest.values import required
from prefine.settings.json import Json

_ASPECTS = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")


class HelpSteer2(Layout):
    """NVIDIA HelpSteer2: one response per row with ratings on five aspects.

    The responses to a prompt are compared by ``helpfulness`` unless the recipe sets weights.
    """

    keys: ClassVar = ("prompt", "response", "helpfulness", "correctness")
    because: ClassVar = "`prompt`, `response` and the ratings `helpfulness`, `correctness`, ..."

    merit: ClassVar[Mapping[str, float]] = MappingProxyType({"helpfulness": 1.0})
    """Only helpfulness counts; more complexity or verbosity is not better.

    Source: Wang et al., HelpSteer2, 2024: the preferred response is the one with the higher
    helpfulness."""
    aspects: ClassVar = _ASPECTS

    format: Literal["helpsteer2"] = "helpsteer2"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse one response with its ratings."""
        candidate = Candidate(response_of(row.get("response"), "response"))
        labels = [rating_label(0, row[aspect], aspect) for aspect in _ASPECTS if aspect in row]
        return Record(flattened_prompt(required(row, "prompt")), [candidate], labels)
