"""Transcripts: Anthropic's HH-RLHF, and scored texts in the same or a similar spelling.

What comes in: ``chosen`` and ``rejected`` (or ``text`` and ``score``) as whole transcripts. What
goes out: records whose prompt is what both sides share. What never happens: a turn that is cut
because the two transcripts differ in length.
"""

import re

from prefine.ingest.record import (
    Candidate,
    Context,
    Reason,
    Record,
    RowError,
    choose,
    couple,
    get,
    number,
    part,
    text,
)
from prefine.ingest.trl import pair_record
from prefine.schema import Message
from prefine.schema.json import Json, is_array

_MARK = re.compile(r"(?:^|\n\n)(?:## )?(Human|Assistant):[ \n]?")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def transcript(value: object, what: str) -> list[Message]:
    """Split a transcript at its ``Human:`` and ``Assistant:`` marks."""
    whole = text(value, what)
    marks = list(_MARK.finditer(whole))
    if not marks or whole[: marks[0].start()].strip():
        raise RowError(Reason.NOT_A_TRANSCRIPT, f"`{what}` does not start with a Human mark")
    ends = [mark.start() for mark in marks[1:]] + [len(whole)]
    return [
        Message(role=_ROLES[mark[1]], content=whole[mark.end() : end].rstrip("\n"))
        for mark, end in zip(marks, ends, strict=True)
    ]


def detect(row: Json) -> str | None:
    """Tell whether chosen and rejected are transcripts."""
    sides = [row.get("chosen"), row.get("rejected")]
    if "prompt" not in row and all(isinstance(s, str) and "\n\nAssistant:" in s for s in sides):
        return "`chosen` and `rejected` are transcripts with Human and Assistant marks"
    return None


def parse(row: Json, _: Context) -> Record:
    """Read two transcripts, the first of which is the preferred one."""
    sides = [transcript(get(row, side), side) for side in ("chosen", "rejected")]
    length, mismatch = part(*sides)
    prompt = sides[0][:length]
    return pair_record(row, prompt, *(s[length:] for s in sides), mismatch=mismatch)


def detect_scored(row: Json) -> str | None:
    """Tell whether two transcripts stand in a list beside their scores."""
    if is_array(row.get("text")) and is_array(row.get("score")):
        return "`text` and `score` are lists"
    return None


def parse_scored(row: Json, _: Context) -> Record:
    """Read two transcripts; the higher score wins, equal scores are a tie."""
    texts, scores = get(row, "text"), get(row, "score")
    if not is_array(texts) or not is_array(scores) or not len(texts) == len(scores) == 2:  # noqa: PLR2004
        raise RowError(Reason.WRONG_TYPE, "`text` and `score` are not two values each")
    sides = [transcript(value, "text") for value in texts]
    length, mismatch = part(*sides)
    values = [number(score, "score") for score in scores]
    if None in values:
        raise RowError(Reason.LABEL_MISSING, "a score is missing")
    winner, strength = choose(float(values[1] or 0) - float(values[0] or 0))
    label = couple(winner, strength=strength, strength_unit="score", label=f"{scores}")
    candidates = [Candidate(side[length:]) for side in sides]
    return Record(sides[0][:length], candidates, [label], context_mismatch=mismatch)
