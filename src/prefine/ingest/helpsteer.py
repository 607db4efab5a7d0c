"""NVIDIA's HelpSteer: ratings of one response, and signed strengths between two.

What comes in: rows of HelpSteer2, its preference file, HelpSteer3. What goes out: five ratings, or
labels with a strength in levels. What never happens: a negative strength that is read as a margin;
negative prefers the first response.
"""

import re
from typing import Any

from prefine.ingest.record import (
    Candidate,
    Context,
    Label,
    Reason,
    Record,
    RowError,
    choose,
    couple,
    get,
    number,
    optional,
    prompt_of,
    rating,
    response_of,
    text,
)
from prefine.schema import Message, Winner
from prefine.schema.json import Json, is_array, is_object

_ASPECTS = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
_FLATTENED = re.compile(r"\n?<extra_id_1>(User|Assistant)\n")


def detect_ratings(row: Json) -> str | None:
    """Tell whether one response a row carries the five HelpSteer2 attributes."""
    if {"prompt", "response", "helpfulness", "correctness"} <= row.keys():
        return "`prompt`, `response` and the ratings `helpfulness`, `correctness`, ..."
    return None


def parse_ratings(row: Json, _: Context) -> Record:
    """Read one response with its attributes."""
    candidate = Candidate(response_of(row.get("response"), "response"))
    labels = [rating(0, row[aspect], aspect) for aspect in _ASPECTS if aspect in row]
    return Record(flattened(get(row, "prompt")), [candidate], labels)


def flattened(value: object) -> list[Message]:
    """Read a prompt whose turns were joined with ``<extra_id_1>User`` and ``Assistant`` marks."""
    whole = text(value, "prompt")
    first, *rest = _FLATTENED.split(whole)
    turns = [Message(role="user", content=first)]
    for role, said in zip(rest[::2], rest[1::2], strict=True):
        turns.append(Message(role=role.lower(), content=said))
    return turns


def _level(value: object, what: str, **facts: Any) -> Label:
    found = number(value, what)
    if found is None:
        return couple(Winner.INVALID, label=str(value), **facts)
    winner, strength = choose(found)
    return couple(winner, strength=strength, strength_unit="levels", label=str(value), **facts)


def detect_strength(row: Json) -> str | None:
    """Tell whether two responses carry a signed strength."""
    if {"prompt", "response_1", "response_2", "preference_strength"} <= row.keys():
        return "`response_1`, `response_2` and `preference_strength`"
    return None


def parse_strength(row: Json, _: Context) -> Record:
    """Read a strength from -3 to 3; negative prefers the first response."""
    candidates = [Candidate(response_of(row.get(k), k)) for k in ("response_1", "response_2")]
    label = _level(get(row, "preference_strength"), "preference_strength")
    prompt = flattened(get(row, "prompt"))
    return Record(prompt, candidates, [label], split=optional(row, "split"))


def detect_votes(row: Json) -> str | None:
    """Tell whether a context has two responses and several annotators' strengths."""
    if {"context", "response1", "response2", "overall_preference"} <= row.keys():
        return "`context`, `response1`, `response2` and `overall_preference`"
    return None


def parse_votes(row: Json, _: Context) -> Record:
    """Read the overall strength, and each annotator's own under the aspect ``individual``."""
    candidates = [Candidate(response_of(row.get(k), k)) for k in ("response1", "response2")]
    labels = [_level(get(row, "overall_preference"), "overall_preference")]
    votes: object = row.get("individual_preference") or []
    if not is_array(votes):
        raise RowError(Reason.WRONG_TYPE, "`individual_preference` is not a list")
    for index, vote in enumerate(votes):
        if not is_object(vote):
            raise RowError(Reason.WRONG_TYPE, f"`individual_preference[{index}]` is not an object")
        who = f"annotator_{index + 1}"
        labels.append(_level(vote.get("score"), "score", aspect="individual", annotator=who))
    return Record(
        prompt_of(get(row, "context"), "context"),
        candidates,
        labels,
        group=optional(row, "domain"),
        language=optional(row, "language"),
    )
