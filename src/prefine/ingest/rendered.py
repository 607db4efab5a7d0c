"""Split prompts and responses that are written as one text into turns, for all layouts alike."""

from collections.abc import Sequence
from dataclasses import replace

from prefine.ingest.messages import with_content
from prefine.ingest.record import Reason, Record, RowError
from prefine.ingest.templates import (
    conversation,
    is_rendered,
    is_worded,
    refused,
    require_unrendered,
    response,
)
from prefine.ingest.transcripts import is_transcript, transcript, transcript_prompt
from prefine.schema import Message, tool_parts

_MIN_REPEATED_WORDS = 3
_MIN_REPEATED_CHARS = 6
"""A shorter prompt may well begin a response by chance; scripts without blanks count characters."""


def unrendered(record: Record) -> Record:
    """Return a record whose prompt and responses are turns, and no longer written as one text.

    Raises:
        RowError: A text looks like a rendered conversation and cannot be split without doubt.
    """
    record = _without_repetition(_split_sides(record))
    *before, last = record.prompt
    text = last["content"]
    if last["role"] == "user" and is_rendered(text):
        return _from_template(record, before, text)
    if last["role"] == "user" and (turns := transcript_prompt(text)) is not None:
        record = replace(record, prompt=_after(before, turns, Reason.TRANSCRIPT_IN_PROMPT))
    require_unrendered([turn["content"] for c in record.candidates for turn in c.messages[-1:]])
    return record


def _after(before: list[Message], turns: list[Message], reason: Reason) -> list[Message]:
    """Return turns that were written as one text, behind the system turn that stood before it."""
    if not before or before == turns[: len(before)]:
        return turns
    if any(turn["role"] != "system" for turn in before) or turns[0]["role"] == "system":
        raise RowError(reason, "the prompt holds turns beside a conversation written as one text")
    return [*before, *turns]


def _split_sides(record: Record) -> Record:
    """Return a record whose responses are single turns, where all were whole conversations.

    Raises:
        RowError: They are, and their conversations do not lead up to the prompt.
    """
    plain = [one for one in record.candidates if not any(map(tool_parts, one.messages))]
    texts = [one.messages[0]["content"] for one in plain if len(one.messages) == 1]
    if len(texts) < max(2, len(record.candidates)):
        return record
    if all(map(is_transcript, texts)):
        sides = [transcript(text, "response") for text in texts]
    elif all(map(is_rendered, texts)) and not is_rendered(record.prompt[-1]["content"]):
        sides = [conversation(text)[0] for text in texts]
    elif all(map(is_worded, texts)):
        raise refused("the responses are whole conversations in a rendered chat template")
    else:
        return record
    asked = record.prompt[-1]["content"].strip()
    first = sides[0][:-1]
    same = all(side[:-1] == first and side[-1]["role"] == "assistant" for side in sides)
    if not same or not first or first[-1]["content"].strip() != asked:
        raise refused("the responses are whole conversations, which do not lead up to the prompt")
    prompt = _after(record.prompt[:-1], first, Reason.RENDERED_TEMPLATE)
    candidates = [
        replace(candidate, messages=side[-1:])
        for candidate, side in zip(record.candidates, sides, strict=True)
    ]
    return replace(record, prompt=prompt, candidates=candidates)


def _from_template(record: Record, before: list[Message], text: str) -> Record:
    turns, family = conversation(text)
    started = turns[-1]["content"] if turns[-1]["role"] == "assistant" else ""
    asked = turns[:-1] if turns[-1]["role"] == "assistant" else turns
    if not asked or asked[-1]["role"] == "assistant":
        raise refused("the chat template holds no turn to respond to")
    turns_of_tools = [one for c in record.candidates for one in c.messages if tool_parts(one)]
    if turns_of_tools or record.tools is not None:
        raise refused("the prompt is a rendered chat template beside tools")
    prompt = _after(before, asked, Reason.RENDERED_TEMPLATE)
    if any(len(candidate.messages) != 1 for candidate in record.candidates):
        raise refused("the prompt is a rendered chat template beside messages")
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
    if any(turn["role"] != "system" for turn in prompt[:-1]) or len(sides) < 2:  # noqa: PLR2004
        return None
    long_ = len(text) >= _MIN_REPEATED_CHARS and not text.isascii()
    if len(text.split()) < _MIN_REPEATED_WORDS and not long_:
        return None
    return text if all(_goes_on(side[0]["content"], text) for side in sides) else None


def _goes_on(response: str, text: str) -> bool:
    """Tell whether a response begins with a text and goes on with another word."""
    rest = response[len(text) :]
    if not response.startswith(text) or not rest.strip():
        return False
    return not (rest[0].isalnum() and text[-1].isalnum())
