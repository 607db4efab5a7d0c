"""Preference data sets as TRL's DPO and reward trainers read them."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import polars as pl
import pyarrow as pa

from prefine.export.target import MESSAGES, Target, keys_and_facts
from prefine.schema import Column

_MEANINGS = {
    "prompt": "messages before the response",
    "chosen": "the preferred response",
    "rejected": "the other response",
}
_SUMMARIES = {
    "explicit": "`prompt`, `chosen` and `rejected` are lists of messages",
    "implicit": "`chosen` and `rejected` are whole conversations that include the prompt",
}


class Trl(Target):
    """TRL's conversational preference format, one row per pair."""

    carries_tools: ClassVar[bool] = True

    kind: Literal["trl"]
    prompt: Literal["explicit", "implicit"] = "explicit"
    """``explicit`` writes the columns ``prompt``, ``chosen`` and ``rejected``. ``implicit`` writes
    ``chosen`` and ``rejected``, each with the prompt at its beginning, and no ``prompt``."""

    def _sides(self) -> tuple[str, ...]:
        sides = ("chosen", "rejected")
        return ("prompt", *sides) if self.prompt == "explicit" else sides

    def arrow_schema(self, facts: Mapping[str, Column]) -> pa.Schema:
        """Return the schema of the rows."""
        texts = [pa.field(name, MESSAGES, False) for name in self._sides()]
        return pa.schema(texts + keys_and_facts(facts))

    def rows(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return one row for each pair."""
        if self.prompt == "explicit":
            return pairs
        return pairs.with_columns(
            pl.concat_list("prompt", side).alias(side) for side in ("chosen", "rejected")
        )

    def meanings(self) -> Mapping[str, str]:
        """Return the meaning of prompt, chosen and rejected."""
        return {name: _MEANINGS[name] for name in self._sides()}

    def summary(self) -> str:
        """Return the form of a row."""
        return _SUMMARIES[self.prompt]
