"""Builders of records of pairs and lists of responses, with the columns of published data sets."""

from prefine.ingest.labels import pair_label, rating_label
from prefine.ingest.messages import common_prompt, prompt_of, response_of
from prefine.ingest.record import Candidate, Label, Reason, Record, RowError
from prefine.ingest.values import number, optional, required
from prefine.schema import Kind, Message, Winner
from prefine.settings.json import Json, is_object

SIDES = ("chosen", "rejected")
_MODELS = {
    "chosen": ("chosen_model", "chonsen_model", "chosen-model", "model_chosen"),
    "rejected": ("rejected_model", "rejected-model", "model_rejected"),
}
"""Columns with the model of a side; a published data set spells it ``chonsen_model``."""
_RATINGS = {
    side: (
        *(f"{side}_rating", f"rating_{side}", f"score_{side}", f"{side}_score", f"{side}-rating"),
        f"{side}_avg_rating",
    )
    for side in SIDES
}
_GROUPS = ("subset", "category", "source", "domain", "dataset", "scenario")


def pair_record(
    row: Json,
    prompt: list[Message],
    chosen: list[Message],
    rejected: list[Message],
    *,
    mismatch: bool = False,
) -> Record:
    """Build the record of a labelled pair, with the models and ratings of its sides.

    Args:
        row: The raw row, for models, ratings, group and language.
        prompt: The turns of the prompt.
        chosen: The turns of the chosen response.
        rejected: The turns of the rejected response.
        mismatch: Whether the responses have different contexts.
    """
    sides = zip(SIDES, (chosen, rejected), strict=True)
    candidates = [Candidate(turns, _first(row, _MODELS[side])) for side, turns in sides]
    labels = [pair_label(Winner.A, label="chosen")]
    for index, side in enumerate(SIDES):
        raw = _first(row, _RATINGS[side])
        rating = number(raw, f"rating of {side}")
        if rating is not None:
            labels.append(Label(Kind.RATING, index, rating=rating, aspect="overall", label=raw))
    return Record(
        prompt,
        candidates,
        labels,
        group=group_of(row),
        language=optional(row, "language"),
        context_mismatch=mismatch,
    )


def _first(row: Json, names: tuple[str, ...]) -> str | None:
    """Return the value of the first of some columns that is not missing."""
    for name in names:
        if name in row and (value := optional(row, name)) is not None:
            return value
    return None


def conversation_pair(row: Json, chosen: list[Message], rejected: list[Message]) -> Record:
    """Build the record of two whole conversations, whose common beginning is the prompt."""
    length, mismatch = common_prompt(chosen, rejected)
    return pair_record(row, chosen[:length], chosen[length:], rejected[length:], mismatch=mismatch)


def listed_pairs(row: Json, responses: list[object], pairs: list[tuple[int, int]]) -> Record:
    """Build the record of a list of responses with pairwise labels.

    Args:
        row: The raw row, with the column ``prompt``.
        responses: The raw responses.
        pairs: Indexes of (better, worse) responses.
    """
    candidates = [listed_candidate(value, "chosen") for value in responses]
    labels = [Label(Kind.PAIR, a, b, Winner.A, label="chosen") for a, b in pairs]
    prompt = prompt_of(required(row, "prompt"), "prompt")
    return Record(prompt, candidates, labels, group=group_of(row))


def listed_candidate(
    value: object, what: str, model: object = None, meta: Json | None = None
) -> Candidate:
    """Parse a response of a list; null becomes a missing candidate without messages."""
    turns: list[Message] = [] if value is None else response_of(value, what)
    return Candidate(turns, None if model is None else str(model), meta)


def named_candidate(value: object, what: str) -> Candidate:
    """Parse an object of a list with ``llm_name`` and ``answer``."""
    model = optional(value, "llm_name") if is_object(value) else None
    return listed_candidate(value, what, model)


def sampled_record(
    row: Json, prompt: list[Message], responses: list[object], scores: list[object]
) -> Record:
    """Build the record of all samples of a policy with their rewards.

    If the row has ``chosen`` and ``rejected``, the published pair is a further label.

    Raises:
        RowError: The numbers of responses and scores differ, or a value cannot be parsed.
    """
    if len(responses) != len(scores):
        raise RowError(Reason.WRONG_TYPE, f"{len(responses)} responses but {len(scores)} scores")
    candidates = [listed_candidate(value, "responses") for value in responses]
    labels = [rating_label(i, score, "overall") for i, score in enumerate(scores)]
    if row.get("chosen") is not None and row.get("rejected") is not None:
        labels.append(_published_pair(row, candidates))
    return Record(prompt, candidates, labels, group=group_of(row))


def _published_pair(row: Json, candidates: list[Candidate]) -> Label:
    """Return the label of the published pair, adding its sides to the candidates if missing."""
    indexes: list[int] = []
    for last_turn in [response_of(row[side], side)[-1:] for side in SIDES]:
        responses = [candidate.messages for candidate in candidates]
        if last_turn not in responses:
            candidates.append(Candidate(last_turn))
            responses.append(last_turn)
        indexes.append(responses.index(last_turn))
    winner, loser = indexes
    return Label(Kind.PAIR, winner, loser, Winner.A, label="chosen")


def group_of(row: Json) -> str | None:
    """Return the subset of a row from the first non-empty column with a usual name."""
    for key in _GROUPS:
        if key in row and (group := optional(row, key)):
            return group
    return None
