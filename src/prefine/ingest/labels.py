"""Parse raw labels: winners, signed preferences, ratings, ranks and thumbs up or down."""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from prefine.ingest.record import Label, Reason, RowError
from prefine.ingest.values import number, spelling, truth
from prefine.schema import Kind, Winner

CHOICES: Mapping[Any, Winner] = {0: Winner.TIE, 1: Winner.A, 2: Winner.B}
"""Winners of the usual encoding of a choice: 0 is a tie, 1 the first response, 2 the second."""

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
    """Return a pairwise label on candidates 0 and 1.

    Args:
        winner: The preferred side.
        facts: Further fields of ``Label``.
    """
    return Label(Kind.PAIR, 0, 1, winner, **facts)


def best_of(best: int, count: int, **facts: Any) -> list[Label]:
    """Return the pairwise labels of a best-of-n choice: the best against each other candidate.

    Args:
        best: Index of the best candidate.
        count: Number of candidates.
        facts: Further fields of ``Label``.
    """
    others = [index for index in range(count) if index != best]
    return [Label(Kind.PAIR, best, index, Winner.A, **facts) for index in others]


def signed_preference(value: float) -> tuple[Winner, float]:
    """Convert a signed preference: negative prefers side a, positive side b, zero is a tie.

    Returns:
        The winner and the strength of the preference, at least 0.
    """
    if value == 0:
        return Winner.TIE, abs(value)
    return (Winner.A if value < 0 else Winner.B), abs(value)


def compared_scores(first: float, second: float) -> tuple[Winner, float]:
    """Compare the scores of sides a and b; higher is better.

    Returns:
        The winner and the exact decimal difference of the scores: 0.2 for 3.4 and 3.2.
    """
    return signed_preference(float(Fraction(repr(second)) - Fraction(repr(first))))


def winner_of(value: object, winners: Mapping[Any, Winner], what: str) -> Winner:
    """Return the winner that a raw value stands for; numbers may be written as text.

    Args:
        value: The raw value.
        winners: Winners by raw value.
        what: Name of the column for messages.

    Raises:
        RowError: The value is not a key of ``winners``.
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
    """Return the winner for a name such as ``model_a``, ``Tie`` or ``both bad``, in any spelling.

    Raises:
        RowError: The name is unknown.
    """
    winner = _NAMED.get(spelling(value)) if isinstance(value, str) else None
    if winner is None:
        known = "model_a, model_b, tie, both_bad"
        raise RowError(Reason.UNKNOWN_LABEL, f"`{what}` is {value!s:.40}, not one of {known}")
    return winner


def level_label(value: object, what: str, **facts: Any) -> Label:
    """Return a pairwise label for a signed number of levels; a missing number is invalid."""
    level = number(value, what)
    if level is None:
        return pair_label(Winner.INVALID, label=str(value), **facts)
    winner, strength = signed_preference(level)
    return pair_label(winner, strength=strength, strength_unit="levels", label=str(value), **facts)


def rating_label(index: int, value: object, aspect: str, annotator: str | None = None) -> Label:
    """Return a rating of a candidate; a missing number becomes an invalid label."""
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
    """Return a thumb up or down as a rating (1 or 0) of candidate 0 on the aspect ``thumb``.

    Raises:
        RowError: The value is not a known spelling of a boolean.
    """
    up = truth(value)
    if up is None:
        detail = f"`{what}` is {value!s:.40}, neither true nor false"
        raise RowError(Reason.UNKNOWN_LABEL, detail)
    raw = str(up).lower()
    return Label(Kind.RATING, 0, rating=float(up), aspect="thumb", annotator=annotator, label=raw)


def rank_label(index: int, value: object, first: int = 1, **facts: Any) -> Label:
    """Return a rank of a candidate; a missing number becomes an invalid label.

    Args:
        index: Index of the candidate.
        value: The raw rank.
        first: The raw rank of the best candidate: 0 or 1.
        facts: Aspect and annotator.
    """
    raw_rank = number(value, "rank")
    winner = Winner.INVALID if raw_rank is None else None
    rank = None if raw_rank is None else raw_rank + 1 - first
    return Label(Kind.RANK, index, winner=winner, rank=rank, label=str(value), **facts)


def written_ranks(value: str, names: Sequence[str], what: str, **facts: Any) -> list[Label]:
    """Parse a ranking such as ``B>A>C=D`` as ranks of candidates.

    Args:
        value: The ranking, best first, with ``=`` for a tie.
        names: Letters of the candidates, in their order; a candidate that is not in the ranking
            gets no rank.
        what: Name of the column for messages.
        facts: Aspect and annotator.

    Raises:
        RowError: The ranking has an unknown letter, or the same letter twice.
    """
    position, ranks = 1, dict[str, float]()
    for level in re.split(r"\s*>\s*", value.strip()):
        tied = _TIED_RANKS.split(level)
        for name in tied:
            if name not in names or name in ranks:
                known = ", ".join(names)
                detail = f"`{what}` is {value[:40]!r}, not a ranking of {known}, each at most once"
                raise RowError(Reason.UNKNOWN_LABEL, detail)
            ranks[name] = float(position)
        position += len(tied)
    return [
        Label(Kind.RANK, names.index(name), rank=rank, label=value, **facts)
        for name, rank in ranks.items()
    ]
