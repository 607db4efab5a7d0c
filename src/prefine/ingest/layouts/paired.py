"""Labelled pairs under the column names of many published data sets and trainers."""

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
"""Columns with which ``chosen`` and ``rejected`` have another layout."""


class Paired(Layout):
    """A prompt, a chosen and a rejected response under usual names, such as ``question``."""

    aspects: ClassVar = ("overall",)

    format: Literal["paired"] = "paired"
    """Name of the layout."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect a prompt and exactly one pair of sides by their names."""
        prompt, matches = prompt_column(row), side_columns(row)
        if prompt is None or len(matches) != 1:
            return None
        [sides] = matches
        if sides == SIDES and any(row.keys() >= names for names in _OTHERS):
            return None
        if are_conversations(row, sides):
            return None
        return f"`{prompt}` is the prompt, `{sides[0]}` is preferred to `{sides[1]}`"

    def parse(self, row: Json, context: Context) -> Record:
        """Parse the prompt and both sides; the first side is the chosen one."""
        prompt, matches = prompt_column(row), side_columns(row)
        if prompt is None:
            raise RowError(Reason.PROMPT_EMPTY, "no column with a known name has a prompt")
        if len(matches) != 1:
            detail = f"{len(matches)} pairs of columns have known names of responses, not 1"
            raise RowError(Reason.RESPONSE_MISSING, detail)
        sides = read_sides(row, matches[0])
        return pair_record(row, read_prompt(row, prompt), *sides)
