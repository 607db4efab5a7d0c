"""RMB: named answers to a conversation, in pairs or best-of-several.

What comes in: ``chosen`` and ``reject``, or ``bon_best`` and ``loser_list``. What goes out: one
label a couple. What never happens: losers that are compared with each other.
"""

from prefine.ingest.record import (
    Candidate,
    Context,
    Label,
    Record,
    couple,
    get,
    items,
    messages,
    optional,
    response_of,
)
from prefine.schema import Kind, Winner
from prefine.schema.json import Json, is_object


def detect_pairwise(row: Json) -> str | None:
    """Tell whether a conversation has a chosen and a ``reject`` answer."""
    if {"conversation_input", "chosen", "reject"} <= row.keys():
        return "`conversation_input` with `chosen` and `reject`"
    return None


def parse_pairwise(row: Json, _: Context) -> Record:
    """Read a pair of _named answers."""
    prompt = messages(get(row, "conversation_input"), "conversation_input")
    candidates = [_named(get(row, side), side) for side in ("chosen", "reject")]
    labels = [couple(Winner.A, label="chosen")]
    return Record(prompt, candidates, labels, group=optional(row, "category_path"))


def detect_bon(row: Json) -> str | None:
    """Tell whether one response is _named the best of several."""
    if {"conversation_input", "bon_best", "loser_list"} <= row.keys():
        return "`bon_best` against `loser_list`"
    return None


def parse_bon(row: Json, _: Context) -> Record:
    """Read the best response against each of the others."""
    best, losers = get(row, "bon_best"), items(row, "loser_list")
    prompt = messages(get(row, "conversation_input"), "conversation_input")
    candidates = [_named(value, "loser_list") for value in [best, *losers]]
    labels = [Label(Kind.PAIR, 0, i, Winner.A, label="bon_best") for i in range(1, len(candidates))]
    return Record(prompt, candidates, labels, group=optional(row, "category_path"))


def _named(value: object, what: str) -> Candidate:
    """Read an object with ``llm_name`` and ``answer``."""
    model = optional(value, "llm_name") if is_object(value) else None
    return Candidate(response_of(value, what), model)
