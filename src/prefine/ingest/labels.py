"""Read raw labels: winners, signed preferences, ratings and thumbs."""

from collections.abc import Mapping
from typing import Any

from prefine.ingest.record import Label, Reason, RowError
from prefine.ingest.values import number
from prefine.schema import Kind, Winner

CHOICES: Mapping[Any, Winner] = {0: Winner.TIE, 1: Winner.A, 2: Winner.B}
"""The usual numbers of a choice between two responses."""


def pair_label(winner: Winner, **facts: Any) -> Label:
    """Return a label on candidates 0 and 1."""
    return Label(Kind.PAIR, 0, 1, winner, **facts)


def signed_preference(value: float) -> tuple[Winner, float]:
    """Read a signed preference: negative prefers side a, positive side b, zero is a tie.

    Returns:
        The winner, and how strong the preference is.
    """
    if value == 0:
        return Winner.TIE, abs(value)
    return (Winner.A if value < 0 else Winner.B), abs(value)


def winner_of(value: object, winners: Mapping[Any, Winner], what: str) -> Winner:
    """Look a raw value up among the known ones; anything else is no label."""
    winner = winners.get(value) if isinstance(value, str | int | float | bool) else None
    if winner is None:
        known = ", ".join(str(key) for key in winners)
        raise RowError(Reason.UNKNOWN_LABEL, f"`{what}` is {value!s:.40}, not one of {known}")
    return winner


def level_label(value: object, what: str, **facts: Any) -> Label:
    """Return a label with a signed strength in levels; a missing number names no side."""
    level = number(value, what)
    if level is None:
        return pair_label(Winner.INVALID, label=str(value), **facts)
    winner, strength = signed_preference(level)
    return pair_label(winner, strength=strength, strength_unit="levels", label=str(value), **facts)


def rating_label(index: int, value: object, aspect: str, annotator: str | None = None) -> Label:
    """Return a rating; a missing number is kept as a label that says nothing."""
    rating = number(value, aspect)
    return Label(
        Kind.RATING,
        index,
        None,
        Winner.INVALID if rating is None else None,
        rating=rating,
        aspect=aspect,
        annotator=annotator,
        label=None if value is None else str(value),
    )


def thumb_label(value: object) -> Label:
    """Read a truth value, or 0 and 1, as a rating of candidate 0 on the aspect ``thumb``."""
    if value not in (True, False, 0, 1):
        raise RowError(Reason.UNKNOWN_LABEL, "`label` is neither true nor false")
    rating = float(bool(value))
    return Label(Kind.RATING, 0, rating=rating, aspect="thumb", label=str(bool(value)).lower())
