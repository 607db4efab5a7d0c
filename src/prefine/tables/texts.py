"""Texts of prompts and responses, and joins of response columns to pairs."""

import polars as pl

from prefine.schema import TOOL_PARTS
from prefine.step import Work


def texts(work: Work, table: str, key: str, part: int | None = None) -> tuple[list[str], list[str]]:
    """Return the ids of a table and the contents of their messages, joined by a blank line.

    Tools and tool calls are excluded.

    Args:
        work: The work of a step that reads the table.
        table: ``prompts`` or ``responses``.
        key: The id column of the table.
        part: Which part; the shard's own by default.
    """
    frame = work.read(table, [key, "messages"], part=part)
    joined = pl.col("messages").list.eval(pl.element().struct.field("content")).list.join("\n\n")
    rows = frame.select(key, joined.alias("text"))
    return rows[key].to_list(), rows["text"].to_list()


def tool_text() -> pl.Expr:
    """Return the tool fields of a message, an element of a list, as text; empty without tools."""
    parts = [pl.element().struct.field(name) for name in TOOL_PARTS]
    return pl.concat_str(*parts, separator="\n", ignore_nulls=True)


def join_sides(pairs: pl.DataFrame, facts: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Join columns of responses to both sides of pairs.

    Args:
        pairs: With ``chosen_id`` and ``rejected_id``.
        facts: With ``response_id``, one row per response.
        columns: The columns to join; column X becomes ``chosen_X`` and ``rejected_X``.

    Returns:
        The pairs in their order, with the new columns.
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
