"""NVIDIA HelpSteer3: two responses with an overall preference and those of each annotator."""

from typing import ClassVar, Literal

from prefine.ingest.labels import level_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of, response_of
from prefine.ingest.record import Candidate, Label, Reason, Record, RowError
from prefine.ingest.values import as_list, optional, required
from prefine.settings.json import Json, is_object


class HelpSteer3(Layout):
    """NVIDIA HelpSteer3: two responses and ``overall_preference`` from -3 to 3.

    The preferences of single annotators are labels on the aspect ``individual``.
    """

    reads_beside: ClassVar = ("context",)
    keys: ClassVar = ("context", "response1", "response2", "overall_preference")
    because: ClassVar = "`context`, `response1`, `response2` and `overall_preference`"
    aspects: ClassVar = ("overall", "individual")

    format: Literal["helpsteer3"] = "helpsteer3"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse the overall preference, and those of annotators on the aspect ``individual``."""
        candidates = [Candidate(response_of(row.get(k), k)) for k in ("response1", "response2")]
        overall = level_label(required(row, "overall_preference"), "overall_preference")
        labels = [overall, *_votes(row)]
        return Record(
            prompt_of(required(row, "context"), "context"),
            candidates,
            labels,
            group=optional(row, "domain"),
            language=optional(row, "language"),
        )


def _votes(row: Json) -> list[Label]:
    votes = as_list(row.get("individual_preference") or [])
    if votes is None:
        raise RowError(Reason.WRONG_TYPE, "`individual_preference` is not a list")
    labels: list[Label] = []
    for index, vote in enumerate(votes):
        if not is_object(vote):
            raise RowError(Reason.WRONG_TYPE, f"`individual_preference[{index}]` is not an object")
        annotator = f"annotator_{index + 1}"
        score = vote.get("score")
        labels.append(level_label(score, "score", aspect="individual", annotator=annotator))
    return labels
