"""TRL preference format with an explicit prompt."""

from typing import ClassVar, Literal

from prefine.ingest.aliases import read_sides, require_one_prompt
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of, role_of
from prefine.ingest.pairs import SIDES, pair_record
from prefine.ingest.record import Record
from prefine.ingest.values import required
from prefine.settings.json import Json, is_array, is_object

_OTHERS = {"all_rm_scores", "num_correct"}
"""Columns with which ``prompt``, ``chosen`` and ``rejected`` have another layout."""


class TrlExplicit(Layout):
    """TRL preference format, explicit prompt: ``prompt``, ``chosen`` and ``rejected``.

    The columns are strings or lists of messages; ``chosen`` is the better response.
    """

    aspects: ClassVar = ("overall",)

    format: Literal["trl_explicit"] = "trl_explicit"
    """Name of the layout."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect a prompt that is not repeated in chosen and rejected."""
        if not {"prompt", "chosen", "rejected"} <= row.keys() or row.keys() & _OTHERS:
            return None
        prompt, chosen = row["prompt"], row["chosen"]
        if is_array(prompt) and (is_array(chosen) or is_object(chosen) or isinstance(chosen, str)):
            return "`prompt` is a list of messages, with `chosen` and `rejected`"
        if isinstance(prompt, str) and isinstance(chosen, str):
            return "`prompt`, `chosen` and `rejected` are strings"
        if isinstance(prompt, str) and is_array(chosen) and len(chosen) == 1:
            is_response = is_object(chosen[0]) and role_of(chosen[0]) == "assistant"
            return "`prompt` is a string, and each side is one message" if is_response else None
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Parse prompt, chosen and rejected."""
        prompt = prompt_of(required(row, "prompt"), "prompt")
        require_one_prompt(row, "prompt", prompt)
        sides = read_sides(row, SIDES)
        return pair_record(row, prompt, *sides)
