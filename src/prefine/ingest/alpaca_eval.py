"""alpaca_eval annotations: two outputs and a preference that may be a probability.

What comes in: rows by several judges. What goes out: one label with the judge as annotator. What
never happens: a failed judgement (null) or a tie (1.5, or 0 in old files) read as a preference.
"""

from prefine.ingest.record import (
    Candidate,
    Context,
    Reason,
    Record,
    RowError,
    choose,
    couple,
    get,
    number,
    optional,
    prompt_of,
    response_of,
)
from prefine.schema import Winner
from prefine.schema.json import Json

_TIE = 1.5
"""The preference that favours neither output; 1 is the first, 2 the second."""


def detect(row: Json) -> str | None:
    """Tell whether two outputs of named generators carry a preference."""
    if {"instruction", "output_1", "output_2", "preference", "annotator"} <= row.keys():
        return "`output_1`, `output_2`, `preference` and `annotator`"
    return None


def parse(row: Json, _: Context) -> Record:
    """Read a preference from 1 (first) to 2 (second); 1.5 and 0 are ties, null is no answer."""
    candidates = [
        Candidate(
            response_of(row.get(f"output_{i}"), f"output_{i}"), optional(row, f"generator_{i}")
        )
        for i in (1, 2)
    ]
    found = number(row.get("preference"), "preference")
    facts = {"label": str(row.get("preference")), "annotator": optional(row, "annotator")}
    if found is None:
        label = couple(Winner.INVALID, **facts)
    elif found == 0:
        label = couple(Winner.TIE, **facts)
    elif not 1 <= found <= 2:  # noqa: PLR2004 - the two outputs
        raise RowError(Reason.UNKNOWN_LABEL, "`preference` is not between 1 and 2")
    else:
        winner, size = choose(found - _TIE)
        facts = {**facts, "strength": 2 * size, "strength_unit": "probability_gap"}
        label = couple(winner, **facts)
    prompt = prompt_of(get(row, "instruction"), "instruction")
    return Record(prompt, candidates, [label], group=optional(row, "dataset"))
