"""LLMEval-2: dialogues whose last turn is rated with stars by aspect."""

from typing import ClassVar, Literal

from prefine.ingest.labels import rating_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import messages
from prefine.ingest.record import Candidate, Reason, Record, RowError
from prefine.ingest.values import optional, required
from prefine.settings.json import Json, is_object


class LlmEval2(Layout):
    """LLMEval-2: dialogues whose last turn has ratings in ``stars``, by aspect.

    Set ``path_fields`` with a group ``annotator`` if the file names contain the annotator.
    """

    reads_beside: ClassVar = ("dialog",)
    keys: ClassVar = ("dialog", "stars", "llm_name")
    because: ClassVar = "`dialog` with `stars` for one model"

    format: Literal["llmeval2"] = "llmeval2"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse a dialogue whose last turn is rated."""
        turns = messages(required(row, "dialog"), "dialog")
        stars = required(row, "stars")
        if not is_object(stars):
            raise RowError(Reason.WRONG_TYPE, "`stars` is not an object")
        annotator = context.fields.get("annotator")
        return Record(
            turns[:-1],
            [Candidate(turns[-1:], optional(row, "llm_name"))],
            [rating_label(0, value, aspect, annotator) for aspect, value in stars.items()],
            group=optional(row, "type"),
        )
