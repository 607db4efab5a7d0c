"""ShareGPT conversations as LLaMA-Factory uses them: pairs, and thumbs for KTO.

What comes in: ``from`` and ``value`` turns. What goes out: house messages. What never happens: a
system turn that is lost.
"""

from prefine.ingest.record import (
    Candidate,
    Context,
    Record,
    get,
    messages,
    optional,
    prompt_of,
    response_of,
)
from prefine.ingest.trl import pair_record, thumb
from prefine.schema.json import Json, is_array


def detect(row: Json) -> str | None:
    """Tell whether conversations stand beside chosen and rejected."""
    if {"conversations", "chosen", "rejected"} <= row.keys():
        return "`conversations` beside `chosen` and `rejected`"
    return None


def parse(row: Json, _: Context) -> Record:
    """Read a conversation with ``from`` and ``value``, sides as messages or as texts."""
    prompt = prompt_of(get(row, "conversations"), "conversations", optional(row, "system"))
    sides = [response_of(row.get(side), side) for side in ("chosen", "rejected")]
    return pair_record(row, prompt, *sides)


def detect_unpaired(row: Json) -> str | None:
    """Tell whether a whole conversation carries a truth value."""
    if is_array(row.get("messages")) and isinstance(row.get("label"), bool):
        return "`messages` with a `label` that is true or false"
    return None


def parse_unpaired(row: Json, _: Context) -> Record:
    """Read a conversation whose last turn is judged."""
    turns = messages(get(row, "messages"), "messages")
    return Record(turns[:-1], [Candidate(turns[-1:])], [thumb(row.get("label"))])
