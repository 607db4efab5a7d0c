"""Human verdicts on pairs: what a recipe says of their files, and how their values are read."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

import orjson
import polars as pl
from pydantic import Field

from prefine.settings import Name
from prefine.tables.keyed import KeyedFiles, Unit

OUTRANKS = "outranks"
"""The weight of verdicts that come before all labels."""

_NOT_A_LETTER = re.compile(r"[\s_-]+")


class Word(StrEnum):
    """What a human says of a pair."""

    RIGHT = "right"
    """The response that was shown as chosen is better."""
    WRONG = "wrong"
    """The other one is."""
    TIE = "tie"
    BOTH_BAD = "both_bad"
    DROP = "drop"
    """The pair teaches nothing, whatever its direction."""


class Verdicts(KeyedFiles):
    """Files of human verdicts on pairs: right, wrong, tie, both bad or drop.

    ``right`` and ``wrong`` are about the response that the row names in ``chosen_id`` (or in the
    text ``chosen``), else about the one that the raw row's own label prefers, else about the pair's
    direction by its labels.
    """

    owner: ClassVar[str] = "verdicts"

    name: Name = "review"
    """Stands in messages and notes; each entry of a recipe has its own."""
    verdict: str = Field(default="verdict", min_length=1)
    """Dotted path of the verdict, spelt in any case, with blanks or dashes."""
    by: str | None = Field(default=None, min_length=1)
    """Dotted path of who gave it. Several people vote; without it, one did."""
    at: str | None = Field(default=None, min_length=1)
    """Dotted path of when: a number, or a date and time in ISO 8601. Of several verdicts by one
    person on a pair the latest counts."""
    weight: Literal["outranks"] | Annotated[float, Field(gt=0, le=1_000_000)] = OUTRANKS
    """``outranks``: it directs the pair, whatever the labels say, and no rule that does not name
    verdicts drops, holds or flips a pair that a human called right or wrong. A number: it is one
    more vote, of this weight, among the labels that direct the pair."""

    @property
    def unit(self) -> Unit:
        """What one row is about."""
        return "pair"

    def value_paths(self) -> Mapping[str, str]:
        """Return the dotted path of each value, by its name."""
        paths = {"verdict": self.verdict, "by": self.by, "at": self.at}
        return {name: path for name, path in paths.items() if path is not None}


def parsed(rows: pl.DataFrame) -> pl.DataFrame:
    """Read the values of keyed rows.

    Args:
        rows: With ``values``, JSON objects.

    Returns:
        ``word``, ``by``, ``at`` (seconds), ``at_text``, and ``unusable``: why the row says nothing.
    """
    schema = {"word": pl.String, "by": pl.String, "at": pl.Float64, "at_text": pl.String}
    found = [_parsed(orjson.loads(text)) for text in rows["values"]]
    return pl.DataFrame(found, schema={**schema, "unusable": pl.String}, orient="row")


def _parsed(values: Mapping[str, object]) -> tuple[object, ...]:
    word, by, at = values["verdict"], _text(values.get("by")), _text(values.get("at"))
    if _text(word) is None:
        return None, by, None, at, "no_verdict"
    spelt = _NOT_A_LETTER.sub("_", str(word).strip().lower())
    if spelt not in set(Word):
        return None, by, None, at, "unknown_verdict"
    if at is None:
        return spelt, by, None, None, None
    time = _time(at)
    return spelt, by, time, at, None if time is not None else "unknown_time"


def _text(value: object) -> str | None:
    """Return a value as text; null where it is blank."""
    return None if value is None or not str(value).strip() else str(value).strip()


def _time(text: str) -> float | None:
    """Return seconds, of a number or a time in ISO 8601; a time without a zone is UTC."""
    try:
        number = float(text)
    except ValueError:
        return _timestamp(text)
    return number if math.isfinite(number) else None


def _timestamp(text: str) -> float | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
