"""How each measure becomes steps.

What comes in: the builder of a plan, and a measure of its recipe. What goes out: steps added to the
builder. What never happens: an order of steps that is written a second time elsewhere.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa

from prefine.ingest import examples
from prefine.measure import (
    agreement,
    bootstrap,
    ches,
    cosine,
    embeddings,
    lengths,
    near_duplicates,
    neighbours,
    reward,
    targets,
    topics,
)
from prefine.plan.builder import Builder
from prefine.recipe import (
    BootstrapReward,
    Ches,
    Cosine,
    Lengths,
    Measure,
    NearDuplicates,
    PromptNeighbours,
    PromptTopics,
    Reward,
    RewardAgreement,
    TargetSimilarity,
    TransformersReward,
    VllmReward,
)
from prefine.schema import QUARANTINE, flat_schema
from prefine.schema.json import Json
from prefine.step import Counts

_TEXTS = ("pairs", "gather")
_VECTORS = ("prompt_vectors", "response_vectors")
_OF_PROMPTS = (NearDuplicates, PromptTopics, PromptNeighbours, TargetSimilarity)


class _Measured(NamedTuple):
    """How a measure is made: its function, and the steps that it reads from."""

    run: Callable[..., Counts]
    upstream: tuple[str, ...]
    scope: str = "shard"
    uses: str = "cpu"
    seeded: bool = False


def _measured(measure: Measure) -> _Measured:
    match measure:
        case Lengths():
            return _Measured(lengths.measure, _TEXTS)
        case Cosine():
            return _Measured(cosine.measure, ("pairs", "response_vectors"))
        case BootstrapReward():
            upstream = (*_TEXTS, *_VECTORS, f"heads_{measure.name}")
            return _Measured(bootstrap.score, upstream, seeded=True)
        case Ches():
            return _Measured(ches.measure, _TEXTS, uses="model")
        case NearDuplicates() | PromptTopics() | PromptNeighbours() | TargetSimilarity():
            return _of_prompts(measure)
        case _:
            return _of_rewards(measure)


def _of_prompts(
    measure: NearDuplicates | PromptTopics | PromptNeighbours | TargetSimilarity,
) -> _Measured:
    upstream = ("gather", "prompt_vectors")
    match measure:
        case NearDuplicates():
            return _Measured(near_duplicates.measure, upstream, "corpus")
        case PromptTopics():
            return _Measured(topics.measure, upstream, "corpus", seeded=True)
        case PromptNeighbours():
            return _Measured(neighbours.measure, upstream, "corpus", seeded=True)
        case TargetSimilarity():
            vectors = f"example_vectors_{measure.name}"
            return _Measured(targets.measure, (*upstream, vectors), "corpus")


def _of_rewards(measure: Reward | RewardAgreement) -> _Measured:
    if isinstance(measure, RewardAgreement):
        rewards = (f"reward_{name}" for name in measure.models)
        upstream = ("gather", "pairs", f"calibration_{measure.name}", *rewards)
        return _Measured(agreement.measure, upstream)
    return _Measured(reward.margins, ("pairs", f"reward_{measure.name}"))


def table_of(measure: Measure) -> tuple[str, str]:
    """Return a measure's table and the id that its rows have."""
    name = getattr(measure, "name", measure.kind)
    return f"measure_{name}", "prompt_id" if isinstance(measure, _OF_PROMPTS) else "pair_id"


def add_reward(made: Builder, config: Reward) -> None:
    """Add the step that scores responses."""
    name = f"reward_{config.name}"
    run = partial(reward.measure, config=config)
    counted = {"rows_of": "responses", "rows_to": name}
    writes = {name: reward.REWARDS}
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
    if isinstance(measure, TargetSimilarity):
        _add_examples(made, measure)
    how, (table, key) = _measured(measure), table_of(measure)
    more: dict[str, Any] = {}
    if isinstance(measure, RewardAgreement):
        more = {"models": _add_calibration(made, measure)}
    seed = {"seed": made.recipe.seed} if how.seeded else {}
    writes = {table: flat_schema(key, measure.columns())}
    if isinstance(measure, Ches) and (sums := ches.sums_schema(measure)) is not None:
        writes[f"sums_{measure.name}"] = sums
    if isinstance(measure, PromptNeighbours):
        writes["neighbour_lists"] = neighbours.LISTS
    made.add(
        table,
        partial(how.run, config=measure, **seed, **more),
        how.upstream,
        writes,
        measure.identity() | seed,
        scope=how.scope,
        uses=how.uses,
        rows_of="prompts" if key == "prompt_id" else "pairs",
        rows_to=table,
    )


def _add_calibration(made: Builder, measure: RewardAgreement) -> tuple[Reward, ...]:
    """Add the step that finds each model's scale; return the models."""
    rewards = (TransformersReward, VllmReward)
    scoring = {m.name: m for m in made.recipe.measures if isinstance(m, rewards)}
    models = tuple(scoring[name] for name in measure.models)
    made.add(
        f"calibration_{measure.name}",
        partial(agreement.calibrate, config=measure, models=models),
        ("gather", *(f"reward_{name}" for name in measure.models)),
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


def _add_examples(made: Builder, measure: TargetSimilarity) -> None:
    """Add the steps that read and embed the examples."""
    name, encoder = measure.name, made.recipe.encoder
    writes = {f"examples_{name}": examples.EXAMPLES, "quarantine": QUARANTINE}
    run = partial(examples.read_examples, config=measure)
    num_parts = len(measure.resolved)
    made.add(f"examples_{name}", run, (), writes, measure.identity(), num_parts=num_parts)
    upstream = (f"examples_{name}", *(("encoder",) if encoder.static else ()))
    made.add(
        f"example_vectors_{name}",
        partial(targets.embed, config=measure, encoder=encoder),
        upstream,
        {f"example_vectors_{name}": targets.VECTORS},
        encoder.identity(),
        scope="corpus",
        num_parts=1,
        uses="model",
    )
