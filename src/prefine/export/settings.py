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
    """Form and size of the exported data set."""

    target: AnyTarget = Trl(kind="trl")
    """Consumer of the data set; a kind alone (``target: trl``) takes the defaults of that kind."""
    columns: tuple[str, ...] | None = None
    """Columns to export in addition to the texts; null takes all measured columns, kept columns and
    the most important columns of the pair."""
    test_ratio: float = Field(default=0.0, ge=0, lt=1)
    """Share of the pairs (before rules) in the test split, in [0, 1). All pairs of a prompt and of
    its near copies are in one split; see ``docs/decisions/008-splits.md``."""
    rows_per_shard: int = Field(default=50_000, ge=1)
    """Maximum number of rows in one Parquet file."""
    license: str | None = None
    """License for the data set card, such as ``mit``; check the terms of the sources yourself."""
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
