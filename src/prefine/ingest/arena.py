"""Parser shared by the Chatbot Arena layouts: two conversations and a winner."""

from prefine.ingest.labels import named_winner, pair_label
from prefine.ingest.messages import common_prompt, messages
from prefine.ingest.record import Candidate, Label, Reason, Record, RowError
from prefine.ingest.values import number, optional, required
from prefine.schema import Message
from prefine.settings.json import Json


def named_winner_record(row: Json, annotator: str | None = None) -> Record:
    """Parse ``conversation_a`` and ``conversation_b`` with a named ``winner``.

    Args:
        row: The raw row. If it has a ``turn``, the conversations are truncated after that turn,
            which was judged.
        annotator: Name of the annotator.
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
    """Return a conversation up to and including the response to a user turn, from 1."""
    user_turns = [index for index, message in enumerate(side) if message["role"] == "user"]
    if turn not in range(1, len(user_turns) + 1):
        detail = f"`turn` is {turn:g}, but a conversation has {len(user_turns)} user turns"
        raise RowError(Reason.TURNS_DIFFER, detail)
    return side[: [*user_turns, len(side)][int(turn)]]


def arena_record(row: Json, sides: list[list[Message]], label: Label) -> Record:
    """Build the record of two conversations, whose common beginning is the prompt.

    Args:
        row: The raw row.
        sides: The conversations a and b.
        label: The label on them.
    """
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
