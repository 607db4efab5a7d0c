"""UltraFeedback: up to four completions, each rated on up to four aspects."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal

from prefine.ingest.labels import rating_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of
from prefine.ingest.pairs import listed_candidate
from prefine.ingest.record import Candidate, Label, Reason, Record, RowError
from prefine.ingest.values import as_list, item_object, nonempty_list, optional, required
from prefine.settings.json import Json, is_object


class UltraFeedback(Layout):
    """UltraFeedback: up to four ``completions`` with ratings in ``annotations``, by aspect.

    Completions are compared by the mean of the four aspects unless the recipe sets weights.
    """

    version: ClassVar = 2
    merit: ClassVar[Mapping[str, float]] = MappingProxyType(
        dict.fromkeys(("instruction_following", "honesty", "truthfulness", "helpfulness"), 1.0)
    )
    """The unweighted mean of the four aspects.

    Source: argilla/ultrafeedback-binarized-preferences-cleaned ranks completions by this mean,
    because ``overall_score`` is wrong for some of them."""

    format: Literal["ultrafeedback"] = "ultrafeedback"
    """Name of the layout."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect an instruction and a list of completion objects."""
        completions = as_list(row.get("completions"))
        if "instruction" in row and completions and is_object(completions[0]):
            return "`instruction` and `completions` with `annotations`"
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Parse all completions with their ratings, which are written as text.

        Each completion may have its own system prompt; if these differ, so do the contexts.
        """
        prompt = prompt_of(required(row, "instruction"), "instruction")
        candidates: list[Candidate] = []
        labels: list[Label] = []
        systems: set[str | None] = set()
        for index, item in enumerate(nonempty_list(row, "completions")):
            what = f"completions[{index}]"
            completion = item_object(item, what)
            system = optional(completion, "custom_system_prompt")
            if completion.get("response") is not None:
                systems.add(system)
            meta = None if system is None else {"system": system}
            model = optional(completion, "model")
            candidates.append(
                listed_candidate(completion.get("response"), f"{what}.response", model, meta)
            )
            labels += _ratings(index, completion)
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
