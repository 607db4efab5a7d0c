"""Parsers shared by the two OpenAssistant layouts: prompts with ranked replies."""

from collections.abc import Sequence

from prefine.ingest.labels import rank_label
from prefine.ingest.messages import role_of
from prefine.ingest.record import Candidate, Record
from prefine.ingest.values import facts_of, is_blank, optional, text, truth
from prefine.schema import Message
from prefine.settings.json import Json

_MIN_RANKED = 2
"""Minimum number of ranked replies of a record."""


def is_reply(message: Json) -> bool:
    """Return whether a message is an assistant turn that was not deleted."""
    return message.get("role") == "assistant" and not is_deleted(message)


def is_deleted(message: Json) -> bool:
    """Return whether a message was deleted; the flag may be written as text."""
    deleted = message.get("deleted")
    return not is_blank(deleted) and truth(deleted) is not False


def turn_of(message: Json) -> Message:
    """Return a message as a turn."""
    role = role_of(message) or str(message.get("role"))
    return Message(role=role, content=text(message.get("text"), "text"))


def ranked_record(path: Sequence[Json], replies: Sequence[Json]) -> Record | None:
    """Build the record of a prompt and its replies, or None if fewer than two are ranked.

    Args:
        path: The messages from the root to the prompt.
        replies: The replies to the prompt; rank 0 is the best.
    """
    responses = [reply for reply in replies if is_reply(reply)]
    if sum(not is_blank(reply.get("rank")) for reply in responses) < _MIN_RANKED:
        return None
    last = path[-1]
    return Record(
        [turn_of(message) for message in path],
        [_candidate(reply) for reply in responses],
        [rank_label(index, reply.get("rank"), 0) for index, reply in enumerate(responses)],
        language=optional(last, "lang"),
        meta=facts_of(last, _FACTS),
    )


def _candidate(reply: Json) -> Candidate:
    turns = [] if reply.get("text") is None else [turn_of(reply)]
    return Candidate(turns, optional(reply, "model_name"), facts_of(reply, _FACTS))


_FACTS = ("message_id", "user_id", "review_result", "synthetic")
