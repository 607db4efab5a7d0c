"""What the published shapes of Chatbot Arena data share: two conversations and a winner."""

from prefine.ingest.labels import pair_label, winner_of
from prefine.ingest.messages import common_prompt, messages
from prefine.ingest.record import Candidate, Label, Record
from prefine.ingest.values import optional, required
from prefine.schema import Message, Winner
from prefine.settings.json import Json

_WINNERS = {
    "model_a": Winner.A,
    "model_b": Winner.B,
    "tie": Winner.TIE,
    "tie (bothbad)": Winner.BOTH_BAD,
    "both_bad": Winner.BOTH_BAD,
}


def named_winner_record(row: Json) -> Record:
    """Read ``conversation_a`` and ``conversation_b`` with a ``winner`` that is named."""
    winner = winner_of(required(row, "winner"), _WINNERS, "winner")
    sides = [messages(required(row, f"conversation_{s}"), f"conversation_{s}") for s in "ab"]
    label = pair_label(winner, label=str(row["winner"]), annotator=optional(row, "judge"))
    return arena_record(row, sides, label)


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
