"""Stack Exchange preferences: answers to a question, scored by their votes."""

from typing import Literal

from prefine.ingest.labels import rating_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of
from prefine.ingest.pairs import listed_candidate
from prefine.ingest.record import Candidate, Label, Record
from prefine.ingest.values import as_list, facts_of, item_object, nonempty_list, required
from prefine.settings.json import Json, is_object


class StackPreferences(Layout):
    """Stack Exchange preferences: all ``answers`` to a ``question``, rated with ``pm_score``.

    Set ``text: html`` for the original data set.
    """

    format: Literal["stack_preferences"] = "stack_preferences"
    """Name of the layout."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect answers with ``pm_score``."""
        answers = as_list(row.get("answers"))
        if "question" in row and answers and is_object(answers[0]) and "pm_score" in answers[0]:
            return "`question` and `answers` with `pm_score`"
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Parse all answers with their scores: log2(1 + votes), rounded."""
        candidates: list[Candidate] = []
        labels: list[Label] = []
        for index, item in enumerate(nonempty_list(row, "answers")):
            answer = item_object(item, f"answers[{index}]")
            facts = facts_of(answer, ("selected", "author_profile"))
            candidates.append(
                listed_candidate(answer.get("text"), f"answers[{index}].text", meta=facts)
            )
            labels.append(rating_label(index, answer.get("pm_score"), "overall"))
        return Record(prompt_of(required(row, "question"), "question"), candidates, labels)
