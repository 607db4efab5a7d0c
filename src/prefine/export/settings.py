"""Settings of the export."""

from collections.abc import Iterable
from typing import Self

from pydantic import Field

from prefine.export.targets import AnyTarget
from prefine.export.targets.trl import Trl
from prefine.settings import Part

RESERVED = frozenset(
    {
        "messages",
        "completion",
        "completions",
        "margin",
        "image",
        "images",
        "tools",
        "chat_template_kwargs",
        "label",
        "ref_chosen_logps",
        "ref_rejected_logps",
        "prompt_ids",
        "chosen_ids",
        "rejected_ids",
        "completion_ids",
        "chosen_input_ids",
        "rejected_input_ids",
        "conversations",
        "text",
        "prompt",
        "chosen",
        "rejected",
    }
)
"""Column names that trainers interpret; no exported fact may have one of them."""


_ALWAYS = (
    *("source", "group", "label_source", "votes_for", "votes_against", "votes_tie", "agreement"),
    *("strength", "rating_gap"),
)
"""Columns of pairs that are exported by default."""


class Export(Part):
    """The data set that trainers read: its format, columns and splits."""

    target: AnyTarget = Trl(kind="trl")
    """The trainer that the data set is for; ``target: trl`` is short for ``{kind: trl}``."""
    columns: tuple[str, ...] | None = None
    """Columns to export in addition to the texts. Null exports every measured and kept column, and
    the most common columns of the pairs: source, group, label source, votes, agreement, strength
    and rating gap."""
    test_ratio: float = Field(default=0.0, ge=0, lt=1)
    """Target share of the pairs, counted before rules, that go to the test split. The split is by
    prompt, and prompts that are copies of each other share a split."""
    rows_per_shard: int = Field(default=50_000, ge=1)
    """Maximum number of rows per Parquet file."""
    license: str | None = None
    """Licence identifier for the data set card. Check the terms of your sources yourself."""
    language: tuple[str, ...] = ()
    """Language codes for the data set card, such as ``en``."""

    def with_columns(self, measured: Iterable[str]) -> Self:
        """Return the same settings with the columns filled in.

        Args:
            measured: Names of all columns that measures write.
        """
        if self.columns is not None:
            return self
        return self.model_copy(update={"columns": (*_ALWAYS, *measured)})
