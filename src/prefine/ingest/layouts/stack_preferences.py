"""Stack Exchange preferences: the answers to a question with a score by their votes."""

from typing import Literal

from prefine.ingest.labels import rating_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of
from prefine.ingest.pairs import listed_candidate
from prefine.ingest.record import Candidate, Label, Record
from prefine.ingest.values import as_list, facts_of, item_object, nonempty_list, required
from prefine.settings.json import Json, is_object


class StackPreferences(Layout):
    """``question`` and ``answers`` with ``pm_score``; set ``text: html`` for the original set."""

    format: Literal["stack_preferences"] = "stack_preferences"

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Recognise answers that carry the score of the set."""
        answers = as_list(row.get("answers"))
        if "question" in row and answers and is_object(answers[0]) and "pm_score" in answers[0]:
            return "`question` and `answers` with `pm_score`"
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Read all answers with their scores, which are a rounded log2 of one plus the votes."""
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
