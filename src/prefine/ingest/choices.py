"""Two responses and a choice: HelpSteer, Arena, alpaca_eval, PandaLM, RM-Bench, ShareGPT and kin.

What comes in: rows that name a winner, a strength or a tie. What goes out: one label a choice. What
never happens: a tie, a both-bad or a failed judge that is read as a preference.
"""

from typing import Any

import orjson

from prefine.ingest.ratings import items
from prefine.ingest.record import (
    Candidate,
    Context,
    Label,
    Reason,
    Record,
    RowError,
    choose,
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
from prefine.ingest.trl import group_of, pair_record, thumb
from prefine.schema import Kind, Message, Winner
from prefine.schema.json import Json, is_array, is_object

_WINNERS = {
    "model_a": Winner.A,
    "model_b": Winner.B,
    "tie": Winner.TIE,
    "tie (bothbad)": Winner.BOTH_BAD,
    "both_bad": Winner.BOTH_BAD,
}
_LEVELS = "levels"
_TIE = 1.5
"""The preference of alpaca_eval that favours neither output; 1 is the first, 2 the second."""


def _winner(table: dict[Any, Winner], value: object, what: str) -> Winner:
    found = table.get(value) if isinstance(value, str | int | float | bool) else None
    if found is None:
        known = ", ".join(str(key) for key in table)
        raise RowError(Reason.UNKNOWN_LABEL, f"`{what}` is {value!s:.40}, not one of {known}")
    return found


def _level(value: object, what: str, **facts: Any) -> Label:
    found = number(value, what)
    if found is None:
        return couple(Winner.INVALID, label=str(value), **facts)
    winner, strength = choose(found)
    return couple(winner, strength=strength, strength_unit=_LEVELS, label=str(value), **facts)


def detect_helpsteer2(row: Json) -> str | None:
    """Tell whether two responses carry a signed strength."""
    if {"prompt", "response_1", "response_2", "preference_strength"} <= row.keys():
        return "`response_1`, `response_2` and `preference_strength`"
    return None


def parse_helpsteer2(row: Json, _: Context) -> Record:
    """Read a strength from -3 to 3; negative prefers the first response."""
    candidates = [Candidate(response_of(row.get(k), k)) for k in ("response_1", "response_2")]
    label = _level(get(row, "preference_strength"), "preference_strength")
    prompt = prompt_of(get(row, "prompt"), "prompt")
    return Record(prompt, candidates, [label], split=optional(row, "split"))


def detect_helpsteer3(row: Json) -> str | None:
    """Tell whether a context has two responses and several annotators' strengths."""
    if {"context", "response1", "response2", "overall_preference"} <= row.keys():
        return "`context`, `response1`, `response2` and `overall_preference`"
    return None


def parse_helpsteer3(row: Json, _: Context) -> Record:
    """Read the overall strength, and each annotator's own under the aspect ``individual``."""
    candidates = [Candidate(response_of(row.get(k), k)) for k in ("response1", "response2")]
    labels = [_level(get(row, "overall_preference"), "overall_preference")]
    for index, vote in enumerate(row.get("individual_preference") or []):
        if not is_object(vote):
            raise RowError(Reason.WRONG_TYPE, f"`individual_preference[{index}]` is not an object")
        who = f"annotator_{index + 1}"
        labels.append(_level(vote.get("score"), "score", aspect="individual", annotator=who))
    return Record(
        prompt_of(get(row, "context"), "context"),
        candidates,
        labels,
        group=optional(row, "domain"),
        language=optional(row, "language"),
    )


def detect_arena_33k(row: Json) -> str | None:
    """Tell whether two whole conversations carry a winner and a judge."""
    if {"conversation_a", "conversation_b", "winner", "judge"} <= row.keys():
        return "`conversation_a`, `conversation_b`, `winner` and `judge`"
    return None


def detect_arena_140k(row: Json) -> str | None:
    """Tell whether two whole conversations carry a winner and an evaluation session."""
    wanted = {"conversation_a", "conversation_b", "winner", "evaluation_session_id"}
    if wanted <= row.keys():
        return "`conversation_a`, `conversation_b`, `winner` and `evaluation_session_id`"
    return None


def parse_arena(row: Json, _: Context) -> Record:
    """Read two conversations; their common beginning is the prompt."""
    winner = _winner(_WINNERS, get(row, "winner"), "winner")
    sides = [messages(get(row, f"conversation_{s}"), f"conversation_{s}") for s in "ab"]
    label = couple(winner, label=str(row["winner"]), annotator=optional(row, "judge"))
    return _arena(row, sides, label)


def _arena(row: Json, sides: list[list[Message]], label: Label) -> Record:
    length, mismatch = part(*sides)
    candidates = [
        Candidate(side[length:], optional(row, f"model_{name}"))
        for side, name in zip(sides, "ab", strict=True)
    ]
    return Record(
        sides[0][:length],
        candidates,
        [label],
        group=optional(row, "category"),
        language=optional(row, "language"),
        context_mismatch=mismatch,
    )


def detect_arena_55k(row: Json) -> str | None:
    """Tell whether turns stand as JSON in texts, beside one-hot winners."""
    if {"prompt", "response_a", "response_b", "winner_model_a", "winner_tie"} <= row.keys():
        return "`prompt` and responses as JSON lists, with one-hot `winner_*`"
    return None


def parse_arena_55k(row: Json, _: Context) -> Record:
    """Read JSON lists of turns and the one winner column that is set."""
    keys = ("winner_model_a", "winner_model_b", "winner_tie")
    set_ = [key for key in keys if number(row.get(key), key) == 1]
    if len(set_) != 1:
        raise RowError(Reason.UNKNOWN_LABEL, f"{len(set_)} of the one-hot winners are set")
    winner = {"winner_model_a": Winner.A, "winner_model_b": Winner.B}.get(set_[0], Winner.TIE)
    asked = _json_list(row, "prompt")
    sides = [_turns(asked, _json_list(row, f"response_{s}")) for s in "ab"]
    return _arena(row, sides, couple(winner, label=set_[0]))


def _json_list(row: Json, key: str) -> list[Any]:
    try:
        found = orjson.loads(text(get(row, key), key))
    except orjson.JSONDecodeError:
        raise RowError(Reason.WRONG_TYPE, f"`{key}` is not a JSON list") from None
    if not is_array(found):
        raise RowError(Reason.WRONG_TYPE, f"`{key}` is not a JSON list")
    return found


def _turns(asked: list[Any], answered: list[Any]) -> list[Message]:
    if len(asked) != len(answered):
        raise RowError(Reason.WRONG_TYPE, "prompt and response differ in their number of turns")
    turns: list[Message] = []
    for question, answer in zip(asked, answered, strict=True):
        turns.append(Message(role="user", content=text(question, "prompt")))
        said = text(answer, "response", Reason.RESPONSE_NOT_TEXT)
        turns.append(Message(role="assistant", content=said))
    return turns


def detect_alpaca_eval(row: Json) -> str | None:
    """Tell whether two outputs of named generators carry a preference."""
    if {"instruction", "output_1", "output_2", "preference", "annotator"} <= row.keys():
        return "`output_1`, `output_2`, `preference` and `annotator`"
    return None


def parse_alpaca_eval(row: Json, _: Context) -> Record:
    """Read a preference from 1 (first) to 2 (second); 1.5 and 0 are ties, null is no answer."""
    candidates = [
        Candidate(
            response_of(row.get(f"output_{i}"), f"output_{i}"), optional(row, f"generator_{i}")
        )
        for i in (1, 2)
    ]
    found = number(row.get("preference"), "preference")
    facts = {"label": str(row.get("preference")), "annotator": optional(row, "annotator")}
    if found is None:
        label = couple(Winner.INVALID, **facts)
    elif found == 0:
        label = couple(Winner.TIE, **facts)
    elif not 1 <= found <= 2:  # noqa: PLR2004 - the two outputs
        raise RowError(Reason.UNKNOWN_LABEL, "`preference` is not between 1 and 2")
    else:
        winner, size = choose(found - _TIE)
        facts = {**facts, "strength": 2 * size, "strength_unit": "probability_gap"}
        label = couple(winner, **facts)
    prompt = prompt_of(get(row, "instruction"), "instruction")
    return Record(prompt, candidates, [label], group=optional(row, "dataset"))


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
    table: dict[Any, Winner] = {0: Winner.TIE, 1: Winner.A, 2: Winner.B}
    labels = [
        couple(_winner(table, row[key], key), label=str(row[key]), annotator=key)
        for key in sorted(row)
        if key.startswith("annotator")
    ]
    prompt = prompt_of(f"{asked}\n\n{given}" if given else asked, "instruction")
    return Record(prompt, candidates, labels, group=optional(row, "motivation_app"))


def detect_rm_bench(row: Json) -> str | None:
    """Tell whether chosen and rejected are lists of variants."""
    sides = [row.get("chosen"), row.get("rejected")]
    if isinstance(row.get("prompt"), str) and all(
        is_array(side) and side and isinstance(side[0], str) for side in sides
    ):
        return "`chosen` and `rejected` are lists of texts"
    return None


def parse_rm_bench(row: Json, _: Context) -> Record:
    """Read variants written in the same styles: each chosen against its own rejected."""
    sides = [items(row, side) for side in ("chosen", "rejected")]
    if len(sides[0]) != len(sides[1]):
        raise RowError(Reason.WRONG_TYPE, "`chosen` and `rejected` differ in length")
    candidates = [Candidate(response_of(value, "chosen")) for side in sides for value in side]
    half = len(sides[0])
    labels = [Label(Kind.PAIR, i, half + i, Winner.A, label="chosen") for i in range(half)]
    return Record(prompt_of(get(row, "prompt"), "prompt"), candidates, labels, group=group_of(row))


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
    table: dict[Any, Winner] = {0: Winner.TIE, 1: Winner.A, 2: Winner.B}
    labels = [
        Label(Kind.PAIR, a, b, _winner(table, value, "preference"), label=str(value))
        for (a, b), value in zip(couples, found, strict=True)
    ]
    return Record(prompt_of(get(row, "question"), "question"), candidates, labels)


def detect_nectar(row: Json) -> str | None:
    """Tell whether answers carry ranks."""
    found = row.get("answers")
    if "prompt" in row and is_array(found) and found and is_object(found[0]) and "rank" in found[0]:
        return "`answers` with `rank`"
    return None


def parse_nectar(row: Json, _: Context) -> Record:
    """Read ranked answers to a transcript; rank 1 is the best."""
    from prefine.ingest.hh import transcript

    turns = transcript(get(row, "prompt"), "prompt")
    if turns[-1]["role"] == "assistant" and not turns[-1]["content"].strip():
        turns = turns[:-1]
    candidates: list[Candidate] = []
    labels: list[Label] = []
    for index, item in enumerate(items(row, "answers")):
        if not is_object(item):
            raise RowError(Reason.WRONG_TYPE, f"`answers[{index}]` is not an object")
        turn = response_of(item.get("answer"), f"answers[{index}].answer")
        candidates.append(Candidate(turn, optional(item, "model")))
        rank = number(item.get("rank"), "rank")
        labels.append(
            Label(Kind.RANK, index, rank=rank, label=str(item.get("rank")))
            if rank is not None
            else Label(Kind.RANK, index, winner=Winner.INVALID, label=str(item.get("rank")))
        )
    return Record(turns, candidates, labels, group=optional(row, "source"))


def detect_sharegpt(row: Json) -> str | None:
    """Tell whether conversations stand beside chosen and rejected."""
    if {"conversations", "chosen", "rejected"} <= row.keys():
        return "`conversations` beside `chosen` and `rejected`"
    return None


def parse_sharegpt(row: Json, _: Context) -> Record:
    """Read a conversation with ``from`` and ``value``, sides as messages or as texts."""
    prompt = prompt_of(get(row, "conversations"), "conversations", optional(row, "system"))
    sides = [response_of(row.get(side), side) for side in ("chosen", "rejected")]
    return pair_record(row, prompt, *sides)


def detect_sharegpt_unpaired(row: Json) -> str | None:
    """Tell whether a whole conversation carries a truth value."""
    if is_array(row.get("messages")) and isinstance(row.get("label"), bool):
        return "`messages` with a `label` that is true or false"
    return None


def parse_sharegpt_unpaired(row: Json, _: Context) -> Record:
    """Read a conversation whose last turn is judged."""
    turns = messages(get(row, "messages"), "messages")
    return Record(turns[:-1], [Candidate(turns[-1:])], [thumb(row.get("label"))])
