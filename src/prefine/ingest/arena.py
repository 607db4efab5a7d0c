"""What the published shapes of Chatbot Arena data share: two conversations and a winner."""

from prefine.ingest.labels import named_winner, pair_label
from prefine.ingest.messages import common_prompt, messages
from prefine.ingest.record import Candidate, Label, Reason, Record, RowError
from prefine.ingest.values import number, optional, required
from prefine.schema import Message
from prefine.settings.json import Json


def named_winner_record(row: Json, annotator: str | None = None) -> Record:
    """Read ``conversation_a`` and ``conversation_b`` with a ``winner`` that is named.

    Args:
        row: The raw row. Where its ``turn`` is not the last turn of the conversations, they are
            cut behind that turn, which is the one that was judged.
        annotator: Who judged.
    """
    winner = named_winner(required(row, "winner"), "winner")
    sides = [messages(required(row, f"conversation_{s}"), f"conversation_{s}") for s in "ab"]
    turn = number(row.get("turn"), "turn")
    if turn is not None:
        sides = [_until_turn(side, turn) for side in sides]
    return arena_record(
        row, sides, pair_label(winner, label=str(row["winner"]), annotator=annotator)
    )


def _until_turn(side: list[Message], turn: float) -> list[Message]:
    """Return a conversation up to the response to one of its user turns, which count from 1."""
    asked = [index for index, message in enumerate(side) if message["role"] == "user"]
    if turn not in range(1, len(asked) + 1):
        detail = f"`turn` is {turn:g}, but a conversation has {len(asked)} user turns"
        raise RowError(Reason.TURNS_DIFFER, detail)
    return side[: [*asked, len(side)][int(turn)]]


def arena_record(row: Json, sides: list[list[Message]], label: Label) -> Record:
    """Build the record of two conversations; their common beginning is the prompt."""
    length, mismatch = common_prompt(*sides)
    candidates = [
        Candidate(side[length:], optional(row, f"model_{name}"))
        for side, name in zip(sides, "ab", strict=True)
    ]
    return Record(
        sides[0][:length],
        candidates,
        [label],
        group=optional(row, "category"),
        language=optional(row, "language"),
        context_mismatch=mismatch,
    )
