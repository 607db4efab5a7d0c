"""Comparisons of summarize_from_feedback: two summaries and a worker's choice."""

from typing import ClassVar, Literal

from prefine.ingest.labels import pair_label, winner_of
from prefine.ingest.layout import Context, Layout
from prefine.ingest.record import Reason, Record, RowError
from prefine.ingest.summaries import group_of_post, prompt_to_summarise, summary_of
from prefine.ingest.values import nonempty_list, optional, required
from prefine.schema import Winner
from prefine.settings.json import Json

_WINNERS = {0: Winner.A, 1: Winner.B}


class SummarizeComparisons(Layout):
    """summarize_from_feedback, comparisons: ``choice`` is the index of the better summary."""

    keys: ClassVar = ("info", "summaries", "choice")
    because: ClassVar = "`info`, `summaries` and `choice`"
    aspects: ClassVar = ("overall",)

    format: Literal["summarize_comparisons"] = "summarize_comparisons"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse two summaries and the choice of one worker."""
        prompt = prompt_to_summarise(row)
        summaries = nonempty_list(row, "summaries")
        if len(summaries) != 2:  # noqa: PLR2004 - a pair
            raise RowError(Reason.WRONG_TYPE, f"`summaries` has {len(summaries)} items, not 2")
        choice = required(row, "choice")
        label = pair_label(
            winner_of(choice, _WINNERS, "choice"),
            label=str(choice),
            annotator=optional(row, "worker"),
        )
        return Record(
            prompt,
            [summary_of(value, f"summaries[{i}]") for i, value in enumerate(summaries)],
            [label],
            group=group_of_post(row),
            split=optional(row, "split"),
        )
