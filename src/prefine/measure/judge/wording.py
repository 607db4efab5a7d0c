"""The question that an LLM judge is asked."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from prefine.schema import Message, tool_parts

MARKS = ("{principle}", "{conversation}", "{first}", "{second}")
"""What a wording must hold; each is replaced by what it names."""


def require_marks(wording: str) -> str:
    """Return a template that holds all marks.

    Raises:
        ValueError: It lacks one.
    """
    missing = [mark for mark in MARKS if mark not in wording]
    if missing:
        raise ValueError(f"the wording lacks {', '.join(missing)}")
    return wording


_TASK = """You compare two responses to the last turn of a conversation.

What makes a response better: {principle}

=== Conversation
{conversation}

=== Response A
{first}

=== Response B
{second}

=== Question
Which response is the better one by what is said above? """
_SHORT = "Say A or B and nothing else."
_ALOUD = "Weigh both in a few sentences. Then end with the line `Verdict: A` or `Verdict: B`."
_MARK = re.compile(r"\{(principle|conversation|first|second)\}")


class Wording(NamedTuple):
    """How a question is put."""

    template: str | None
    """With ``MARKS`` where they belong; null takes one of prefine's."""
    principle: str
    """What makes a response better."""
    reasoned: bool
    """Whether the judge reasons before its verdict."""


def question(
    wording: Wording,
    asked: Sequence[Message],
    first: str,
    second: str,
    *,
    tools: str | None = None,
) -> str:
    """Return the question about two responses.

    Args:
        wording: Principle and template.
        asked: The conversation that both answer.
        first: Shown as response A.
        second: Shown as response B.
        tools: JSON text of the tools that the conversation offers.
    """
    text = wording.template or _TASK + (_ALOUD if wording.reasoned else _SHORT)
    said = {
        "principle": wording.principle,
        "conversation": turns(asked, tools),
        "first": first,
        "second": second,
    }
    return _MARK.sub(lambda found: said[found[1]], text)


def turns(messages: Sequence[Message], tools: str | None = None) -> str:
    """Return messages as text, each behind its role, after the tools that the task offers."""
    texts = [f"{message['role']}: {_said(message)}" for message in messages]
    return "\n\n".join(texts if tools is None else [f"tools: {tools}", *texts])


def response_text(messages: Sequence[Message]) -> str:
    """Return a response as the judge reads it: its text, or its turns where it has several."""
    return _said(messages[0]) if len(messages) == 1 else turns(messages)


def _said(message: Message) -> str:
    """Return the content of a turn, and its tool calls as JSON."""
    parts = [f"{name}: {value}" for name, value in tool_parts(message).items()]
    return "\n".join([message["content"], *parts] if message["content"] else parts)
