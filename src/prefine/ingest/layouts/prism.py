"""PRISM conversations: each turn has responses of several models, rated from 1 to 100."""

from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

from prefine.ingest.labels import rating_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.pairs import listed_candidate
from prefine.ingest.record import Candidate, Label, Reason, Record, RowError
from prefine.ingest.values import item_object, nonempty_list, number, optional, text, truth
from prefine.schema import Message
from prefine.settings.json import Json


class Prism(Layout):
    """PRISM conversations: each turn has responses of several models with a ``score`` of 1 to 100.

    Each turn is a separate prompt, and the scores are ratings by the user.
    """

    reads_beside: ClassVar = ("conversation_history",)
    keys: ClassVar = ("conversation_id", "user_id", "conversation_type", "conversation_history")
    because: ClassVar = "`conversation_history` with rated responses by turn"

    format: Literal["prism"] = "prism"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse the first turn of a conversation."""
        return next(iter(self.records(row, context)))

    def records(self, row: Json, context: Context) -> Iterable[Record]:
        """Parse each turn as a prompt that begins with the chosen responses of earlier turns."""
        entries = [
            item_object(item, "conversation_history")
            for item in nonempty_list(row, "conversation_history")
        ]
        records = list(_turns(row, entries))
        if not records:
            raise RowError(Reason.LABEL_MISSING, "no turn has a response")
        return records


def _turns(row: Json, entries: list[Json]) -> Iterator[Record]:
    before: list[Message] = []
    numbers = [number(entry.get("turn"), "turn") for entry in entries]
    for turn in sorted({n for n in numbers if n is not None}):
        of_turn = [entry for entry, n in zip(entries, numbers, strict=True) if n == turn]
        user_messages = [entry for entry in of_turn if entry.get("role") == "user"]
        answers = [entry for entry in of_turn if entry.get("role") != "user"]
        if len(user_messages) != 1:
            detail = f"turn {turn:g} has {len(user_messages)} user messages, not 1"
            raise RowError(Reason.WRONG_TYPE, detail)
        content = text(user_messages[0].get("content"), "conversation_history.content")
        prompt = [*before, Message(role="user", content=content)]
        if answers:
            yield _record(row, prompt, answers)
        chosen = [entry.get("content") for entry in answers if truth(entry.get("if_chosen"))]
        if not chosen or not isinstance(chosen[0], str) or chosen.count(chosen[0]) < len(chosen):
            return  # the context of later turns is unknown
        before = [*prompt, Message(role="assistant", content=chosen[0])]


def _record(row: Json, prompt: list[Message], answers: list[Json]) -> Record:
    candidates: list[Candidate] = []
    labels: list[Label] = []
    for index, answer in enumerate(answers):
        what = "conversation_history.content"
        model = optional(answer, "model_name")
        candidates.append(listed_candidate(answer.get("content"), what, model))
        score = answer.get("score")
        labels.append(rating_label(index, score, "overall", optional(row, "user_id")))
    return Record(prompt, candidates, labels, group=optional(row, "conversation_type"))
