"""What trainers receive."""

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
"""Column names that trainers interpret; an exported fact may not bear one."""


_ALWAYS = (
    *("source", "group", "label_source", "votes_for", "votes_against", "votes_tie", "agreement"),
    *("strength", "rating_gap"),
)
"""Facts of a pair that are exported where the recipe names none."""


class Export(Part):
    """What trainers receive."""

    target: AnyTarget = Trl(kind="trl")
    """What the data set is for; a kind alone (``target: trl``) takes that kind's defaults."""
    columns: tuple[str, ...] | None = None
    """Facts to export beside the texts; null takes every column that was measured and a few of the
    pair's."""
    test_ratio: float = Field(default=0.0, ge=0, lt=1)
    """Wanted share of the pairs, before rules, whose prompts go to the test split; prompts that are
    copies of each other share a split. ``docs/decisions/008-splits.md`` says how it is drawn."""
    rows_per_shard: int = Field(default=50_000, ge=1)
    license: str | None = None
    """For the data set card; the sources' terms are yours to check."""
    language: tuple[str, ...] = ()
    """For the data set card, as language codes."""

    def with_columns(self, measured: Iterable[str]) -> Self:
        """Return the same settings with the columns filled in.

        Args:
            measured: Every column that measures write.
        """
        if self.columns is not None:
            return self
        return self.model_copy(update={"columns": (*_ALWAYS, *measured)})
