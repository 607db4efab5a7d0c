"""Samples with scores beside them: distilabel's ratings, on-policy sets with rewards.

What comes in: a list of responses and a list of numbers. What goes out: one rating a response. What
never happens: a null rating that shifts the others.
"""

from prefine.ingest.record import (
    Candidate,
    Context,
    Label,
    Reason,
    Record,
    RowError,
    get,
    items,
    optional,
    prompt_of,
    rating,
    response_of,
)
from prefine.ingest.trl import group_of
from prefine.schema import Kind, Winner
from prefine.schema.json import Json, is_array


def detect_distilabel(row: Json) -> str | None:
    """Tell whether generations stand in a list beside their ratings."""
    if {"instruction", "generations", "ratings"} <= row.keys():
        return "`instruction`, `generations` and `ratings`"
    return None


def parse_distilabel(row: Json, _: Context) -> Record:
    """Read generations with ratings, some of which may be null."""
    generations, ratings = items(row, "generations"), items(row, "ratings")
    models = row.get("generation_models")
    names = models if is_array(models) else [None] * len(generations)
    if not len(generations) == len(ratings) == len(names):
        raise RowError(Reason.WRONG_TYPE, "`generations` and `ratings` differ in length")
    candidates = [
        Candidate(response_of(value, "generations"), None if name is None else str(name))
        for value, name in zip(generations, names, strict=True)
    ]
    judge = optional(row, "model_name")
    labels = [rating(i, value, "overall", judge) for i, value in enumerate(ratings)]
    return Record(prompt_of(get(row, "instruction"), "instruction"), candidates, labels)


def detect_on_policy(row: Json) -> str | None:
    """Tell whether all samples of a policy stand beside their rewards."""
    if {"all_generated_responses", "all_rm_scores"} <= row.keys():
        return "`all_generated_responses` and `all_rm_scores`"
    return None


def parse_on_policy(row: Json, _: Context) -> Record:
    """Read all samples with their rewards, and the published pair where it is given."""
    values, scores = items(row, "all_generated_responses"), items(row, "all_rm_scores")
    if len(values) != len(scores):
        raise RowError(Reason.WRONG_TYPE, "responses and scores differ in number")
    candidates = [Candidate(response_of(value, "all_generated_responses")) for value in values]
    labels = [rating(i, score, "overall") for i, score in enumerate(scores)]
    if row.get("chosen") is not None and row.get("rejected") is not None:
        ends = [response_of(row[side], side)[-1:] for side in ("chosen", "rejected")]
        known = [candidate.messages for candidate in candidates]
        for end in ends:
            if end not in known:
                known.append(end)
                candidates.append(Candidate(end))
        winner, loser = (known.index(end) for end in ends)
        labels.append(Label(Kind.PAIR, winner, loser, Winner.A, label="chosen"))
    return Record(prompt_of(get(row, "prompt"), "prompt"), candidates, labels, group=group_of(row))
