"""Prompts that differ only by white space, case or Unicode form."""

from hashlib import sha256
from unicodedata import normalize

import polars as pl

from prefine.step import Work
from prefine.tables.texts import tool_text

_INVISIBLE = r"[\p{Z}\p{Cc}\p{Cf}]+"
"""White space, control characters, and format characters such as the zero-width space."""


def twin_keys(work: Work, part: int) -> list[bytes]:
    """Return a key for each prompt of one part, equal for twins.

    Args:
        work: Reads ``prompts``.
        part: Number of the part.
    """
    content = pl.element().struct.field("content")
    turn = pl.concat_str(content, tool_text(), ignore_nulls=True)
    words = pl.col("messages").list.eval(turn).list.join("")
    prompts = work.read("prompts", ["messages", "tools"], part=part)
    texts = prompts.select(pl.concat_str(words, "tools", ignore_nulls=True).alias("text"))["text"]
    return [sha256(text.encode()).digest()[:16] for text in without_form(texts)]


def without_form(texts: pl.Series) -> pl.Series:
    """Return texts after NFKC, case folding and NFKC, without invisible characters."""
    folded = [text.lower() if text.isascii() else _folded(text) for text in texts]
    return pl.Series(folded, dtype=pl.String).str.replace_all(_INVISIBLE, "")


def _folded(text: str) -> str:
    return normalize("NFKC", normalize("NFKC", text).casefold())
