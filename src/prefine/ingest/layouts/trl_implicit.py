"""TRL preference format with an implicit prompt: the common beginning of chosen and rejected."""

from itertools import takewhile
from typing import ClassVar, Literal

from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import is_conversation, messages
from prefine.ingest.pairs import SIDES, conversation_pair, pair_record
from prefine.ingest.record import Reason, Record, RowError
from prefine.ingest.templates import conversation, is_rendered
from prefine.ingest.values import required, text
from prefine.schema import Message
from prefine.settings.json import Json

_PROMPTS = frozenset(
    {
        *("prompt", "prompts", "instruction", "question", "query", "input", "inputs", "context"),
        *("conversation", "conversations", "dialog", "dialogue", "history", "messages", "turns"),
        *("trajectory", "post", "title", "task", "text", "system", "user", "request", "problem"),
    }
)
"""Columns that may hold a prompt; with one of them, strings are not assumed to contain it."""


_STEMS = ("", "_messages", "_conversations")
"""Suffixes of ``chosen`` and ``rejected`` in the names of columns of whole conversations."""


class TrlImplicit(Layout):
    """TRL preference format, implicit prompt: ``chosen`` and ``rejected`` begin with the prompt.

    The columns are strings or lists of messages; ``chosen`` is the better response.
    """

    aspects: ClassVar = ("overall",)

    format: Literal["trl_implicit"] = "trl_implicit"
    """Name of the layout."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect whole conversations, or strings if no other column could hold a prompt."""
        if row.keys() & {"prompt", "conversations", "instruction"}:
            return None
        for stem in _STEMS:
            if is_conversation(row.get(f"chosen{stem}")):
                return f"`chosen{stem}` is a whole conversation, and there is no prompt"
        sides = [row.get(side) for side in SIDES]
        are_texts = all(isinstance(side, str) and "\n\nAssistant:" not in side for side in sides)
        if are_texts and not row.keys() & _PROMPTS:
            return "`chosen` and `rejected` are strings, and there is no prompt"
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Parse both sides, whose common beginning is the prompt."""
        stem = next((stem for stem in _STEMS[1:] if f"chosen{stem}" in row), "")
        sides = [required(row, f"{side}{stem}") for side in SIDES]
        if all(isinstance(side, str) for side in sides):
            texts = [text(side, name) for side, name in zip(sides, SIDES, strict=True)]
            if all(map(is_rendered, texts)):
                return conversation_pair(row, *(conversation(side)[0] for side in texts))
            return _text_pair(row, *texts)
        return conversation_pair(
            row, *(messages(side, name) for side, name in zip(sides, SIDES, strict=True))
        )


def _text_pair(row: Json, chosen: str, rejected: str) -> Record:
    """Split two texts before the word in which they diverge; TRL would split within the word.

    A space before that word belongs to the response, as in TRL; other blanks belong to the prompt.
    """
    same = takewhile(lambda pair: pair[0] == pair[1], zip(chosen, rejected, strict=False))
    prefix = "".join(letter for letter, _ in same)
    if prefix in {chosen, rejected}:
        prefix = prefix.rstrip()
    blanks = [position for position, letter in enumerate(prefix) if letter.isspace()]
    prefix = prefix[: blanks[-1] + (prefix[blanks[-1]] != " ")] if blanks else ""
    if chosen == rejected or not prefix.strip():
        detail = "the two texts are identical" if chosen == rejected else "no common beginning"
        raise RowError(Reason.NO_COMMON_PROMPT, f"`chosen` and `rejected`: {detail}")
    sides = [[Message(role="assistant", content=s[len(prefix) :])] for s in (chosen, rejected)]
    return pair_record(row, [Message(role="user", content=prefix)], *sides)
