"""The question for the LLM judge."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from prefine.schema import Message, tool_parts

PLACEHOLDERS = ("{principle}", "{conversation}", "{first}", "{second}")
"""The placeholders that a template must contain."""


def require_placeholders(wording: str) -> str:
    """Return a template that contains all placeholders.

    Raises:
        ValueError: A placeholder is missing.
    """
    missing = [name for name in PLACEHOLDERS if name not in wording]
    if missing:
        raise ValueError(
            f"`wording` lacks {', '.join(missing)}; it must contain {', '.join(PLACEHOLDERS)}"
        )
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
_REASONED = "Weigh both in a few sentences. Then end with the line `Verdict: A` or `Verdict: B`."
_PLACEHOLDER = re.compile(r"\{(principle|conversation|first|second)\}")


class Wording(NamedTuple):
    """The template and its fixed values."""

    template: str | None
    """A template with ``PLACEHOLDERS``; null uses a built-in one."""
    principle: str
    """The criterion for a better response."""
    reasoned: bool
    """Whether the judge reasons before its verdict."""


def render_question(
    wording: Wording,
    conversation: Sequence[Message],
    first: str,
    second: str,
    *,
    tools: str | None = None,
) -> str:
    """Render the question about two responses.

    Args:
        wording: Principle and template.
        conversation: The messages of the prompt.
        first: The text of response A.
        second: The text of response B.
        tools: The tools of the conversation as JSON text.
    """
    text = wording.template or _TASK + (_REASONED if wording.reasoned else _SHORT)
    values = {
        "principle": wording.principle,
        "conversation": render_turns(conversation, tools),
        "first": first,
        "second": second,
    }
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)


def render_turns(messages: Sequence[Message], tools: str | None = None) -> str:
    """Render messages as text: first the tools, then each turn with its role as a prefix."""
    texts = [f"{message['role']}: {_turn_text(message)}" for message in messages]
    return "\n\n".join(texts if tools is None else [f"tools: {tools}", *texts])


def response_text(messages: Sequence[Message]) -> str:
    """Render a response for the judge: its text, or all turns if it has several."""
    return _turn_text(messages[0]) if len(messages) == 1 else render_turns(messages)


def _turn_text(message: Message) -> str:
    """Return the content of a turn and its tool calls as JSON."""
    parts = [f"{name}: {value}" for name, value in tool_parts(message).items()]
    return "\n".join([message["content"], *parts] if message["content"] else parts)
