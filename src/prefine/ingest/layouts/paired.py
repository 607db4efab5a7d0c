"""Labelled pairs under the many names that published sets and trainers give to their columns."""

from typing import ClassVar, Literal

from prefine.ingest.aliases import (
    are_conversations,
    prompt_column,
    read_prompt,
    read_sides,
    side_columns,
)
from prefine.ingest.layout import Context, Layout
from prefine.ingest.pairs import SIDES, pair_record
from prefine.ingest.record import Reason, Record, RowError
from prefine.settings.json import Json

_OTHERS = ({"prompt"}, {"conversations"}, {"generations", "rating", "status"})
"""Columns that make ``chosen`` and ``rejected`` another layout."""


class Paired(Layout):
    """A prompt and two sides, such as ``question``, ``chosen`` and ``rejected``."""

    aspects: ClassVar = ("overall",)

    format: Literal["paired"] = "paired"

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Recognise a prompt beside one couple of sides, by their names."""
        prompt, couples = prompt_column(row), side_columns(row)
        if prompt is None or len(couples) != 1:
            return None
        [sides] = couples
        if sides == SIDES and any(row.keys() >= names for names in _OTHERS):
            return None
        if are_conversations(row, sides):
            return None
        return f"`{prompt}` is the prompt, `{sides[0]}` is preferred to `{sides[1]}`"

    def parse(self, row: Json, context: Context) -> Record:
        """Read the prompt and both sides; the first side is the preferred one."""
        prompt, couples = prompt_column(row), side_columns(row)
        if prompt is None:
            raise RowError(Reason.PROMPT_EMPTY, "no known column holds a prompt")
        if len(couples) != 1:
            raise RowError(Reason.RESPONSE_MISSING, f"{len(couples)} couples of known columns")
        sides = read_sides(row, couples[0])
        return pair_record(row, read_prompt(row, prompt), *sides)
