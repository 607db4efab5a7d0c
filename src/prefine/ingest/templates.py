"""Split prompts and responses that were rendered with a chat template into turns.

Texts are split at the markers of a family of templates and otherwise unchanged; a text that cannot
be split unambiguously is refused.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from prefine.ingest.messages import role_of
from prefine.ingest.record import Reason, RowError
from prefine.schema import Message


class Family(NamedTuple):
    """The markers of a family of chat templates."""

    name: str
    """Name of the family for messages."""
    opening: re.Pattern[str]
    """Pattern that opens a turn; its group is the role."""
    closing: re.Pattern[str]
    """Pattern that closes a turn, at the end of its text."""
    header: str
    """Text that opens an assistant turn."""
    start: str = ""
    """Text before the first turn."""


def _family(name: str, opening: str, closing: str, header: str, start: str = "") -> Family:
    closed = re.compile(rf"(?:{closing})\s*\Z")
    return Family(name, re.compile(opening, re.IGNORECASE), closed, header, start)


_ROLE = "(system|user|assistant|tool|developer)"
FAMILIES = (
    _family("ChatML", rf"<\|im_start\|>{_ROLE}\n", r"<\|im_end\|>", "<|im_start|>assistant\n"),
    _family(
        "Llama 3",
        rf"<\|start_header_id\|>{_ROLE}<\|end_header_id\|>\n\n",
        r"<\|eot_id\|>|<\|end_of_text\|>",
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "<|begin_of_text|>",
    ),
    _family(
        "Llama 4",
        rf"<\|header_start\|>{_ROLE}<\|header_end\|>\n\n",
        r"<\|eot\|>",
        "<|header_start|>assistant<|header_end|>\n\n",
        "<|begin_of_text|>",
    ),
    _family(
        "Gemma",
        r"<start_of_turn>(user|model)\n",
        r"<end_of_turn>(?:\s*<eos>)?|<eos>",
        "<start_of_turn>model\n",
        "<bos>",
    ),
    _family(
        "Command R",
        r"<\|START_OF_TURN_TOKEN\|><\|(SYSTEM|USER|CHATBOT)_TOKEN\|>",
        r"<\|END_OF_TURN_TOKEN\|>",
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
        "<BOS_TOKEN>",
    ),
    _family(
        "OpenAssistant",
        r"<\|(system|prompter|assistant)\|>(?!\n)",
        r"<\|endoftext\|>|</s>",
        "<|assistant|>",
    ),
    _family(
        "Zephyr",
        r"<\|(system|user|assistant)\|>\n",
        r"</s>|<\|end\|>|<\|endoftext\|>",
        "<|assistant|>\n",
    ),
)
"""Families in which each turn has an opening marker with its role."""

_INST = re.compile(
    r"\s*(?:<s>)?\s*\[INST\]\s?(?:<<SYS>>\n(?P<system>.*?)\n<</SYS>>\n\n)?(?P<user>.*?)\s?\[/INST\]",
    re.DOTALL,
)
_ALPACA = re.compile(
    r"\s*(?:Below is an instruction that describes a task(?:, paired with an input that provides "
    r"further context)?\. Write a response that appropriately completes the request\.\s+)?"
    r"### Instruction:\n?(?P<instruction>.*?)(?:\n\n### Input:\n?(?P<input>.*?))?"
    r"\n\n### Response:\s*\Z",
    re.DOTALL,
)
_MARKERS = re.compile(
    r"<\|(?:im_start|im_end|start_header_id|end_header_id|eot_id|begin_of_text|end|endoftext|"
    r"start|message|channel|header_start|header_end|eot|START_OF_TURN_TOKEN|END_OF_TURN_TOKEN|"
    r"system|user|assistant|prompter|end_of_turn|im_middle)\|>|<(?:start|end)_of_turn>|"
    r"<\uff5c[^\uff5c<>]{1,40}\uff5c>|\[/?INST\]|<<?/?SYS>>",
    re.IGNORECASE,
)
_BEGINNINGS = re.compile(
    rf"\s*(?:<s>|<bos>|<\|begin_of_text\|>|<BOS_TOKEN>)?\s*(?:{_MARKERS.pattern}|"
    r"<\|[a-z_ ]{2,40}\|>|\[\|[a-z_ ]{2,40}\|\]|\[(?:SYSTEM_PROMPT|gMASK|AVAILABLE_TOOLS)\]|"
    r"<extra_id_[01]>|GPT4 Correct User:)",
    re.IGNORECASE,
)
_ENDINGS = re.compile(
    r"(?:<\|(?:im_end|eot_id|eot|end|endoftext|end_of_text|END_OF_TURN_TOKEN)\|>|<end_of_turn>|"
    r"<eos>|</s>|<\uff5cend\u2581of\u2581sentence\uff5c>)\s*\Z"
)
_CERTAIN = re.compile(r"(?:<\|(?:im_end|eot_id|eot)\|>|<end_of_turn>)\s*\Z")
_WORDED_SIDE = re.compile(
    r"\s*(?:### ?(?:Instruction|Human|User):.*\n### ?(?:Response|Assistant):|"
    r"USER:.*\sASSISTANT:)",
    re.DOTALL,
)
"""A whole conversation in a template without special tokens."""
_WORDED = re.compile(
    r"(?:(?:\A|\s)USER:.*\sASSISTANT:|(?:\A|\n)### ?(?:Instruction|Human|User):.*"
    r"\n### ?(?:Response|Assistant):)\s*\Z",
    re.DOTALL,
)
"""Templates without special tokens: the plain ones of Vicuna and Alpaca."""
_WORDED_ENDS = ("ASSISTANT:", "Response:", "Assistant:")


def is_rendered(text: str) -> bool:
    """Return whether a text begins like a rendered chat template."""
    if _BEGINNINGS.match(text):
        return True
    # the search is slow on long texts, and few of them have this ending
    return text[-40:].rstrip().endswith(_WORDED_ENDS) and bool(_WORDED.search(text))


def is_worded(text: str) -> bool:
    """Return whether a text is a whole conversation in a template without special tokens."""
    return bool(_WORDED_SIDE.match(text))


def ends_rendered(text: str) -> bool:
    """Return whether a text ends with the end-of-turn token of a chat template."""
    ending = _ENDINGS.search(text[-60:])
    return bool(ending) and not (ending[0].startswith("</s>") and "<s>" in text[1:])


def conversation(text: str) -> tuple[list[Message], Family | None]:
    """Split a rendered prompt into turns.

    Args:
        text: A text for which ``is_rendered`` is true.

    Returns:
        The turns, and the family of the template (None for Llama 2, Mistral and Alpaca). The last
        turn is an assistant turn, possibly empty, if the text ends within it.

    Raises:
        RowError: The template is unknown, or the text is damaged.
    """
    for family in FAMILIES:
        if family.opening.match(text.lstrip().removeprefix(family.start).lstrip()):
            return turns(text, family), family
    if _INST.match(text):
        return _instructions(text), None
    if (match := _ALPACA.match(text)) and "### " not in match["instruction"]:
        parts = [part for part in (match["instruction"], match["input"]) if part is not None]
        return [Message(role="user", content="\n\n".join(parts))], None
    raise template_error(
        "a text is in a rendered chat template of an unknown family; "
        "use the messages that it was rendered from"
    )


def turns(text: str, family: Family) -> list[Message]:
    """Split a text at the markers of a family; the last turn may lack its closing marker.

    Raises:
        RowError: There is text before the first turn or between two turns, or a marker in a turn.
    """
    marks = list(family.opening.finditer(text))
    if not marks or text[: marks[0].start()].strip().removeprefix(family.start):
        raise template_error(f"a text is only partly in the chat template {family.name}")
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return [
        _turn(mark[1].lower(), text[mark.end() : end], family, is_last=end == len(text))
        for mark, end in zip(marks, ends, strict=True)
    ]


def _turn(role: str, content: str, family: Family, *, is_last: bool) -> Message:
    closing = family.closing.search(content)
    if closing is not None:
        body = content[: closing.start()]
    elif is_last:
        body = content
    elif family.name == "Zephyr" and content.endswith("\n"):  # Tulu closes with a line break
        body = content[:-1]
    else:
        raise template_error(f"a turn in the chat template {family.name} is not closed")
    require_plain(body)
    return Message(role=role_of({"role": role}) or role, content=body)


def _instructions(text: str) -> list[Message]:
    """Split ``[INST] ... [/INST] answer </s>``; the first one may contain a system prompt."""
    messages: list[Message] = []
    position = 0
    while match := _INST.match(text, position):
        if match["system"] is not None:
            messages.append(Message(role="system", content=match["system"]))
        following = text.find("[INST]", match.end())
        answer = text[match.end() : len(text) if following < 0 else following]
        answer = re.sub(r"\s*(?:</s>)?\s*(?:<s>)?\s*\Z", "", answer).removeprefix(" ")
        for turn in (match["user"], answer):
            require_plain(turn)
        messages += [
            Message(role="user", content=match["user"]),
            Message(role="assistant", content=answer),
        ]
        position = len(text) if following < 0 else following
    return messages


def response(text: str, family: Family | None, prefix: str) -> list[Message]:
    """Split a rendered response into turns.

    Args:
        text: The response.
        family: Family of the prompt's template.
        prefix: Beginning of the assistant turn that the prompt contains.

    Raises:
        RowError: The response contains a marker of a template.
    """
    if family is not None:
        return turns(f"{family.header}{prefix}{text}", family)
    body = re.sub(r"\s*</s>\s*\Z", "", prefix + text)
    require_plain(body)
    return [Message(role="assistant", content=body)]


def require_plain(text: str) -> None:
    """Refuse a turn that contains a marker of a chat template."""
    if marker := _MARKERS.search(text):
        raise template_error(f"a turn contains {marker[0]}, a marker of a chat template")


def template_error(detail: str) -> RowError:
    """Return the error for a rendered chat template that cannot be split."""
    return RowError(Reason.RENDERED_TEMPLATE, detail)


def require_unrendered(texts: Sequence[str]) -> None:
    """Refuse responses that all end with an end-of-turn token, for a prompt without a template.

    If only some responses do, they are unchanged, because models emit such tokens now and then; so
    is ``</s>`` if the row has a single response.
    """
    certain = len(texts) > 1 or all(map(_CERTAIN.search, texts))
    if texts and certain and all(map(ends_rendered, texts)):
        raise template_error("every response ends with an end-of-turn token of a chat template")
