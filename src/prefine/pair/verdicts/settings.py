"""Settings of human verdicts, and the parser of their values."""

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
"""Weight of verdicts that take precedence over all labels."""

_NOT_A_LETTER = re.compile(r"[\s_-]+")


class Word(StrEnum):
    """A human verdict on a pair."""

    RIGHT = "right"
    """The response that was shown as chosen is better."""
    WRONG = "wrong"
    """The response that was shown as rejected is better."""
    TIE = "tie"
    """Both responses are equally good."""
    BOTH_BAD = "both_bad"
    """Both responses are bad."""
    DROP = "drop"
    """The pair should not be used in either direction."""


class Verdicts(KeyedFiles):
    """Files of human verdicts on pairs: ``right``, ``wrong``, ``tie``, ``both_bad`` or ``drop``.

    ``right`` and ``wrong`` refer to the response that the row names as chosen (in ``chosen_id``, or
    the text ``chosen``); otherwise to the response that the label of the source row prefers;
    otherwise to the response that the labels of the pair prefer.
    """

    owner: ClassVar[str] = "verdicts"

    name: Name = "review"
    """Name of the entry in messages and notes, unique in a recipe."""
    verdict: str = Field(default="verdict", min_length=1)
    """Dotted path of the verdict; case, blanks and dashes are ignored."""
    by: str | None = Field(default=None, min_length=1)
    """Dotted path of the reviewer, each of whom has one vote on a pair; null means that all
    verdicts are by one reviewer."""
    at: str | None = Field(default=None, min_length=1)
    """Dotted path of the time: a number, or a date and time in ISO 8601. Of several verdicts of a
    reviewer on a pair, only the latest counts."""
    weight: Literal["outranks"] | Annotated[float, Field(gt=0, le=1_000_000)] = OUTRANKS
    """``outranks``: the verdict determines the direction of the pair regardless of its labels, and
    rules without ``verdicts: true`` cannot drop, hold or flip a pair with the verdict right or
    wrong. A number: the verdict is a further vote of this weight among the labels."""

    @property
    def unit(self) -> Unit:
        """The unit that a row is about."""
        return "pair"

    def value_paths(self) -> Mapping[str, str]:
        """Return the dotted path of each value by its name."""
        paths = {"verdict": self.verdict, "by": self.by, "at": self.at}
        return {name: path for name, path in paths.items() if path is not None}


def parse_verdicts(rows: pl.DataFrame) -> pl.DataFrame:
    """Parse the values of keyed rows as verdicts.

    Args:
        rows: Keyed rows; ``values`` is a JSON object.

    Returns:
        ``word``, ``by``, ``at`` (in seconds), ``at_text``, and ``unusable``: why the row has no
        usable verdict, or null.
    """
    schema = {"word": pl.String, "by": pl.String, "at": pl.Float64, "at_text": pl.String}
    verdicts = [_parse_verdict(orjson.loads(text)) for text in rows["values"]]
    return pl.DataFrame(verdicts, schema={**schema, "unusable": pl.String}, orient="row")


def _parse_verdict(values: Mapping[str, object]) -> tuple[object, ...]:
    """Return the columns of ``parse_verdicts`` for one row."""
    raw, by, at = values["verdict"], _text(values.get("by")), _text(values.get("at"))
    if _text(raw) is None:
        return None, by, None, at, "no_verdict"
    word = _NOT_A_LETTER.sub("_", str(raw).strip().lower())
    if word not in set(Word):
        return None, by, None, at, "unknown_verdict"
    if at is None:
        return word, by, None, None, None
    time = _time(at)
    return word, by, time, at, None if time is not None else "unknown_time"


def _text(value: object) -> str | None:
    """Return a value as trimmed text, or None if it is blank."""
    return None if value is None or not str(value).strip() else str(value).strip()


def _time(text: str) -> float | None:
    """Return a time in seconds, from a number or ISO 8601; a time without a zone is in UTC."""
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
