"""Read raw labels: winners, signed preferences, ratings and thumbs."""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from prefine.ingest.record import Label, Reason, RowError
from prefine.ingest.values import number, spelling, truth
from prefine.schema import Kind, Winner

CHOICES: Mapping[Any, Winner] = {0: Winner.TIE, 1: Winner.A, 2: Winner.B}
"""The usual numbers of a choice between two responses."""

_NAMED: Mapping[str, Winner] = {
    **dict.fromkeys(("a", "model a", "response a", "assistant a", "answer a"), Winner.A),
    **dict.fromkeys(("b", "model b", "response b", "assistant b", "answer b"), Winner.B),
    **dict.fromkeys(("model 1", "response 1", "output 1", "answer 1"), Winner.A),
    **dict.fromkeys(("model 2", "response 2", "output 2", "answer 2"), Winner.B),
    **dict.fromkeys(("tie", "tie (bothgood)", "both good", "bothgood", "draw"), Winner.TIE),
    **dict.fromkeys(("tie (bothbad)", "tie (both bad)", "tie both bad"), Winner.BOTH_BAD),
    **dict.fromkeys(("bothbad", "both bad", "both are bad", "neither"), Winner.BOTH_BAD),
}
_TIED_RANKS = re.compile(r"\s*=\s*")


def pair_label(winner: Winner, **facts: Any) -> Label:
    """Return a label on candidates 0 and 1."""
    return Label(Kind.PAIR, 0, 1, winner, **facts)


def best_of(best: int, count: int, **facts: Any) -> list[Label]:
    """Return the labels of a choice of one among several: the best against each other one."""
    others = [index for index in range(count) if index != best]
    return [Label(Kind.PAIR, best, index, Winner.A, **facts) for index in others]


def signed_preference(value: float) -> tuple[Winner, float]:
    """Read a signed preference: negative prefers side a, positive side b, zero is a tie.

    Returns:
        The winner, and how strong the preference is.
    """
    if value == 0:
        return Winner.TIE, abs(value)
    return (Winner.A if value < 0 else Winner.B), abs(value)


def compared_scores(first: float, second: float) -> tuple[Winner, float]:
    """Compare the scores of sides a and b, the higher the better.

    Returns:
        The winner, and the difference of the scores as decimals: that of 3.4 and 3.2 is 0.2.
    """
    return signed_preference(float(Fraction(repr(second)) - Fraction(repr(first))))


def winner_of(value: object, winners: Mapping[Any, Winner], what: str) -> Winner:
    """Look a raw value up among the known ones; anything else is no label.

    Numbers may be written as text, as in a CSV: ``1``, ``1.0``.
    """
    winner = winners.get(value) if isinstance(value, str | int | float) else None
    if winner is None and isinstance(value, str):
        winner = winners.get(_number_or_text(value.strip()))
    if winner is None or isinstance(value, bool):
        known = ", ".join(str(key) for key in winners)
        raise RowError(Reason.UNKNOWN_LABEL, f"`{what}` is {value!s:.40}, not one of {known}")
    return winner


def _number_or_text(value: str) -> float | str:
    return float(value) if re.fullmatch(r"[+-]?\d+(\.\d+)?", value) else value


def named_winner(value: object, what: str) -> Winner:
    """Read a winner by name, such as ``model_a``, ``Tie`` or ``both bad``, in any spelling."""
    winner = _NAMED.get(spelling(value)) if isinstance(value, str) else None
    if winner is None:
        known = "model_a, model_b, tie, both_bad"
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


def thumb_label(value: object, what: str = "label", annotator: str | None = None) -> Label:
    """Read a truth value in any spelling as a rating of candidate 0 on the aspect ``thumb``."""
    up = truth(value)
    if up is None:
        detail = f"`{what}` is {value!s:.40}, neither true nor false"
        raise RowError(Reason.UNKNOWN_LABEL, detail)
    raw = str(up).lower()
    return Label(Kind.RATING, 0, rating=float(up), aspect="thumb", annotator=annotator, label=raw)


def rank_label(index: int, value: object, first: int = 1, **facts: Any) -> Label:
    """Return a rank; a missing one is kept as a label that says nothing.

    Args:
        index: The candidate.
        value: The raw rank.
        first: The number of the best place: 0 or 1.
        facts: Aspect and annotator.
    """
    rank = number(value, "rank")
    winner = Winner.INVALID if rank is None else None
    place = None if rank is None else rank + 1 - first
    return Label(Kind.RANK, index, winner=winner, rank=place, label=str(value), **facts)


def written_ranks(value: str, names: Sequence[str], what: str, **facts: Any) -> list[Label]:
    """Read ``B>A>C=D`` as ranks of candidates.

    Args:
        value: The ranking, best first, ``=`` for a tie.
        names: The candidates' letters, in their order; those that are not named get no rank.
        what: The column, for messages.
        facts: Aspect and annotator.

    Raises:
        RowError: It names a candidate that is unknown, or one twice.
    """
    position, ranks = 1, dict[str, float]()
    for level in re.split(r"\s*>\s*", value.strip()):
        tied = _TIED_RANKS.split(level)
        for name in tied:
            if name not in names or name in ranks:
                raise RowError(Reason.UNKNOWN_LABEL, f"`{what}` is {value[:40]!r}, not a ranking")
            ranks[name] = float(position)
        position += len(tied)
    return [
        Label(Kind.RANK, names.index(name), rank=rank, label=value, **facts)
        for name, rank in ranks.items()
    ]
