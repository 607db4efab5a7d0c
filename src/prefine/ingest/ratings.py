"""Rated responses: UltraFeedback, HelpSteer2, distilabel, on-policy sets, LLMEval-2, domains.

What comes in: rows with numbers for one or several responses. What goes out: one rating a response
and aspect. What never happens: a missing number read as zero, or two scales read as one aspect.
"""

import re

from prefine.ingest.record import (
    Candidate,
    Context,
    Label,
    Reason,
    Record,
    RowError,
    couple,
    get,
    messages,
    number,
    optional,
    prompt_of,
    response_of,
    text,
)
from prefine.ingest.trl import group_of
from prefine.schema import Kind, Message, Winner
from prefine.schema.json import Json, is_array, is_object

_ASPECTS_HELPSTEER = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
_FLATTENED = re.compile(r"\n?<extra_id_1>(User|Assistant)\n")


def rating(index: int, value: object, aspect: str, annotator: str | None = None) -> Label:
    """Return a rating; a missing number is kept as a label that says nothing."""
    found = number(value, aspect)
    raw = None if value is None else str(value)
    winner = Winner.INVALID if found is None else None
    return Label(
        Kind.RATING,
        index,
        None,
        winner,
        rating=found,
        aspect=aspect,
        annotator=annotator,
        label=raw,
    )


def items(row: Json, key: str) -> list[object]:
    """Return a list that must be there and not be empty."""
    found = get(row, key)
    if not is_array(found) or not found:
        raise RowError(Reason.WRONG_TYPE, f"`{key}` is not a list with items")
    return found


def detect_ultrafeedback(row: Json) -> str | None:
    """Tell whether completions carry annotations by aspect."""
    found = row.get("completions")
    if "instruction" in row and is_array(found) and found and is_object(found[0]):
        return "`instruction` with `completions` that carry `annotations`"
    return None


def parse_ultrafeedback(row: Json, _: Context) -> Record:
    """Read up to four completions with up to four aspects, each rated in text."""
    prompt = prompt_of(get(row, "instruction"), "instruction")
    candidates: list[Candidate] = []
    labels: list[Label] = []
    systems: set[str | None] = set()
    for index, item in enumerate(items(row, "completions")):
        if not is_object(item):
            raise RowError(Reason.WRONG_TYPE, f"`completions[{index}]` is not an object")
        system = optional(item, "custom_system_prompt")
        systems.add(system)
        turns = response_of(item.get("response"), f"completions[{index}].response")
        meta = None if system is None else {"system": system}
        candidates.append(Candidate(turns, optional(item, "model"), meta))
        labels += _annotations(index, item)
    group = optional(row, "source")
    return Record(prompt, candidates, labels, group=group, context_mismatch=len(systems) > 1)


def _annotations(index: int, item: Json) -> list[Label]:
    found: object = item.get("annotations", {})
    if not is_object(found):
        raise RowError(Reason.WRONG_TYPE, f"`completions[{index}].annotations` is not an object")
    labels = [
        rating(index, note.get("Rating") if is_object(note) else note, aspect)
        for aspect, note in found.items()
    ]
    if item.get("overall_score") is not None:
        labels.append(rating(index, item["overall_score"], "overall"))
    return labels


def detect_helpsteer2(row: Json) -> str | None:
    """Tell whether one response a row carries the five HelpSteer2 attributes."""
    if {"prompt", "response", "helpfulness", "correctness"} <= row.keys():
        return "`prompt`, `response` and the ratings `helpfulness`, `correctness`, ..."
    return None


def parse_helpsteer2(row: Json, _: Context) -> Record:
    """Read one response with its attributes."""
    candidate = Candidate(response_of(row.get("response"), "response"))
    labels = [rating(0, row[aspect], aspect) for aspect in _ASPECTS_HELPSTEER if aspect in row]
    return Record(flattened(get(row, "prompt")), [candidate], labels)


def flattened(value: object) -> list[Message]:
    """Read a prompt whose turns were joined with ``<extra_id_1>User`` and ``Assistant`` marks."""
    whole = text(value, "prompt")
    first, *rest = _FLATTENED.split(whole)
    turns = [Message(role="user", content=first)]
    for role, said in zip(rest[::2], rest[1::2], strict=True):
        turns.append(Message(role=role.lower(), content=said))
    return turns


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


def detect_llmeval2(row: Json) -> str | None:
    """Tell whether a dialogue carries stars by aspect."""
    if {"dialog", "stars", "llm_name"} <= row.keys():
        return "`dialog` with `stars` for one model"
    return None


def parse_llmeval2(row: Json, context: Context) -> Record:
    """Read a dialogue whose last turn is rated; the path says who rated."""
    turns = messages(get(row, "dialog"), "dialog")
    stars = get(row, "stars")
    if not is_object(stars):
        raise RowError(Reason.WRONG_TYPE, "`stars` is not an object")
    annotator = context.fields.get("annotator")
    return Record(
        turns[:-1],
        [Candidate(turns[-1:], optional(row, "llm_name"))],
        [rating(0, value, aspect, annotator) for aspect, value in stars.items()],
        group=optional(row, "type"),
    )


def detect_domains(row: Json) -> str | None:
    """Tell whether one response a domain answers a query."""
    if "query" in row and is_object(row.get("responses")):
        return "`query` with `responses` by domain; a preference exists once a domain is chosen"
    return None


def parse_domains(row: Json, context: Context) -> Record:
    """Rate the wanted domain's response 1 and all others 0."""
    responses, wanted = get(row, "responses"), context.source.domain
    if not is_object(responses) or wanted not in responses:
        raise RowError(Reason.MISSING_VALUE, f"`responses` has no domain {wanted!r}")
    candidates = [
        Candidate(response_of(value, f"responses.{domain}"), meta={"domain": domain})
        for domain, value in responses.items()
    ]
    labels = [rating(i, float(d == wanted), "domain") for i, d in enumerate(responses)]
    return Record(prompt_of(get(row, "query"), "query"), candidates, labels)


def detect_rmb_bon(row: Json) -> str | None:
    """Tell whether one response is named the best of several."""
    if {"conversation_input", "bon_best", "loser_list"} <= row.keys():
        return "`bon_best` against `loser_list`"
    return None


def parse_rmb_bon(row: Json, _: Context) -> Record:
    """Read the best response against each of the others."""
    best, losers = get(row, "bon_best"), items(row, "loser_list")
    prompt = messages(get(row, "conversation_input"), "conversation_input")
    candidates = [named(value, "loser_list") for value in [best, *losers]]
    labels = [Label(Kind.PAIR, 0, i, Winner.A, label="bon_best") for i in range(1, len(candidates))]
    return Record(prompt, candidates, labels, group=optional(row, "category_path"))


def detect_rmb_pairwise(row: Json) -> str | None:
    """Tell whether a conversation has a chosen and a ``reject`` answer."""
    if {"conversation_input", "chosen", "reject"} <= row.keys():
        return "`conversation_input` with `chosen` and `reject`"
    return None


def parse_rmb_pairwise(row: Json, _: Context) -> Record:
    """Read a pair of named answers."""
    prompt = messages(get(row, "conversation_input"), "conversation_input")
    candidates = [named(get(row, side), side) for side in ("chosen", "reject")]
    labels = [couple(Winner.A, label="chosen")]
    return Record(prompt, candidates, labels, group=optional(row, "category_path"))


def named(value: object, what: str) -> Candidate:
    """Read an object with ``llm_name`` and ``answer``."""
    model = optional(value, "llm_name") if is_object(value) else None
    return Candidate(response_of(value, what), model)
