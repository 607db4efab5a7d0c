"""AlpacaEval annotations and AlpacaFarm preferences: two outputs and which one is better."""

from fractions import Fraction
from typing import ClassVar, Literal

from prefine.ingest.labels import pair_label, signed_preference
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of, response_of
from prefine.ingest.record import Candidate, Label, Reason, Record, RowError
from prefine.ingest.values import number, optional, required
from prefine.schema import Winner
from prefine.settings.json import Json

_FIRST, _SECOND = 1, 2


class AlpacaEval(Layout):
    """AlpacaEval annotations and AlpacaFarm preferences: two outputs and a ``preference``.

    ``preference`` from 1 (first output) to 2 (second output) is the label and its strength; 1.5 is
    a tie, null a failed judgement.
    """

    version: ClassVar = 2
    keys: ClassVar = ("instruction", "output_1", "output_2", "preference")
    because: ClassVar = "`output_1`, `output_2` and `preference`"
    aspects: ClassVar = ("overall",)

    format: Literal["alpaca_eval"] = "alpaca_eval"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse two outputs and the preference of one annotator."""
        candidates = [
            Candidate(
                response_of(row.get(f"output_{i}"), f"output_{i}"), optional(row, f"generator_{i}")
            )
            for i in (1, 2)
        ]
        label = _preference(row)
        prompt = prompt_of(required(row, "instruction"), "instruction")
        return Record(prompt, candidates, [label], group=optional(row, "dataset"))


def _preference(row: Json) -> Label:
    """Parse a preference from 1 (first output) to 2 (second output).

    1.5 is a tie, and so is 0 in old files with an annotator; null is a failed judgement.
    """
    preference = number(row.get("preference"), "preference")
    facts = {"label": str(row.get("preference")), "annotator": optional(row, "annotator")}
    if preference is None:
        return pair_label(Winner.INVALID, **facts)
    if preference == 0 and "annotator" in row:
        return pair_label(Winner.TIE, **facts)
    if not _FIRST <= preference <= _SECOND:
        raise RowError(Reason.UNKNOWN_LABEL, f"`preference` is {preference:g}, not from 1 to 2")
    winner, gap = signed_preference(float(2 * Fraction(repr(preference)) - (_FIRST + _SECOND)))
    return pair_label(winner, strength=gap, strength_unit="probability_gap", **facts)
