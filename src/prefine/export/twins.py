"""Prompts that differ only by white space, case or Unicode form."""

from hashlib import sha256
from unicodedata import normalize

import polars as pl

from prefine.step import Work
from prefine.tables.texts import tool_text

_NO_INK = r"[\p{Z}\p{Cc}\p{Cf}]+"
"""White space, controls, and format characters such as the zero-width space."""


def twin_keys(work: Work, part: int) -> list[bytes]:
    """Return a key for each prompt of one part, equal for twins.

    Args:
        work: Reads ``prompts``.
        part: Which part.
    """
    content = pl.element().struct.field("content")
    turn = pl.concat_str(content, tool_text(), ignore_nulls=True)
    said = pl.col("messages").list.eval(turn).list.join("")
    prompts = work.read("prompts", ["messages", "tools"], part=part)
    texts = prompts.select(pl.concat_str(said, "tools", ignore_nulls=True).alias("text"))["text"]
    return [sha256(text.encode()).digest()[:16] for text in bare(texts)]


def bare(texts: pl.Series) -> pl.Series:
    """Return texts as NFKC of their case-folded NFKC, without white space, controls and formats."""
    folded = [text.lower() if text.isascii() else _folded(text) for text in texts]
    return pl.Series(folded, dtype=pl.String).str.replace_all(_NO_INK, "")


def _folded(text: str) -> str:
    return normalize("NFKC", normalize("NFKC", text).casefold())
