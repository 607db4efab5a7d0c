"""WebGPT comparisons: two answers to a question, each with its own quotes."""

from typing import ClassVar, Literal

from prefine.ingest.labels import compared_scores, pair_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of, response_of
from prefine.ingest.record import Candidate, Label, Record
from prefine.ingest.values import facts_of, number, optional, required
from prefine.schema import Winner
from prefine.settings.json import Json, is_object


class WebGpt(Layout):
    """WebGPT comparisons: two answers with ``score_0`` and ``score_1``; the higher score wins."""

    version: ClassVar = 2
    keys: ClassVar = ("question", "answer_0", "answer_1", "score_0", "score_1")
    because: ClassVar = "`answer_0` and `answer_1` with `score_0` and `score_1`"
    aspects: ClassVar = ("overall",)

    format: Literal["webgpt"] = "webgpt"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse two answers; the higher score wins, equal scores are a tie.

        The prompt is only the question. Each answer was written with its own quotes; if these
        differ, so do the contexts.
        """
        question = required(row, "question")
        dataset = optional(question, "dataset") if is_object(question) else None
        question_text = question.get("full_text") if is_object(question) else question
        quotes = [row.get(f"quotes_{i}") for i in (0, 1)]
        candidates = [
            Candidate(
                response_of(row.get(f"answer_{i}"), f"answer_{i}"),
                meta=facts_of(row, {"quotes": f"quotes_{i}"}),
            )
            for i in (0, 1)
        ]
        return Record(
            prompt_of(question_text, "question"),
            candidates,
            [_label(row)],
            group=dataset,
            context_mismatch=quotes[0] != quotes[1],
        )


def _label(row: Json) -> Label:
    first, second = (number(row.get(key), key) for key in ("score_0", "score_1"))
    raw = f"{row.get('score_0')}, {row.get('score_1')}"
    if first is None or second is None:
        return pair_label(Winner.INVALID, label=raw)
    winner, strength = compared_scores(first, second)
    return pair_label(winner, strength=strength, strength_unit="score", label=raw)
