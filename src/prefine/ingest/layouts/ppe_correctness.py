"""PPE correctness data sets: many responses of one model, each verified to be right or wrong."""

import re
from typing import ClassVar, Literal

from prefine.ingest.labels import rating_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of
from prefine.ingest.pairs import group_of, listed_candidate
from prefine.ingest.record import Label, Reason, Record, RowError
from prefine.ingest.values import as_list, nonempty_list, number, optional, required
from prefine.schema import Kind, Winner
from prefine.settings.json import Json

_RESPONSE = re.compile(r"response_(\d+)")


class PpeCorrectness(Layout):
    """PPE correctness: responses rated right (1) or wrong (0) by ``scores``, and their pairs."""

    keys: ClassVar = ("prompt", "response_1", "scores", "sampled_conflict_pairs")
    because: ClassVar = "`response_1`, `response_2`, ... with `sampled_conflict_pairs`"

    format: Literal["ppe_correctness"] = "ppe_correctness"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse all responses with their ratings, and the published pairs as labels."""
        numbers = sorted(int(m[1]) for key in row if (m := _RESPONSE.fullmatch(key)))
        scores = [_score(value) for value in nonempty_list(row, "scores")]
        if numbers != list(range(1, len(scores) + 1)):
            raise RowError(Reason.WRONG_TYPE, f"{len(numbers)} responses but {len(scores)} scores")
        model = optional(row, "model_name")
        candidates = [
            listed_candidate(row[f"response_{n}"], f"response_{n}", model) for n in numbers
        ]
        pairs = as_list(row.get("sampled_conflict_pairs")) or []
        labels = [_pair(pair, scores) for pair in pairs]
        labels += [rating_label(i, score, "overall") for i, score in enumerate(scores)]
        prompt = prompt_of(required(row, "prompt"), "prompt")
        return Record(prompt, candidates, labels, group=group_of(row))


def _score(value: object) -> float | None:
    return float(value) if isinstance(value, bool) else number(value, "scores")


def _pair(pair: object, scores: list[float | None]) -> Label:
    """Return the label on a pair of indexes (from 0); the right response wins."""
    indexes = as_list(pair) or []
    known = [i for i in indexes if isinstance(i, int) and 0 <= i < len(scores)]
    values = [scores[index] for index in known]
    if len(indexes) != 2 or len(values) != 2 or None in values or values[0] == values[1]:  # noqa: PLR2004
        detail = "an item of `sampled_conflict_pairs` is not a right and a wrong response"
        raise RowError(Reason.UNKNOWN_LABEL, detail)
    best, worst = known if (values[0] or 0) > (values[1] or 0) else known[::-1]
    return Label(Kind.PAIR, best, worst, Winner.A, label="sampled_conflict_pairs")
