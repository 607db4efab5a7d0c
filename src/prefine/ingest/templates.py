"""Undo chat templates: prompts and responses that were rendered as one text.

Texts are split at the marks of a family of templates. Nothing else of them is changed, and what
cannot be split without doubt is refused.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from prefine.ingest.messages import role_of
from prefine.ingest.record import Reason, RowError
from prefine.schema import Message


class Family(NamedTuple):
    """The marks of the templates of a family of models."""

    name: str
    opening: re.Pattern[str]
    """Opens a turn; its first group that matches is the role."""
    closing: re.Pattern[str]
    """Closes a turn, at the end of its text."""
    header: str
    """Opens an assistant turn."""
    start: str = ""
    """Stands before the first turn."""


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
"""Families whose every turn has an opening mark with the role in it."""

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
_LEFT_OVER = re.compile(
    r"<\|(?:im_start|im_end|start_header_id|end_header_id|eot_id|begin_of_text|end|endoftext|"
    r"start|message|channel|header_start|header_end|eot|START_OF_TURN_TOKEN|END_OF_TURN_TOKEN|"
    r"system|user|assistant|prompter|end_of_turn|im_middle)\|>|<(?:start|end)_of_turn>|"
    r"<\uff5c[^\uff5c<>]{1,40}\uff5c>|\[/?INST\]|<<?/?SYS>>",
    re.IGNORECASE,
)
_BEGINNINGS = re.compile(
    rf"\s*(?:<s>|<bos>|<\|begin_of_text\|>|<BOS_TOKEN>)?\s*(?:{_LEFT_OVER.pattern}|"
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
    """Tell whether a text begins as a rendered chat template does."""
    if _BEGINNINGS.match(text):
        return True
    # the search is slow on long texts, and most of them end otherwise
    return text[-40:].rstrip().endswith(_WORDED_ENDS) and bool(_WORDED.search(text))


def is_worded(text: str) -> bool:
    """Tell whether a text is a whole conversation in a template without special tokens."""
    return bool(_WORDED_SIDE.match(text))


def ends_rendered(text: str) -> bool:
    """Tell whether a text ends with the token that ends a turn in a chat template."""
    found = _ENDINGS.search(text[-60:])
    return bool(found) and not (found[0].startswith("</s>") and "<s>" in text[1:])


def conversation(text: str) -> tuple[list[Message], Family | None]:
    """Split a rendered prompt into its turns.

    Args:
        text: Begins as ``is_rendered`` says.

    Returns:
        The turns; the last one is an assistant turn, perhaps an empty one, where the text ends
        within it. And the family, null for Llama 2's and Mistral's templates.

    Raises:
        RowError: The text is of no family that can be split, or is damaged.
    """
    for family in FAMILIES:
        if family.opening.match(text.lstrip().removeprefix(family.start).lstrip()):
            return turns(text, family), family
    if _INST.match(text):
        return _instructions(text), None
    if (found := _ALPACA.match(text)) and "### " not in found["instruction"]:
        parts = [part for part in (found["instruction"], found["input"]) if part is not None]
        return [Message(role="user", content="\n\n".join(parts))], None
    raise refused("the prompt is a rendered chat template; use the messages it was made of")


def turns(text: str, family: Family) -> list[Message]:
    """Split a text at the marks of a family; the last turn may lack its closing mark.

    Raises:
        RowError: There is text before the first turn, or between two, or a mark within a turn.
    """
    marks = list(family.opening.finditer(text))
    if not marks or text[: marks[0].start()].strip().removeprefix(family.start):
        raise refused(f"a text is not wholly of the chat template {family.name}")
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
        raise refused(f"a turn of the chat template {family.name} is not closed")
    require_plain(body)
    return Message(role=role_of({"role": role}) or role, content=body)


def _instructions(text: str) -> list[Message]:
    """Split ``[INST] ... [/INST] answer </s>``; a system text may stand in the first one."""
    found: list[Message] = []
    place = 0
    while match := _INST.match(text, place):
        if match["system"] is not None:
            found.append(Message(role="system", content=match["system"]))
        following = text.find("[INST]", match.end())
        answer = text[match.end() : len(text) if following < 0 else following]
        answer = re.sub(r"\s*(?:</s>)?\s*(?:<s>)?\s*\Z", "", answer).removeprefix(" ")
        for turn in (match["user"], answer):
            require_plain(turn)
        found += [
            Message(role="user", content=match["user"]),
            Message(role="assistant", content=answer),
        ]
        place = len(text) if following < 0 else following
    return found


def response(text: str, family: Family | None, started: str) -> list[Message]:
    """Split a rendered response into its turns.

    Args:
        text: The response.
        family: That of the prompt.
        started: What the prompt already holds of the assistant's turn.

    Raises:
        RowError: A mark of a template is left in it.
    """
    if family is not None:
        return turns(f"{family.header}{started}{text}", family)
    body = re.sub(r"\s*</s>\s*\Z", "", started + text)
    require_plain(body)
    return [Message(role="assistant", content=body)]


def require_plain(text: str) -> None:
    """Refuse a text of a rendered conversation in which a mark is left."""
    if mark := _LEFT_OVER.search(text):
        raise refused(f"a turn holds {mark[0]}, a mark of a chat template")


def refused(detail: str) -> RowError:
    """Return the error of a text that cannot be split."""
    return RowError(Reason.RENDERED_TEMPLATE, detail)


def require_unrendered(texts: Sequence[str]) -> None:
    """Refuse responses that all end with a template's token, beside a prompt without a template.

    A single one is left as it is: models emit such a token now and then. So is ``</s>`` where a row
    holds one response.
    """
    certain = len(texts) > 1 or all(map(_CERTAIN.search, texts))
    if texts and certain and all(map(ends_rendered, texts)):
        raise refused("every response ends with the token that ends a turn of a chat template")
