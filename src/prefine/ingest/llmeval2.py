"""LLMEval-2: dialogues whose last turn carries stars by aspect.

What comes in: one rated answer a row; the path says who rated. What goes out: one rating an aspect.
What never happens: human and model ratings that are mixed up.
"""

from prefine.ingest.record import (
    Candidate,
    Context,
    Reason,
    Record,
    RowError,
    get,
    messages,
    optional,
    rating,
)
from prefine.schema.json import Json, is_object


def detect(row: Json) -> str | None:
    """Tell whether a dialogue carries stars by aspect."""
    if {"dialog", "stars", "llm_name"} <= row.keys():
        return "`dialog` with `stars` for one model"
    return None


def parse(row: Json, context: Context) -> Record:
    """Read a dialogue whose last turn is rated; the path says who rated."""
    turns = messages(get(row, "dialog"), "dialog")
    stars = get(row, "stars")
    if not is_object(stars):
        raise RowError(Reason.WRONG_TYPE, "`stars` is not an object")
    annotator = context.fields.get("annotator")
    return Record(
        turns[:-1],
        [Candidate(turns[-1:], optional(row, "llm_name"))],
        [rating(0, value, aspect, annotator) for aspect, value in stars.items()],
        group=optional(row, "type"),
    )
