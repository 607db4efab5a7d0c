"""Texts of responses and prompts, and facts about one response laid beside a pair."""

import polars as pl

from prefine.schema import TOOL_PARTS
from prefine.step import Work


def texts(work: Work, table: str, key: str, part: int | None = None) -> tuple[list[str], list[str]]:
    """Return the ids of a table and the texts of their messages, turns joined by a blank line.

    Tools and tool calls are left out: whatever is made of these texts sees contents alone.
    """
    frame = work.read(table, [key, "messages"], part=part)
    joined = pl.col("messages").list.eval(pl.element().struct.field("content")).list.join("\n\n")
    found = frame.select(key, joined.alias("text"))
    return found[key].to_list(), found["text"].to_list()


def tool_text() -> pl.Expr:
    """Return what a message, an element of a list, has of tools: empty for most."""
    parts = [pl.element().struct.field(name) for name in TOOL_PARTS]
    return pl.concat_str(*parts, separator="\n", ignore_nulls=True)


def beside(pairs: pl.DataFrame, facts: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Add facts about responses to pairs.

    Args:
        pairs: With ``chosen_id`` and ``rejected_id``.
        facts: With ``response_id``, one row a response.
        columns: Which facts; they are added as ``chosen_X`` and ``rejected_X``.

    Returns:
        The pairs, in their order.
    """
    for side in ("chosen", "rejected"):
        names = {column: f"{side}_{column}" for column in columns}
        of_side = facts.select("response_id", *columns).rename(names)
        pairs = pairs.join(
            of_side,
            left_on=f"{side}_id",
            right_on="response_id",
            how="left",
            maintain_order="left",
            validate="m:1",
        )
    return pairs
