"""Columns of pairs that are known before any measure: of the texts, the prompt and the ratings."""

from typing import Literal

import polars as pl

from prefine.pair.ratings import Merits, rating_facts
from prefine.pair.settings import Pairs
from prefine.pair.turns import prompt_turns, roles_of, with_turns
from prefine.schema import pair_id
from prefine.step import Work
from prefine.tables.texts import tool_text

_SIDES = ("chosen", "rejected")
_BLANK = r"[\s\u{200B}\u{2060}\u{FEFF}]+"
"""White space, zero-width spaces and byte-order marks."""
_HUMAN = ("human_verdict", "human_by", "human_at")
"""Columns that are null until human verdicts are joined."""


def with_facts(
    pairs: pl.DataFrame, work: Work, ratings: pl.DataFrame, config: Pairs, merits: Merits
) -> pl.DataFrame:
    """Add pair ids, ratings, and facts about the texts of both sides and about the prompt.

    Args:
        pairs: Directed pairs.
        work: Reads ``responses`` and ``prompts``.
        ratings: Judgements of kind rating.
        config: The weights of aspects, and when two sides are identical.
        merits: Published weights of aspects by source.
    """
    names = [pair_id(a, b) for a, b in zip(pairs["low"], pairs["high"], strict=True)]
    pairs = pairs.with_columns(pl.Series("pair_id", names, dtype=pl.String))
    pairs = _with_texts(pairs, work, config.identical)
    rated = rating_facts(pairs, ratings, config.aspects, merits)
    pairs = pairs.join(rated, on=["low", "high"], how="left")
    prompts = work.read("prompts", ["prompt_id", "messages", "group", "language"])
    for facts in (prompts.drop("messages"), prompt_turns(prompts)):
        pairs = pairs.join(facts, on="prompt_id", how="left", maintain_order="left")
    return with_turns(pairs).with_columns(
        *(pl.lit(None, pl.String).alias(name) for name in _HUMAN), num_verdicts=pl.lit(0, pl.Int64)
    )


def _with_texts(
    pairs: pl.DataFrame, work: Work, identical: Literal["normalized", "exact"]
) -> pl.DataFrame:
    """Add whether the sides are blank or identical, and the roles of their messages."""
    responses = work.read("responses", ["response_id", "messages"])
    content = pl.element().struct.field("content").str.strip_chars() + tool_text()
    texts = pl.col("messages").list.eval(content)
    facts = responses.select(
        "response_id",
        (texts.list.join("") == "").cast(pl.Int64).alias("blank"),
        roles_of(pl.col("messages")).alias("roles"),
        normalized(pl.col("messages")).alias("normal"),
    )
    for side in _SIDES:
        of_side = facts.rename({name: f"{side}_{name}" for name in ("blank", "roles", "normal")})
        pairs = pairs.join(
            of_side.rename({"response_id": f"{side}_id"}),
            on=f"{side}_id",
            how="left",
            maintain_order="left",
        )
    same = pl.col("low") == pl.col("high")
    if identical == "normalized":
        same |= pl.col("chosen_normal") == pl.col("rejected_normal")
    return pairs.with_columns(
        same.alias("is_identical"),
        (pl.col("is_contradiction") & ~same).alias("is_contradiction"),
        (pl.col("chosen_blank") + pl.col("rejected_blank")).alias("num_empty"),
    ).drop(f"{side}_{name}" for side in _SIDES for name in ("blank", "normal"))


def normalized(messages: pl.Expr) -> pl.Expr:
    """Return each message as normalized text: role, trimmed content in NFC, and tool calls.

    White space, zero-width spaces and byte-order marks are trimmed; line ends become line feeds.

    Args:
        messages: A column of lists of messages.
    """
    turn = pl.element().struct
    text = turn.field("content").str.replace_all("\r\n?", "\n").str.normalize("NFC")
    trimmed = text.str.replace_all(f"^{_BLANK}|{_BLANK}$", "")
    whole = pl.concat_str(turn.field("role"), trimmed, tool_text(), separator="\n")
    return messages.list.eval(whole)
