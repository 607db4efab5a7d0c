"""CoVal: four responses that each annotator ranks, as personal taste and for the world."""

from typing import ClassVar, Literal

from prefine.ingest.labels import written_ranks
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import messages, prompt_of
from prefine.ingest.record import Candidate, Label, Record
from prefine.ingest.values import as_list, item_object, nonempty_list, optional, required, text
from prefine.settings.json import Json, is_array, is_object

_ASPECTS = ("personal", "world")


class CoVal(Layout):
    """CoVal: four responses, ranked by annotators on the aspects ``personal`` and ``world``."""

    format: Literal["coval"] = "coval"
    """Name of the layout."""
    aspects: ClassVar = _ASPECTS

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect responses with letters, and assessments."""
        responses, metadata = row.get("responses"), row.get("metadata")
        if not is_array(responses) or not responses or not is_object(responses[0]):
            return None
        assessed = is_object(metadata) and "assessments" in metadata
        if "response_index" in responses[0] and assessed and "prompt" in row:
            return "`responses` by `response_index`, ranked in `metadata.assessments`"
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Parse every annotator's rankings on the aspects ``personal`` and ``world``."""
        prompt = required(row, "prompt")
        if is_object(prompt):
            prompt = required(prompt, "messages")
        names: list[str] = []
        candidates: list[Candidate] = []
        for index, item in enumerate(nonempty_list(row, "responses")):
            response = item_object(item, f"responses[{index}]")
            names.append(str(response.get("response_index")))
            turns = response.get("messages")
            candidates.append(Candidate(messages(turns, "responses.messages") if turns else []))
        metadata = item_object(row.get("metadata"), "metadata")
        labels = [
            label
            for item in nonempty_list(metadata, "assessments")
            for label in _rankings(item_object(item, "assessments"), names)
        ]
        return Record(prompt_of(prompt, "prompt"), candidates, labels)


def _rankings(assessment: Json, names: list[str]) -> list[Label]:
    blocks = item_object(assessment.get("ranking_blocks"), "ranking_blocks")
    annotator = optional(assessment, "annotator_id")
    labels: list[Label] = []
    for aspect in _ASPECTS:
        for item in as_list(blocks.get(aspect)) or []:
            block = item_object(item, aspect)
            ranking = text(required(block, "ranking"), f"{aspect}.ranking")
            labels += written_ranks(
                ranking, names, f"{aspect}.ranking", aspect=aspect, annotator=annotator
            )
    return labels
