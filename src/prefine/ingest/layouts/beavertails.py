"""BeaverTails: single responses, each called safe or unsafe."""

from typing import ClassVar, Literal

from prefine.ingest.labels import thumb_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of, response_of
from prefine.ingest.record import Candidate, Record
from prefine.ingest.values import required
from prefine.settings.json import Json, is_object


class BeaverTails(Layout):
    """BeaverTails: single responses, unpaired; ``is_safe`` is a thumbs up or down."""

    keys: ClassVar = ("prompt", "response", "is_safe", "category")
    because: ClassVar = "`prompt`, `response` and `is_safe`"

    format: Literal["beavertails"] = "beavertails"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse one response; a safe one has a thumbs up."""
        category: object = row.get("category")
        harms = (
            sorted(name for name, value in category.items() if value) if is_object(category) else []
        )
        candidate = Candidate(
            response_of(row.get("response"), "response"), meta={"harms": harms} if harms else None
        )
        prompt = prompt_of(required(row, "prompt"), "prompt")
        return Record(prompt, [candidate], [thumb_label(row.get("is_safe"), "is_safe")])
