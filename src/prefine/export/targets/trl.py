"""TRL's preference data sets, which its DPO and reward trainers read without changes."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import polars as pl
import pyarrow as pa

from prefine.export.target import MESSAGES, Target, keys_and_facts
from prefine.schema import Column

_MEANINGS = {
    "prompt": "messages up to the last one before the responses part",
    "chosen": "the preferred response",
    "rejected": "the other response",
}
_SUMMARIES = {
    "explicit": "`prompt`, `chosen` and `rejected` are lists of messages",
    "implicit": "`chosen` and `rejected` are whole conversations, the prompt inside",
}


class Trl(Target):
    """TRL's preference format: one row a pair, conversational."""

    carries_tools: ClassVar[bool] = True

    kind: Literal["trl"]
    prompt: Literal["explicit", "implicit"] = "explicit"
    """``explicit`` has prompt, chosen and rejected; ``implicit`` has chosen and rejected with the
    prompt inside, and no prompt column."""

    def _sides(self) -> tuple[str, ...]:
        sides = ("chosen", "rejected")
        return ("prompt", *sides) if self.prompt == "explicit" else sides

    def arrow_schema(self, facts: Mapping[str, Column]) -> pa.Schema:
        """Return the schema of the rows."""
        texts = [pa.field(name, MESSAGES, False) for name in self._sides()]
        return pa.schema(texts + keys_and_facts(facts))

    def rows(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return one row a pair."""
        if self.prompt == "explicit":
            return pairs
        return pairs.with_columns(
            pl.concat_list("prompt", side).alias(side) for side in ("chosen", "rejected")
        )

    def meanings(self) -> Mapping[str, str]:
        """Return what prompt, chosen and rejected are."""
        return {name: _MEANINGS[name] for name in self._sides()}

    def summary(self) -> str:
        """Return how a row is laid out."""
        return _SUMMARIES[self.prompt]
