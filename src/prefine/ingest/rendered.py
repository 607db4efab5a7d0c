"""Split prompts and responses that are written as one text into turns, for all layouts."""

from collections.abc import Sequence
from dataclasses import replace

from prefine.ingest.messages import with_content
from prefine.ingest.record import Reason, Record, RowError
from prefine.ingest.templates import (
    conversation,
    is_rendered,
    is_worded,
    require_unrendered,
    response,
    template_error,
)
from prefine.ingest.transcripts import is_transcript, transcript, transcript_prompt
from prefine.schema import Message, tool_parts

_MIN_REPEATED_WORDS = 3
_MIN_REPEATED_CHARS = 6
"""Minimum length of a prompt that is removed from the beginning of responses: a shorter one may be
repeated by chance. Scripts without blanks count characters."""


def unrendered(record: Record) -> Record:
    """Return a record with transcripts and rendered chat templates split into turns.

    Raises:
        RowError: A text looks like a rendered conversation and cannot be split unambiguously.
    """
    record = _without_repetition(_split_sides(record))
    *before, last = record.prompt
    text = last["content"]
    if last["role"] == "user" and is_rendered(text):
        return _from_template(record, before, text)
    if last["role"] == "user" and (turns := transcript_prompt(text)) is not None:
        record = replace(record, prompt=_prepend_system(before, turns, Reason.TRANSCRIPT_IN_PROMPT))
    require_unrendered([turn["content"] for c in record.candidates for turn in c.messages[-1:]])
    return record


def _prepend_system(before: list[Message], turns: list[Message], reason: Reason) -> list[Message]:
    """Return turns that were split out of one text, after the system turn before that text."""
    if not before or before == turns[: len(before)]:
        return turns
    if any(turn["role"] != "system" for turn in before) or turns[0]["role"] == "system":
        detail = "the prompt has turns before a conversation that is written as one text"
        raise RowError(reason, detail)
    return [*before, *turns]


def _split_sides(record: Record) -> Record:
    """Return a record with responses that are whole conversations cut to their last turn.

    Raises:
        RowError: The conversations do not lead up to the prompt.
    """
    turns = [candidate.messages for candidate in record.candidates]
    plain = [messages for messages in turns if not any(map(tool_parts, messages))]
    texts = [messages[0]["content"] for messages in plain if len(messages) == 1]
    if len(texts) < max(2, len(record.candidates)):
        return record
    if all(map(is_transcript, texts)):
        sides = [transcript(text, "response") for text in texts]
    elif all(map(is_rendered, texts)) and not is_rendered(record.prompt[-1]["content"]):
        sides = [conversation(text)[0] for text in texts]
    elif all(map(is_worded, texts)):
        raise template_error("the responses are whole conversations in a rendered chat template")
    else:
        return record
    last_prompt = record.prompt[-1]["content"].strip()
    first = sides[0][:-1]
    same = all(side[:-1] == first and side[-1]["role"] == "assistant" for side in sides)
    if not same or not first or first[-1]["content"].strip() != last_prompt:
        detail = "the responses are whole conversations that do not lead up to the prompt"
        raise template_error(detail)
    prompt = _prepend_system(record.prompt[:-1], first, Reason.RENDERED_TEMPLATE)
    candidates = [
        replace(candidate, messages=side[-1:])
        for candidate, side in zip(record.candidates, sides, strict=True)
    ]
    return replace(record, prompt=prompt, candidates=candidates)


def _from_template(record: Record, before: list[Message], text: str) -> Record:
    """Split a prompt and its responses that are written in a rendered chat template."""
    turns, family = conversation(text)
    prefix = turns[-1]["content"] if turns[-1]["role"] == "assistant" else ""
    prompt_turns = turns[:-1] if turns[-1]["role"] == "assistant" else turns
    if not prompt_turns or prompt_turns[-1]["role"] == "assistant":
        raise template_error("the rendered chat template has no turn to respond to")
    tool_turns = [turn for c in record.candidates for turn in c.messages if tool_parts(turn)]
    if tool_turns or record.tools is not None:
        raise template_error("the prompt is a rendered chat template, but the row has tools")
    prompt = _prepend_system(before, prompt_turns, Reason.RENDERED_TEMPLATE)
    if any(len(candidate.messages) != 1 for candidate in record.candidates):
        raise template_error("the prompt is a rendered chat template, but responses are messages")
    candidates = [
        replace(c, messages=response(c.messages[0]["content"], family, prefix))
        for c in record.candidates
    ]
    return replace(record, prompt=prompt, candidates=candidates)


def _without_repetition(record: Record) -> Record:
    """Return a record without the prompt at the beginning of the responses, if all repeat it."""
    sides = [candidate.messages for candidate in record.candidates]
    if all(_begins_with(side, record.prompt) for side in sides):
        shortened = [side[len(record.prompt) :] for side in sides]
    elif (text := _repeated_text(record.prompt, sides)) is not None:
        shortened = [
            [with_content(side[0], side[0]["content"][len(text) :]), *side[1:]] for side in sides
        ]
    else:
        return record
    candidates = [
        replace(candidate, messages=turns)
        for candidate, turns in zip(record.candidates, shortened, strict=True)
    ]
    return replace(record, candidates=candidates)


def _begins_with(side: Sequence[Message], prompt: Sequence[Message]) -> bool:
    return len(side) > len(prompt) and list(side[: len(prompt)]) == list(prompt)


def _repeated_text(prompt: Sequence[Message], sides: Sequence[Sequence[Message]]) -> str | None:
    """Return the text of the prompt if every response begins with it and continues after it."""
    text = prompt[-1]["content"]
    if any(turn["role"] != "system" for turn in prompt[:-1]) or len(sides) < 2:  # noqa: PLR2004
        return None
    long_ = len(text) >= _MIN_REPEATED_CHARS and not text.isascii()
    if len(text.split()) < _MIN_REPEATED_WORDS and not long_:
        return None
    return text if all(_continues(side[0]["content"], text) for side in sides) else None


def _continues(response: str, text: str) -> bool:
    """Return whether a response begins with a text and continues with another word."""
    continuation = response[len(text) :]
    if not response.startswith(text) or not continuation.strip():
        return False
    return not (continuation[0].isalnum() and text[-1].isalnum())
