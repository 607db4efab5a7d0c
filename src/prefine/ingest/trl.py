"""TRL's own layouts, and the string-prompt-with-full-lists layout of H4, Tulu and distilabel.

What comes in: rows with ``chosen`` and ``rejected``, or with ``completion`` and ``label``. What
goes out: records with one label. What never happens: a prompt that stands twice, once alone and
once as the first message.
"""

from itertools import takewhile

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
    part,
    prompt_of,
    response_of,
    text,
)
from prefine.schema import Kind, Message, Winner
from prefine.schema.json import Json, is_array, is_object

_SIDES = ("chosen", "rejected")
_MODELS = {
    "chosen": ("chosen_model", "chonsen_model", "chosen-model", "model_chosen"),
    "rejected": ("rejected_model", "rejected-model", "model_rejected"),
}
"""Columns that name the model of a side, one of them as published sets really spell it."""
_RATINGS = {
    side: (f"{side}_rating", f"rating_{side}", f"score_{side}", f"{side}_score", f"{side}-rating")
    for side in _SIDES
}
_GROUPS = ("subset", "category", "source", "domain", "dataset", "scenario")
_PROMPTS = frozenset(
    {
        *("prompt", "prompts", "instruction", "question", "query", "input", "inputs", "context"),
        *("conversation", "conversations", "dialog", "dialogue", "history", "messages", "turns"),
        *("trajectory", "post", "title", "task", "text", "system", "user", "request", "problem"),
    }
)
"""Columns that may hold a prompt: beside one, texts are not taken to hold theirs inside."""


def detect_explicit(row: Json) -> str | None:
    """Tell whether prompt, chosen and rejected stand apart."""
    if not {"prompt", "chosen", "rejected"} <= row.keys() or "all_rm_scores" in row:
        return None
    prompt, chosen = row["prompt"], row["chosen"]
    if is_array(prompt) and (is_array(chosen) or is_object(chosen) or isinstance(chosen, str)):
        return "`prompt` is a list of messages beside `chosen` and `rejected`"
    if isinstance(prompt, str) and isinstance(chosen, str):
        return "`prompt`, `chosen` and `rejected` are texts"
    return None


def detect_h4(row: Json) -> str | None:
    """Tell whether a string prompt is repeated at the start of full message lists."""
    if not {"prompt", "chosen", "rejected"} <= row.keys() or "all_rm_scores" in row:
        return None
    if isinstance(row["prompt"], str) and _is_conversation(row["chosen"]):
        return "`prompt` is a text and `chosen` is a whole conversation"
    return None


def detect_implicit(row: Json) -> str | None:
    """Tell whether chosen and rejected are whole conversations and there is no prompt."""
    if row.keys() & {"prompt", "conversations", "instruction"}:
        return None
    for stem in ("", "_messages"):
        if _is_conversation(row.get(f"chosen{stem}")):
            return f"`chosen{stem}` is a whole conversation and there is no prompt"
    both = [row.get("chosen"), row.get("rejected")]
    texts = all(isinstance(side, str) and "\n\nAssistant:" not in side for side in both)
    if texts and not row.keys() & _PROMPTS:
        return "`chosen` and `rejected` are texts with the prompt inside"
    return None


def detect_unpaired(row: Json) -> str | None:
    """Tell whether single responses carry a thumb up or down."""
    if {"prompt", "completion", "label"} <= row.keys():
        return "`prompt`, `completion` and `label` stand for one response a row"
    return None


def _is_conversation(value: object) -> bool:
    return is_array(value) and len(value) > 1 and is_object(value[0])


def parse_explicit(row: Json, _: Context) -> Record:
    """Read prompt, chosen and rejected as they stand."""
    prompt = prompt_of(get(row, "prompt"), "prompt", optional(row, "system"))
    sides = [response_of(row.get(side), side) for side in ("chosen", "rejected")]
    return pair_record(row, prompt, *sides)


def parse_h4(row: Json, _: Context) -> Record:
    """Read full lists; the string prompt must be one of their turns, or nothing is certain."""
    record = _parted(row, *(messages(get(row, s), s) for s in ("chosen", "rejected")))
    wanted = text(get(row, "prompt"), "prompt").strip()
    if all(turn["content"].strip() != wanted for turn in record.prompt):
        raise RowError(Reason.PROMPT_DIFFERS, "`prompt` is no turn of `chosen`")
    return record


def parse_implicit(row: Json, _: Context) -> Record:
    """Read whole conversations; their common beginning is the prompt."""
    stem = "_messages" if "chosen_messages" in row else ""
    sides = [get(row, f"{side}{stem}") for side in ("chosen", "rejected")]
    if all(isinstance(side, str) for side in sides):
        return _common_text(row, *(str(side) for side in sides))
    return _parted(row, *(messages(s, n) for s, n in zip(sides, _SIDES, strict=True)))


def parse_unpaired(row: Json, _: Context) -> Record:
    """Read one response with its thumb."""
    prompt = prompt_of(get(row, "prompt"), "prompt")
    candidate = Candidate(response_of(row.get("completion"), "completion"), optional(row, "model"))
    return Record(prompt, [candidate], [thumb(row.get("label"))], group=group_of(row))


def thumb(value: object) -> Label:
    """Read a truth value, or 0 and 1, as a rating of the aspect ``thumb``."""
    if value not in (True, False, 0, 1):
        raise RowError(Reason.UNKNOWN_LABEL, "`label` is neither true nor false")
    rating = float(bool(value))
    return Label(Kind.RATING, 0, rating=rating, aspect="thumb", label=str(bool(value)).lower())


def _parted(row: Json, chosen: list[Message], rejected: list[Message]) -> Record:
    length, mismatch = part(chosen, rejected)
    return pair_record(row, chosen[:length], chosen[length:], rejected[length:], mismatch=mismatch)


def _common_text(row: Json, chosen: str, rejected: str) -> Record:
    """Split two texts before the word in which they part; TRL would split inside the word.

    A space goes with the response, as TRL has it; any other blank ends the prompt.
    """
    same = takewhile(lambda pair: pair[0] == pair[1], zip(chosen, rejected, strict=False))
    prefix = "".join(letter for letter, _ in same)
    if prefix in {chosen, rejected}:
        prefix = prefix.rstrip()
    blanks = [place for place, letter in enumerate(prefix) if letter.isspace()]
    prefix = prefix[: blanks[-1] + (prefix[blanks[-1]] != " ")] if blanks else ""
    if chosen == rejected or not prefix.strip():
        raise RowError(Reason.NO_COMMON_PROMPT, "the two texts share no beginning, or all")
    sides = [[Message(role="assistant", content=s[len(prefix) :])] for s in (chosen, rejected)]
    return pair_record(row, [Message(role="user", content=prefix)], *sides)


def pair_record(
    row: Json,
    prompt: list[Message],
    chosen: list[Message],
    rejected: list[Message],
    *,
    mismatch: bool = False,
) -> Record:
    """Build the record of a labelled pair, with the models and ratings that stand beside it."""
    sides = zip(_SIDES, (chosen, rejected), strict=True)
    candidates = [Candidate(turns, _beside(row, _MODELS[side])) for side, turns in sides]
    labels = [couple(Winner.A, label="chosen")]
    for index, side in enumerate(_SIDES):
        raw = _beside(row, _RATINGS[side])
        rating = number(raw, f"rating of {side}")
        if rating is not None:
            found = Label(Kind.RATING, index, rating=rating, aspect="overall", label=raw)
            labels.append(found)
    return Record(
        prompt,
        candidates,
        labels,
        group=group_of(row),
        language=optional(row, "language"),
        context_mismatch=mismatch,
    )


def _beside(row: Json, names: tuple[str, ...]) -> str | None:
    return next((found for name in names if (found := optional(row, name)) is not None), None)


def group_of(row: Json) -> str | None:
    """Return the source's own subset of a row, under any of its usual names."""
    return next((found for key in _GROUPS if (found := optional(row, key))), None)
