"""LLaMA-Factory's former ranking data: a list of the better and the worse output."""

from typing import Literal

from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of, response_of
from prefine.ingest.pairs import pair_record
from prefine.ingest.record import Reason, Record, RowError
from prefine.ingest.values import as_list, nonempty_list, required
from prefine.settings.json import Json


class BestAndWorst(Layout):
    """LLaMA-Factory's former ranking format: ``output`` lists the chosen, then the rejected one."""

    format: Literal["best_and_worst"] = "best_and_worst"
    """Name of the layout."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect a list of two strings as the output of an instruction."""
        outputs = as_list(row.get("output"))
        if "instruction" not in row or outputs is None or len(outputs) != 2:  # noqa: PLR2004
            return None
        return "`output` lists the better and the worse response" if _are_texts(outputs) else None

    def parse(self, row: Json, context: Context) -> Record:
        """Parse the first output as the chosen response."""
        outputs = nonempty_list(row, "output")
        if len(outputs) != 2:  # noqa: PLR2004 - a pair
            raise RowError(Reason.WRONG_TYPE, f"`output` has {len(outputs)} items, not 2")
        prompt = prompt_of(required(row, "instruction"), "instruction")
        return pair_record(row, prompt, *(response_of(value, "output") for value in outputs))


def _are_texts(values: list[object]) -> bool:
    return all(isinstance(value, str) for value in values)
