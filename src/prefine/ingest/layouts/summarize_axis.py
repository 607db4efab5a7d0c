"""Axis evaluations of summarize_from_feedback: one summary, rated on several aspects."""

from typing import Literal

from prefine.ingest.labels import rating_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.record import Reason, Record, RowError
from prefine.ingest.summaries import group_of_post, prompt_to_summarise, summary_of
from prefine.ingest.values import optional
from prefine.settings.json import Json, is_object


class SummarizeAxis(Layout):
    """summarize_from_feedback, axis evaluations: one summary with ratings on several aspects."""

    format: Literal["summarize_axis"] = "summarize_axis"
    """Name of the layout."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect a summary with ``axes``."""
        summary = row.get("summary")
        if "info" in row and is_object(summary) and is_object(summary.get("axes")):
            return "`info` and a `summary` with `axes`"
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Parse one summary with the ratings of one worker; null ratings are left out."""
        prompt = prompt_to_summarise(row)
        summary = row.get("summary")
        candidate = summary_of(summary, "summary")
        axes = summary.get("axes") if is_object(summary) else None
        if not is_object(axes):
            raise RowError(Reason.LABEL_MISSING, "`summary.axes` is missing or not an object")
        worker = optional(row, "worker")
        return Record(
            prompt,
            [candidate],
            [rating_label(0, v, axis, worker) for axis, v in axes.items() if v is not None],
            group=group_of_post(row),
            split=optional(row, "split"),
        )
