"""Chatbot Arena conversations, the release of 55,000: turns as JSON lists, one-hot winners."""

from typing import ClassVar, Literal

from prefine.ingest.arena import arena_record
from prefine.ingest.labels import pair_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.record import Reason, Record, RowError
from prefine.ingest.values import nonempty_list, text, truth
from prefine.schema import Message, Winner
from prefine.settings.json import Json

_WINNERS = {
    "winner_model_a": Winner.A,
    "winner_model_b": Winner.B,
    "winner_tie": Winner.TIE,
}


class Arena55k(Layout):
    """Chatbot Arena, 55,000 conversations: turns as JSON lists, one-hot ``winner_*`` columns."""

    keys: ClassVar = ("prompt", "response_a", "response_b", "winner_model_a", "winner_tie")
    because: ClassVar = "`prompt` and responses as JSON lists, with one-hot `winner_*`"
    aspects: ClassVar = ("overall",)

    format: Literal["arena_55k"] = "arena_55k"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse JSON lists of turns, and the one-hot winner columns."""
        columns = [column for column in _WINNERS if truth(row.get(column))]
        if len(columns) != 1:
            names = ", ".join(f"`{name}`" for name in _WINNERS)
            detail = f"{len(columns)} of the columns {names} are true, not exactly one"
            raise RowError(Reason.UNKNOWN_LABEL, detail)
        questions = nonempty_list(row, "prompt")
        sides = [_turns(questions, nonempty_list(row, f"response_{s}")) for s in "ab"]
        return arena_record(row, sides, pair_label(_WINNERS[columns[0]], label=columns[0]))


def _turns(questions: list[object], answers: list[object]) -> list[Message]:
    if len(questions) != len(answers):
        detail = f"{len(questions)} user turns but {len(answers)} assistant turns"
        raise RowError(Reason.TURNS_DIFFER, detail)
    turns: list[Message] = []
    for question, answer in zip(questions, answers, strict=True):
        turns.append(Message(role="user", content=text(question, "prompt")))
        content = text(answer, "response", Reason.RESPONSE_NOT_TEXT)
        turns.append(Message(role="assistant", content=content))
    return turns
