"""Guess a column map from the names of keys and the types of their values."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from prefine.ingest.layouts.columns.spelling import spelled
from prefine.planning.draft.keys import dotted_keys, is_number
from prefine.settings.json import Json, is_array, is_object

_PROMPT = ("prompt", "instruction", "question", "query", "input", "conversation", "context", "post")
_SYSTEM = ("system", "system_prompt", "system_message")
_GROUP = ("category", "subset", "domain", "scenario", "task", "source", "dataset", "group", "type")
_ANNOTATOR = ("annotator", "annotator_id", "evaluator", "worker", "worker_id", "rater", "judge")
_LANGUAGE = ("language", "lang")
_SPLIT = ("split",)
_ID = ("id", "uid", "uuid", "pair_id", "prompt_id", "example_id", "idx")
_ORDERED: tuple[tuple[str, str], ...] = (
    ("chosen", "rejected"),
    ("chosen", "reject"),
    ("accepted", "rejected"),
    ("preferred", "dispreferred"),
    ("preferred", "rejected"),
    ("better", "worse"),
    ("best", "worst"),
    ("winner", "loser"),
    ("win", "lose"),
    ("good", "bad"),
    ("positive", "negative"),
)
"""Words for the preferred response, each with the word for the other response."""
_RESPONSE = re.compile(r"response|answer|output|completion|reply|generation|candidate|text|summary")
_LABEL = re.compile(r"^(label|winner|preference|preferred|choice|better|best|vote|verdict|judg)")
_ONE_RESPONSE = ("response", "answer", "output", "completion", "reply", "generation")
_RATING = re.compile(r"score|rating|reward|grade|quality|stars")
_MODEL = re.compile(r"^(model|generator|system|policy)")
_SIDES: tuple[tuple[str, str], ...] = (("a", "b"), ("1", "2"), ("0", "1"), ("left", "right"))
_MAX_VALUES = 8
_MAX_VALUE_CHARS = 30
_A = {"a", "model_a", "response_a", "a>b", "a>>b", "first", "left", "output_1", "response_1"}
_B = {"b", "model_b", "response_b", "b>a", "b>>a", "second", "right", "output_2", "response_2"}
_TIES = {"tie", "equal", "same", "draw", "both", "a=b", "neither", "tied"}


class Guess(NamedTuple):
    """A column map that was guessed from the names of keys."""

    columns: dict[str, Any]
    """As in a recipe; null if the user must fill in a value."""
    id: str | None
    """The key that has another value in every row and is named like an id."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to fill in."""
        return not _open(self.columns)


def _open(value: object) -> bool:
    if is_object(value):
        return any(map(_open, value.values()))
    return any(map(_open, value)) if is_array(value) else value is None


def guess(values: Sequence[Json]) -> Guess:
    """Guess the column map of a file.

    Args:
        values: The first rows of a file.
    """
    found = dotted_keys(values)
    keys = {path: items for path, items in found.items() if "[]" not in path}
    columns: dict[str, Any] = {}
    prompt = _named(keys, _PROMPT)
    if prompt is not None:
        columns["prompt"] = prompt
    if (system := _named(keys, _SYSTEM)) is not None:
        columns["system"] = system
    columns |= _preferred(keys) or _responses(found, {prompt, system})
    for name, known in {
        "annotator": _ANNOTATOR,
        "group": _GROUP,
        "language": _LANGUAGE,
        "split": _SPLIT,
    }.items():
        if (path := _named(keys, known)) is not None:
            columns[name] = path
    return Guess(columns, _own_id(keys, len(values)))


def _named(keys: Mapping[str, list[Any]], names: Sequence[str]) -> str | None:
    """Return the first key that has one of the names, in the order of the names."""
    lower = {path.lower(): path for path in reversed(list(keys))}
    return next((lower[name] for name in names if name in lower), None)


def _preferred(keys: Mapping[str, list[Any]]) -> dict[str, Any] | None:
    """Return the columns of the preferred and of the other response."""
    for path in keys:
        for better, worse in _ORDERED:
            other = _swapped(path, better, worse)
            if other is not None and other in keys and _are_texts(keys[path] + keys[other]):
                return {"chosen": path, "rejected": other}
    return None


def _swapped(path: str, first: str, second: str) -> str | None:
    """Replace a word of a key by another; return null if the key lacks the word."""
    word = rf"(?<![A-Za-z0-9]){first}(?![A-Za-z0-9])|(?<=[a-z_ -]){first}$"
    if not re.search(word, path, re.IGNORECASE):
        return None

    def in_case(match: re.Match[str]) -> str:
        return second.upper() if match[0].isupper() else second

    return re.sub(word, in_case, path, count=1, flags=re.IGNORECASE)


def _responses(found: Mapping[str, list[Any]], taken: Collection[str | None]) -> dict[str, Any]:
    """Return the columns of responses with their labels or ratings."""
    keys = {path: items for path, items in found.items() if "[]" not in path}
    sides = _two_sides(keys, _RESPONSE, texts=True)
    models = _two_sides(keys, _MODEL, texts=True)
    ratings = _two_sides(keys, _RATING, texts=False)
    columns: dict[str, Any] = {}
    if sides is None:
        columns["responses"] = _listed(found, taken)
    else:
        columns["responses"] = list(sides)
    if models is not None and sides is not None:
        columns["models"] = list(models)
    named = (path for path in keys if _LABEL.search(path.lower()))
    label = next((path for path in named if _short(keys[path])), None)
    if label is not None:
        values = {name: _side(name, sides or ()) for name in _short(keys[label])}
        return columns | {"labels": [{"column": label, "values": values}]}
    if ratings is not None:
        return columns | {"ratings": [{"columns": list(ratings)}]}
    if columns["responses"] is None and (rated := _one_rated(keys)) is not None:
        return rated
    return columns | {"labels": None}


def _one_rated(keys: Mapping[str, list[Any]]) -> dict[str, Any] | None:
    """Return the columns of rows that each hold one response and its rating."""
    response, model = _named(keys, _ONE_RESPONSE), _named(keys, ("model",))
    numbers = (path for path in keys if _RATING.search(path.lower()) and _are_numbers(keys[path]))
    rating = next(numbers, None)
    if response is None or rating is None or not _are_texts(keys[response]):
        return None
    models = {} if model is None else {"models": [model]}
    return {"responses": [response], **models, "ratings": [{"columns": [rating]}]}


def _two_sides(
    keys: Mapping[str, list[Any]], name: re.Pattern[str], *, texts: bool
) -> tuple[str, str] | None:
    """Return two keys that differ only in the name of a side."""
    for path, items in keys.items():
        for first, second in _SIDES:
            other = _swapped(path, first, second)
            if other is None or other not in keys or not name.search(path.lower()):
                continue
            if (_are_texts if texts else _are_numbers)(items + keys[other]):
                return path, other
    return None


def _listed(found: Mapping[str, list[Any]], taken: Collection[str | None]) -> list[str] | None:
    """Return the key of a list of responses, each a text or an object with one."""
    for path, items in found.items():
        lists = [item for item in items if is_array(item)]
        if path in taken or not lists or not _RESPONSE.search(path.lower()):
            continue
        if all(isinstance(one, str) for item in lists for one in item):
            return [path]
        inner = (f"{path}[].{name}" for name in ("text", "content", "response", "output", "answer"))
        known = next((name for name in inner if name in found), None)
        if known is not None:
            return [known]
    return None


def _short(items: Sequence[Any]) -> list[str]:
    """Return the distinct values of a column, sorted; empty if it holds prose."""
    names = {spelled(item) for item in items if isinstance(item, str | int | float)}
    if len(names) > _MAX_VALUES or any(len(name) > _MAX_VALUE_CHARS for name in names):
        return []
    return sorted(names)


def _side(value: str, sides: Sequence[str]) -> str | None:
    """Return the side that a value of a label names; null if it is unclear.

    A number is always unclear: 1 may be the first response, the second, or true.

    Args:
        value: As a recipe writes it.
        sides: The columns of the two responses.
    """
    plain = value.strip().lower()
    for side, path in zip("ab", map(str.lower, sides), strict=False):
        if plain == path:
            return side
    for names, side in ((_A, "a"), (_B, "b"), (_TIES, "tie")):
        if plain in names:
            return side
    found = re.match(r"(model|response|output|answer)?[ _-]?([ab])([ _-]is[ _-].*better)?$", plain)
    return found[2] if found else None


def _are_texts(items: Sequence[Any]) -> bool:
    present = [item for item in items if item is not None]
    return bool(present) and all(isinstance(item, str | list) for item in present)


def _are_numbers(items: Sequence[Any]) -> bool:
    present = [item for item in items if item is not None]
    return bool(present) and all(map(is_number, present))


def own_id(values: Sequence[Json]) -> str | None:
    """Return the key of an id that every row has and no two rows share.

    Args:
        values: The first rows of a file.
    """
    return _own_id(dotted_keys(values), len(values))


def _own_id(keys: Mapping[str, list[Any]], num_rows: int) -> str | None:
    """Return the key of an id that every row has and no two rows share."""
    for name in _ID:
        path = _named(keys, [name])
        if path is None or len(keys[path]) < num_rows:
            continue
        if all(isinstance(item, str | int) for item in keys[path]):
            return path if len({str(item) for item in keys[path]}) == num_rows else None
    return None
