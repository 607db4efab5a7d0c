"""Example settings of each measure, which list its columns.

Names in capitals stand for what a recipe chooses: ``NAME`` is the ``name`` of the measure.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from prefine.measure.base import Measure, RecipeView
from prefine.measure.reward.transformers import TransformersReward
from prefine.measure.table.values import ValueColumn
from prefine.schema import Column
from prefine.settings import Encoder, Weights

_WEIGHTS = {"weights": {"model": "MODEL"}}
_REWARDS = ("reward_a", "reward_b")
_TABLE = {"files": ["FILE"], "key": "pair_id"}


class Shown(NamedTuple):
    """A column of a measure."""

    column: Column
    when: str
    """The settings with which it is written, as Markdown; empty where it always is."""


REQUIRED: Mapping[str, Mapping[str, Any]] = {
    "contamination": {"benchmarks": [{"name": "benchmark", "files": ["FILE"]}]},
    "target_similarity": {"files": ["FILE"]},
    "reward/transformers": _WEIGHTS,
    "reward/vllm": {**_WEIGHTS, "served_model": "MODEL"},
    "reward/agreement": {"models": list(_REWARDS)},
    "ches/transformers": _WEIGHTS,
    "ches/vllm": {**_WEIGHTS, "served_model": "MODEL"},
    "policy/transformers": _WEIGHTS,
    "judge/vllm": {**_WEIGHTS, "served_model": "MODEL"},
    "table": {**_TABLE, "columns": {"column": {"type": "number"}}},
    "equal_after_truncation": {"tokenizer": {"model": "MODEL"}, "max_tokens": 1024},
}
"""By kind: the settings that a recipe must give."""

_HEADS = ("with `heads`", {"heads": ("HEAD",)})
VARIANTS: Mapping[str, tuple[tuple[str, Mapping[str, Any]], ...]] = {
    "lengths": (("with `tokenizer`", {"tokenizer": Weights(model="MODEL")}),),
    "near_duplicates": (
        ("with `by: [semantic]`", {"by": ("semantic",)}),
        ("with `of: [responses]` or `[pairs]`", {"of": ("responses",)}),
        ("with `of: [pairs]`", {"of": ("pairs",)}),
    ),
    "contamination": (("with `semantic: true`", {"semantic": True}),),
    "reward/transformers": (_HEADS,),
    "reward/vllm": (_HEADS,),
    "table": (("with rows about responses", {"key": "response_id"}),),
}
"""By kind: settings that add columns, and what the page calls them."""

_NAMED: Mapping[str, Mapping[str, Any]] = {
    "table": {"values": {"COLUMN": ValueColumn(type="number")}, "key": "prompt_id"},
    "reward/agreement": {"models": ("MODEL",)},
}
"""By kind: placeholders of its names besides ``NAME``."""


def example_of(kind: type[Measure]) -> Measure | None:
    """Return a measure of a kind; null if its required settings are not known."""
    settings = REQUIRED.get(kind.kind_name(), {})
    fields = kind.model_fields.items()
    missing = {field.alias or name for name, field in fields if field.is_required()}
    given = {"kind": kind.kind_name(), **settings}
    if "name" in missing:
        given["name"] = "name"
    return kind.model_validate(given) if missing <= given.keys() else None


def columns_of(kind: type[Measure]) -> tuple[Shown, ...]:
    """Return every column that a kind of measure can write, those of its variants last."""
    example = example_of(kind)
    if example is None:
        return ()
    name = kind.kind_name()
    names = {"name": "NAME"} if "name" in kind.model_fields else {}
    shown = example.model_copy(update={**names, **_NAMED.get(name, {})})
    found = {column.name: Shown(column, "") for column in shown.columns()}
    for when, settings in VARIANTS.get(name, ()):
        for column in shown.model_copy(update=dict(settings)).columns():
            found.setdefault(column.name, Shown(column, when))
    return tuple(found.values())


def view_of(measure: Measure) -> RecipeView:
    """Return a recipe that holds a measure, and the rewards that it may compare."""
    rewards = tuple(
        TransformersReward(kind="reward/transformers", name=name, weights=Weights(model="MODEL"))
        for name in _REWARDS
    )
    return RecipeView((*rewards, measure), Encoder(), 0)
