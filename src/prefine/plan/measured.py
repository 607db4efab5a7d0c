"""How each measure becomes steps.

What comes in: the builder of a plan, and a measure of its recipe. What goes out: steps added to the
builder. What never happens: an order of steps that is written a second time elsewhere.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa

from prefine.measure import (
    agreement,
    bootstrap,
    ches,
    cosine,
    embeddings,
    judge,
    lengths,
    near_duplicates,
    policy,
    reward,
)
from prefine.plan.builder import Builder
from prefine.recipe import (
    BootstrapReward,
    Ches,
    Cosine,
    Lengths,
    Measure,
    NearDuplicates,
    PolicyLikelihood,
    Reward,
    RewardAgreement,
    Scored,
    TransformersChes,
    VllmChes,
    VllmJudge,
    scored,
)
from prefine.schema import flat_schema
from prefine.schema.json import Json
from prefine.step import Counts

_TEXTS = ("pairs", "gather")
_VECTORS = ("prompt_vectors", "response_vectors")


class _Measured(NamedTuple):
    """How a measure is made: its function, and the steps that it reads from."""

    run: Callable[..., Counts]
    upstream: tuple[str, ...]
    scope: str = "shard"
    uses: str = "cpu"
    seeded: bool = False


def _measured(made: Builder, measure: Measure) -> _Measured:
    match measure:
        case Lengths():
            return _Measured(lengths.measure, _TEXTS)
        case Cosine():
            return _Measured(cosine.measure, ("pairs", "response_vectors"))
        case NearDuplicates():
            return _Measured(near_duplicates.measure, ("gather", "prompt_vectors"), "corpus")
        case BootstrapReward():
            upstream = (*_TEXTS, *_VECTORS, f"heads_{measure.name}")
            return _Measured(bootstrap.score, upstream, seeded=True)
        case _:
            return _of_models(made, measure)


def _of_models(
    made: Builder, measure: Reward | RewardAgreement | Ches | PolicyLikelihood | VllmJudge
) -> _Measured:
    match measure:
        case TransformersChes() | VllmChes():
            return _Measured(ches.measure, _TEXTS, uses="model")
        case VllmJudge():
            return _Measured(judge.measure, _TEXTS, uses="model")
        case PolicyLikelihood():
            return _Measured(policy.measure, ("pairs", _likelihood_step(made, measure)))
        case RewardAgreement():
            rewards = dict.fromkeys(reward.table for reward in _compared(made, measure))
            upstream = ("gather", "pairs", f"calibration_{measure.name}", *rewards)
            return _Measured(agreement.measure, upstream)
        case _:
            return _Measured(reward.margins, ("pairs", f"reward_{measure.name}"))


def table_of(measure: Measure) -> tuple[str, str]:
    """Return a measure's table and the id that its rows have."""
    name = getattr(measure, "name", measure.kind)
    return f"measure_{name}", "prompt_id" if isinstance(measure, NearDuplicates) else "pair_id"


def add_reward(made: Builder, config: Reward) -> None:
    """Add the step that scores responses."""
    name = f"reward_{config.name}"
    run = partial(reward.measure, config=config)
    counted = {"rows_of": "responses", "rows_to": name}
    writes = {name: reward.rewards_schema(config)}
    made.add(name, run, ("gather",), writes, config.identity(), uses="model", **counted)


def add_embeddings(made: Builder) -> None:
    """Add the steps that embed prompts and responses."""
    config = made.recipe.encoder
    upstream: tuple[str, ...] = ("gather",)
    if config.static:
        distil = partial(embeddings.distil, config=config)
        more: Json = {"scope": "corpus", "num_parts": 1, "uses": "model"}
        made.add("encoder", distil, (), {}, config.identity(), **more)
        upstream = ("gather", "encoder")
    for table, (origin, key) in embeddings.TABLES.items():
        run = partial(embeddings.embed, config=config, table=table)
        fields = [pa.field(key, pa.large_string(), False)]
        fields += [pa.field("vector", embeddings.VECTOR), pa.field("is_cut", pa.bool_(), False)]
        schema = pa.schema(fields)
        more = {"uses": "model", "rows_of": origin, "rows_to": table}
        made.add(table, run, upstream, {table: schema}, config.identity(), **more)


def add_measure(made: Builder, measure: Measure) -> None:
    """Add the step that writes a measure's table, and those before it that it needs."""
    if isinstance(measure, BootstrapReward):
        _add_heads(made, measure)
    if isinstance(measure, PolicyLikelihood):
        _add_likelihoods(made, measure)
    how, (table, key) = _measured(made, measure), table_of(measure)
    more: dict[str, Any] = {}
    if isinstance(measure, RewardAgreement):
        more = {"models": _add_calibration(made, measure)}
    seed = {"seed": made.recipe.seed} if how.seeded else {}
    writes = {table: flat_schema(key, measure.columns())}
    identity = measure.identity() | seed
    if isinstance(measure, TransformersChes | VllmChes):
        more["likelihood"] = shared = _same_pass(made, measure)
        identity |= {} if shared is None else {"likelihood": shared.name}
        writes |= _beside_ches(measure, shared)
    made.add(
        table,
        partial(how.run, config=measure, **seed, **more),
        how.upstream,
        writes,
        identity,
        scope=how.scope,
        uses=how.uses,
        rows_of="prompts" if key == "prompt_id" else "pairs",
        rows_to=table,
    )


def _same_pass(made: Builder, measure: Ches) -> PolicyLikelihood | None:
    """Return the measure of likelihoods that comes from the same pass, if there is one."""
    for other in made.recipe.measures:
        if isinstance(other, PolicyLikelihood) and other.shares_pass_with(measure):
            return other
    return None


def _beside_ches(measure: Ches, shared: PolicyLikelihood | None) -> dict[str, pa.Schema]:
    """Return the further tables that a step of CHES writes."""
    tables: dict[str, pa.Schema] = {}
    if (sums := ches.sums_schema(measure)) is not None:
        tables[f"sums_{measure.name}"] = sums
    if shared is not None:
        tables[f"policy_{shared.name}"] = policy.LIKELIHOODS
    return tables


def _likelihood_step(made: Builder, measure: PolicyLikelihood) -> str:
    """Return the step that reads likelihoods: that of a CHES, or one of their own."""
    for other in made.recipe.measures:
        if measure.shares_pass_with(other):
            return table_of(other)[0]
    return f"policy_{measure.name}"


def _add_likelihoods(made: Builder, measure: PolicyLikelihood) -> None:
    """Add the step that reads likelihoods, where no CHES does."""
    name = f"policy_{measure.name}"
    if _likelihood_step(made, measure) != name:
        return
    run = partial(policy.read, config=measure)
    writes = {name: policy.LIKELIHOODS}
    made.add(name, run, _TEXTS, writes, measure.identity(), uses="model", rows_of="pairs")


def _compared(made: Builder, measure: RewardAgreement) -> tuple[Scored, ...]:
    """Return the rewards that a measure compares."""
    known = scored(made.recipe.measures)
    return tuple(known[name] for name in measure.models)


def _add_calibration(made: Builder, measure: RewardAgreement) -> tuple[Scored, ...]:
    """Add the step that finds each reward's scale; return the rewards."""
    models = _compared(made, measure)
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


def _add_heads(made: Builder, measure: BootstrapReward) -> None:
    seed = made.recipe.seed
    made.add(
        f"heads_{measure.name}",
        partial(bootstrap.fit, config=measure, seed=seed),
        (*_TEXTS, *_VECTORS),
        {f"heads_{measure.name}": bootstrap.HEADS},
        measure.identity() | {"seed": seed},
        scope="corpus",
        num_parts=1,
    )
