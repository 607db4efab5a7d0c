"""UltraFeedback as published: up to four completions, each rated on up to four aspects."""

from typing import Literal

from prefine.ingest.labels import rating_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of, response_of
from prefine.ingest.record import Candidate, Label, Reason, Record, RowError
from prefine.ingest.values import nonempty_list, optional, required
from prefine.settings.json import Json, is_array, is_object


class UltraFeedback(Layout):
    """``instruction`` with ``completions`` that carry ``annotations`` by aspect."""

    format: Literal["ultrafeedback"] = "ultrafeedback"

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Recognise an instruction beside a list of completion objects."""
        completions = row.get("completions")
        listed = is_array(completions) and completions and is_object(completions[0])
        if "instruction" in row and listed:
            return "`instruction` with `completions` that carry `annotations`"
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Read all completions with their ratings, which are written as text.

        Each completion may have a system prompt of its own; where they differ, the contexts do.
        """
        prompt = prompt_of(required(row, "instruction"), "instruction")
        candidates: list[Candidate] = []
        labels: list[Label] = []
        systems: set[str | None] = set()
        for index, item in enumerate(nonempty_list(row, "completions")):
            if not is_object(item):
                raise RowError(Reason.WRONG_TYPE, f"`completions[{index}]` is not an object")
            system = optional(item, "custom_system_prompt")
            systems.add(system)
            turns = response_of(item.get("response"), f"completions[{index}].response")
            meta = None if system is None else {"system": system}
            candidates.append(Candidate(turns, optional(item, "model"), meta))
            labels += _ratings(index, item)
        group = optional(row, "source")
        return Record(prompt, candidates, labels, group=group, context_mismatch=len(systems) > 1)


def _ratings(index: int, item: Json) -> list[Label]:
    notes: object = item.get("annotations", {})
    if not is_object(notes):
        raise RowError(Reason.WRONG_TYPE, f"`completions[{index}].annotations` is not an object")
    labels = [
        rating_label(index, note.get("Rating") if is_object(note) else note, aspect)
        for aspect, note in notes.items()
    ]
    if item.get("overall_score") is not None:
        labels.append(rating_label(index, item["overall_score"], "overall"))
    return labels
