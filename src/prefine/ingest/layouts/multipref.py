"""MultiPref: two completions, compared by two normal and two expert workers on several aspects."""

from typing import ClassVar, Literal

from prefine.ingest.labels import pair_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of, response_of
from prefine.ingest.record import Candidate, Label, Reason, Record, RowError
from prefine.ingest.values import as_list, item_object, optional, required, spelling
from prefine.schema import Winner
from prefine.settings.json import Json

_VOTES = {
    "a is clearly better": (Winner.A, 2.0),
    "a is slightly better": (Winner.A, 1.0),
    "tie": (Winner.TIE, 0.0),
    "b is slightly better": (Winner.B, 1.0),
    "b is clearly better": (Winner.B, 2.0),
}
_ASPECTS = {"overall": None, "helpful": "helpful", "truthful": "truthful", "harmless": "harmless"}
"""Aspects by column; the overall preference has none."""


class MultiPref(Layout):
    """MultiPref: two completions with preferences of four workers, overall and by aspect."""

    keys: ClassVar = ("text", "completion_a", "completion_b", "normal_worker_annotations")
    because: ClassVar = "`completion_a`, `completion_b` and `normal_worker_annotations`"
    aspects: ClassVar = tuple(_ASPECTS)

    format: Literal["multipref"] = "multipref"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse the preferences of every worker, overall and by aspect."""
        labels = [
            label
            for group in ("normal", "expert")
            for index, item in enumerate(as_list(row.get(f"{group}_worker_annotations")) or [])
            for label in _labels(item_object(item, f"{group}_worker_annotations"), group, index)
        ]
        return Record(
            prompt_of(required(row, "text"), "text"),
            [
                Candidate(
                    response_of(row.get(f"completion_{side}"), f"completion_{side}"),
                    optional(row, f"model_{side}"),
                )
                for side in "ab"
            ],
            labels,
            group=optional(row, "source"),
        )


def _labels(annotation: Json, group: str, index: int) -> list[Label]:
    annotator = optional(annotation, "evaluator") or f"{group}_{index + 1}"
    labels: list[Label] = []
    for name, aspect in _ASPECTS.items():
        raw = annotation.get(f"{name}_pref")
        if raw is None or raw == "":
            continue
        vote = _VOTES.get(spelling(raw))
        if vote is None:
            known = ", ".join(_VOTES)
            detail = f"`{name}_pref` is {raw!s:.40}, not one of {known}"
            raise RowError(Reason.UNKNOWN_LABEL, detail)
        facts = {"aspect": aspect, "annotator": annotator, "label": str(raw)}
        labels.append(pair_label(vote[0], strength=vote[1], strength_unit="levels", **facts))
    return labels
