"""Prompts that are written as one text, and responses that repeat them: undone for all layouts."""

from collections.abc import Sequence
from dataclasses import replace

from prefine.ingest.messages import with_content
from prefine.ingest.record import Reason, Record, RowError
from prefine.ingest.templates import conversation, is_rendered, require_unrendered, response
from prefine.ingest.transcripts import transcript_prompt
from prefine.schema import Message, tool_parts

_MIN_REPEATED_WORDS = 3
"""A shorter prompt may well begin a response by chance."""


def unrendered(record: Record) -> Record:
    """Return a record whose prompt and responses are turns, and no longer written as one text.

    Raises:
        RowError: A text looks like a rendered conversation and cannot be split without doubt.
    """
    record = _without_repetition(record)
    first = record.prompt[0]["content"]
    if len(record.prompt) == 1 and record.prompt[0]["role"] == "user":
        if is_rendered(first):
            return _from_template(record, first)
        if (turns := transcript_prompt(first)) is not None:
            record = replace(record, prompt=turns)
    require_unrendered([turn["content"] for c in record.candidates for turn in c.messages[-1:]])
    return record


def _from_template(record: Record, text: str) -> Record:
    turns, family = conversation(text)
    started = turns[-1]["content"] if turns[-1]["role"] == "assistant" else ""
    prompt = turns[:-1] if turns[-1]["role"] == "assistant" else turns
    if not prompt or prompt[-1]["role"] == "assistant":
        raise RowError(Reason.RENDERED_TEMPLATE, "the chat template holds no turn to respond to")
    turns_of_tools = [one for c in record.candidates for one in c.messages if tool_parts(one)]
    if turns_of_tools or record.tools is not None:
        raise RowError(Reason.RENDERED_TEMPLATE, "the prompt is a rendered template beside tools")
    if any(len(candidate.messages) != 1 for candidate in record.candidates):
        raise RowError(
            Reason.RENDERED_TEMPLATE, "the prompt is a rendered chat template beside messages"
        )
    candidates = [
        replace(one, messages=response(one.messages[0]["content"], family, started))
        for one in record.candidates
    ]
    return replace(record, prompt=prompt, candidates=candidates)


def _without_repetition(record: Record) -> Record:
    """Return a record whose responses do not begin with the prompt, where all of them did."""
    sides = [candidate.messages for candidate in record.candidates]
    if all(_begins_with(side, record.prompt) for side in sides):
        rest = [side[len(record.prompt) :] for side in sides]
    elif (text := _repeated_text(record.prompt, sides)) is not None:
        rest = [
            [with_content(side[0], side[0]["content"][len(text) :]), *side[1:]] for side in sides
        ]
    else:
        return record
    candidates = [
        replace(candidate, messages=turns)
        for candidate, turns in zip(record.candidates, rest, strict=True)
    ]
    return replace(record, candidates=candidates)


def _begins_with(side: Sequence[Message], prompt: Sequence[Message]) -> bool:
    return len(side) > len(prompt) and list(side[: len(prompt)]) == list(prompt)


def _repeated_text(prompt: Sequence[Message], sides: Sequence[Sequence[Message]]) -> str | None:
    """Return the prompt's text where every response begins with it and goes on after it."""
    text = prompt[-1]["content"]
    if len(prompt) != 1 or len(text.split()) < _MIN_REPEATED_WORDS:
        return None
    firsts = [side[0]["content"] for side in sides]
    goes_on = all(first.startswith(text) and first[len(text) :].strip() for first in firsts)
    return text if goes_on and len(firsts) > 1 else None
