"""How the measures that ask a model become steps.

What comes in: the builder of a plan, and a measure of its recipe. What goes out: steps added to the
builder, and how the measure's own step is made. What never happens: a model that is asked twice for
two measures of one pass.
"""

from functools import partial

import pyarrow as pa

from prefine.measure import agreement, ches, judge, policy, reward
from prefine.plan.builder import Builder, Made
from prefine.recipe import (
    Ches,
    PolicyLikelihood,
    Reward,
    RewardAgreement,
    Scored,
    TransformersChes,
    VllmChes,
    VllmJudge,
    scored,
)
from prefine.schema.json import Json

TEXTS = ("pairs", "gather")
"""The steps whose tables hold pairs and their texts."""

Modelled = Reward | RewardAgreement | Ches | PolicyLikelihood | VllmJudge


def add_modelled(made: Builder, measure: Modelled) -> Made:
    """Add the steps that a measure needs before its own; return how that is made."""
    match measure:
        case TransformersChes() | VllmChes():
            return _of_ches(made, measure)
        case VllmJudge():
            return Made(judge.measure, TEXTS, uses="model")
        case PolicyLikelihood():
            return Made(policy.measure, ("pairs", _add_likelihoods(made, measure)))
        case RewardAgreement():
            models = _add_calibration(made, measure)
            tables = dict.fromkeys(one.table for one in models)
            upstream = ("gather", "pairs", f"calibration_{measure.name}", *tables)
            return Made(agreement.measure, upstream, more={"models": models})
        case _:
            return Made(reward.margins, ("pairs", f"reward_{measure.name}"))


def add_reward(made: Builder, config: Reward) -> None:
    """Add the step that scores responses."""
    name = f"reward_{config.name}"
    run = partial(reward.measure, config=config)
    counted = {"rows_of": "responses", "rows_to": name}
    writes = {name: reward.rewards_schema(config)}
    made.add(name, run, ("gather",), writes, config.identity(), uses="model", **counted)


def _of_ches(made: Builder, measure: Ches) -> Made:
    shared = next(
        (
            other
            for other in made.recipe.measures
            if isinstance(other, PolicyLikelihood) and other.shares_pass_with(measure)
        ),
        None,
    )
    tables: dict[str, pa.Schema] = {}
    if (sums := ches.sums_schema(measure)) is not None:
        tables[f"sums_{measure.name}"] = sums
    identity: Json = {}
    if shared is not None:
        tables[f"policy_{shared.name}"] = policy.LIKELIHOODS
        identity = {"likelihood": shared.name}
    return Made(
        ches.measure,
        TEXTS,
        uses="model",
        more={"likelihood": shared},
        writes=tables,
        identity=identity,
    )


def _add_likelihoods(made: Builder, measure: PolicyLikelihood) -> str:
    """Add the step that reads likelihoods, where no CHES does; return the one that does."""
    for other in made.recipe.measures:
        if measure.shares_pass_with(other):
            return f"measure_{getattr(other, 'name', '')}"
    name = f"policy_{measure.name}"
    run = partial(policy.read, config=measure)
    writes = {name: policy.LIKELIHOODS}
    made.add(name, run, TEXTS, writes, measure.identity(), uses="model", rows_of="pairs")
    return name


def _add_calibration(made: Builder, measure: RewardAgreement) -> tuple[Scored, ...]:
    """Add the step that finds each reward's scale; return the rewards."""
    known = scored(made.recipe.measures)
    models = tuple(known[name] for name in measure.models)
    made.add(
        f"calibration_{measure.name}",
        partial(agreement.calibrate, config=measure, models=models),
        ("gather", *dict.fromkeys(reward.table for reward in models)),
        {f"calibration_{measure.name}": agreement.CALIBRATION},
        {"models": list(measure.models)},
        scope="corpus",
        num_parts=1,
    )
    return models
