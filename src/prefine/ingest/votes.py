"""Several comparisons in one row: PandaLM's annotators, FineGrained's couples, RM-Bench's styles.

What comes in: two or more responses and a list of choices. What goes out: one label a choice. What
never happens: votes that are merged before they are stored.
"""

from typing import Any

from prefine.ingest.record import (
    Candidate,
    Context,
    Label,
    Reason,
    Record,
    RowError,
    couple,
    get,
    items,
    listed,
    optional,
    prompt_of,
    response_of,
    text,
)
from prefine.ingest.trl import group_of
from prefine.schema import Kind, Winner
from prefine.schema.json import Json, is_array

_CHOICES: dict[Any, Winner] = {0: Winner.TIE, 1: Winner.A, 2: Winner.B}


def detect_pandalm(row: Json) -> str | None:
    """Tell whether three annotators chose between two responses."""
    if {"response1", "response2", "annotator1", "cmp_key"} <= row.keys():
        return "`response1`, `response2` and `annotator1`, ..."
    return None


def parse_pandalm(row: Json, _: Context) -> Record:
    """Read each annotator's 0 (tie), 1 or 2."""
    asked, given = get(row, "instruction"), optional(row, "input")
    asked = text(asked, "instruction")
    models = (optional(row, "cmp_key") or "").split("_")
    names = models if len(models) == 2 else [None, None]  # noqa: PLR2004 - a_b
    candidates = [
        Candidate(response_of(row.get(f"response{i + 1}"), f"response{i + 1}"), names[i])
        for i in (0, 1)
    ]
    labels = [
        couple(listed(_CHOICES, row[key], key), label=str(row[key]), annotator=key)
        for key in sorted(row)
        if key.startswith("annotator")
    ]
    prompt = prompt_of(f"{asked}\n\n{given}" if given else asked, "instruction")
    return Record(prompt, candidates, labels, group=optional(row, "motivation_app"))


def detect_reward_bench_2(row: Json) -> str | None:
    """Tell whether lists of correct and wrong responses stand beside their numbers."""
    if {"prompt", "chosen", "rejected", "num_correct", "total_completions"} <= row.keys():
        return "lists `chosen` and `rejected`, with `num_correct` and `total_completions`"
    return None


def parse_reward_bench_2(row: Json, _: Context) -> Record:
    """Read correct and wrong responses: each correct one against each wrong one."""
    correct, wrong = (items(row, side) for side in ("chosen", "rejected"))
    couples = [(a, len(correct) + b) for a in range(len(correct)) for b in range(len(wrong))]
    return _lists(row, [*correct, *wrong], couples)


def _lists(row: Json, responses: list[object], couples: list[tuple[int, int]]) -> Record:
    """Build the record of lists of responses, of which the first of each couple is better."""
    candidates = [Candidate(response_of(value, "chosen")) for value in responses]
    labels = [Label(Kind.PAIR, a, b, Winner.A, label="chosen") for a, b in couples]
    return Record(prompt_of(get(row, "prompt"), "prompt"), candidates, labels, group=group_of(row))


def detect_rm_bench(row: Json) -> str | None:
    """Tell whether chosen and rejected are lists of variants."""
    if "num_correct" in row:
        return None
    sides = [row.get("chosen"), row.get("rejected")]
    if isinstance(row.get("prompt"), str) and all(
        is_array(side) and side and isinstance(side[0], str) for side in sides
    ):
        return "`chosen` and `rejected` are lists of texts"
    return None


def parse_rm_bench(row: Json, _: Context) -> Record:
    """Read variants written in the same styles: each chosen against its own rejected."""
    chosen, rejected = (items(row, side) for side in ("chosen", "rejected"))
    if len(chosen) != len(rejected):
        raise RowError(Reason.WRONG_TYPE, "`chosen` and `rejected` differ in length")
    return _lists(row, [*chosen, *rejected], [(i, len(chosen) + i) for i in range(len(chosen))])


def detect_finegrained(row: Json) -> str | None:
    """Tell whether four predictions carry all six comparisons."""
    if {"question", "prediction 1", "prediction 4", "preference"} <= row.keys():
        return "`prediction 1` to `prediction 4` with six preferences"
    return None


def parse_finegrained(row: Json, _: Context) -> Record:
    """Read the comparisons (1,2) (1,3) (1,4) (2,3) (2,4) (3,4): 0 is a tie, else the winner."""
    keys = [f"prediction {i}" for i in range(1, 5)]
    candidates = [Candidate(response_of(row.get(key), key)) for key in keys]
    couples = [(a, b) for a in range(4) for b in range(a + 1, 4)]
    found = items(row, "preference")
    if len(found) != len(couples):
        raise RowError(Reason.WRONG_TYPE, "`preference` does not hold six values")
    labels = [
        Label(Kind.PAIR, a, b, listed(_CHOICES, value, "preference"), label=str(value))
        for (a, b), value in zip(couples, found, strict=True)
    ]
    return Record(prompt_of(get(row, "question"), "question"), candidates, labels)
