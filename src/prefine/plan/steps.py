"""The pipeline, written once: a resolved recipe becomes steps in order.

What comes in: a resolved recipe. What goes out: steps with everything their results depend on. What
never happens: an order of steps that is written a second time elsewhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa

from prefine import decide, pair
from prefine.errors import RecipeError
from prefine.export import shards
from prefine.ingest import gather, read
from prefine.measure import (
    agreement,
    bootstrap,
    ches,
    cosine,
    embeddings,
    facts,
    lengths,
    near_duplicates,
    reward,
)
from prefine.plan.resolve import embeds, resolve
from prefine.recipe import (
    BootstrapReward,
    Ches,
    Cosine,
    Lengths,
    Measure,
    NearDuplicates,
    Recipe,
    Reward,
    RewardAgreement,
    Runtime,
    TransformersReward,
    VllmReward,
    columns_of,
)
from prefine.schema import DECISIONS, PAIRS, flat_schema
from prefine.schema.json import Json
from prefine.step import Counts, Step

_TEXTS = ("pairs", "gather")
_VECTORS = ("prompt_vectors", "response_vectors")


@dataclass(frozen=True)
class Plan:
    """A resolved recipe and its steps, in an order in which they can run."""

    recipe: Recipe
    steps: tuple[Step, ...]

    def step(self, name: str) -> Step:
        """Return a step by its name.

        Raises:
            RecipeError: The plan has no such step.
        """
        for step in self.steps:
            if step.name == name:
                return step
        names = ", ".join(step.name for step in self.steps)
        raise RecipeError(f"no step `{name}`; the steps are: {names}")

    def writers(self, table: str) -> tuple[Step, ...]:
        """Return the steps that write a table.

        Raises:
            RecipeError: No step does.
        """
        found = tuple(step for step in self.steps if table in step.writes)
        if not found:
            tables = ", ".join(dict.fromkeys(t for step in self.steps for t in step.writes))
            raise RecipeError(f"no table `{table}`; the tables are: {tables}")
        return found


def make_plan(recipe: Recipe, runtime: Runtime) -> Plan:
    """Resolve a recipe and lay out its steps."""
    resolved = resolve(recipe, runtime)
    builder = _Builder(resolved)
    builder.build()
    return Plan(resolved, tuple(builder.made.values()))


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
        case NearDuplicates():
            return _Measured(near_duplicates.measure, ("gather", "prompt_vectors"), "corpus")
        case BootstrapReward():
            upstream = (*_TEXTS, *_VECTORS, f"heads_{measure.name}")
            return _Measured(bootstrap.score, upstream, seeded=True)
        case Ches():
            return _Measured(ches.measure, _TEXTS, uses="model")
        case _:
            return _of_rewards(measure)


def _of_rewards(measure: Reward | RewardAgreement) -> _Measured:
    if isinstance(measure, RewardAgreement):
        rewards = (f"reward_{name}" for name in measure.models)
        upstream = ("gather", "pairs", f"calibration_{measure.name}", *rewards)
        return _Measured(agreement.measure, upstream)
    return _Measured(reward.margins, ("pairs", f"reward_{measure.name}"))


def _table_of(measure: Measure) -> tuple[str, str]:
    """Return a measure's table and the id that its rows have."""
    name = getattr(measure, "name", measure.kind)
    return f"measure_{name}", "prompt_id" if isinstance(measure, NearDuplicates) else "pair_id"


class _Builder:
    """Makes the steps of one recipe, each from those made before it."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._num_shards = recipe.shards or 1
        self.made: dict[str, Step] = {}

    def build(self) -> None:
        """Make all steps in order."""
        self._ingest()
        for measure in self._recipe.measures:
            if isinstance(measure, TransformersReward | VllmReward):
                self._reward(measure)
        self._pairs()
        if embeds(self._recipe):
            self._embeddings()
        for measure in self._recipe.measures:
            self._measure(measure)
        self._facts()
        self._decide()
        self._export()

    def _add(
        self,
        name: str,
        run: Callable[..., Counts],
        upstream: tuple[str, ...],
        writes: Mapping[str, pa.Schema],
        config: Json,
        **more: Any,
    ) -> None:
        settings: Json = {"version": 2, "num_parts": self._num_shards} | more
        inputs = tuple(self.made[one] for one in upstream)
        self.made[name] = Step(
            name=name, config=config, upstream=inputs, run=run, writes=writes, **settings
        )

    def _ingest(self) -> None:
        names: list[str] = []
        for source in self._recipe.sources:
            names.append(f"ingest_{source.name}")
            self._add(
                names[-1],
                partial(read.read_file, source=source, num_shards=self._num_shards),
                (),
                read.TABLES,
                source.identity() | {"shards": self._num_shards},
                num_parts=len(source.resolved),
            )
        self._add("gather", gather.gather, tuple(names), gather.TABLES, {}, gathers=True)

    def _reward(self, config: Reward) -> None:
        name = f"reward_{config.name}"
        run = partial(reward.measure, config=config)
        counted = {"rows_of": "responses", "rows_to": name}
        writes = {name: reward.REWARDS}
        self._add(name, run, ("gather",), writes, config.identity(), uses="model", **counted)

    def _pairs(self) -> None:
        config, seed = self._recipe.pairs, self._recipe.seed
        upstream = ("gather",) if config.reward is None else ("gather", f"reward_{config.reward}")
        run = partial(pair.build, config=config, seed=seed)
        identity = config.identity() | {"seed": seed}
        self._add("pairs", run, upstream, {"pairs": PAIRS}, identity, rows_of="judgements")

    def _embeddings(self) -> None:
        config = self._recipe.encoder
        upstream: tuple[str, ...] = ("gather",)
        if config.static:
            distil = partial(embeddings.distil, config=config)
            more: Json = {"scope": "corpus", "num_parts": 1, "uses": "model"}
            self._add("encoder", distil, (), {}, config.identity(), **more)
            upstream = ("gather", "encoder")
        for table, (origin, key) in embeddings.TABLES.items():
            run = partial(embeddings.embed, config=config, table=table)
            fields = [pa.field(key, pa.large_string(), False)]
            fields += [pa.field("vector", embeddings.VECTOR), pa.field("is_cut", pa.bool_(), False)]
            schema = pa.schema(fields)
            more = {"uses": "model", "rows_of": origin, "rows_to": table}
            self._add(table, run, upstream, {table: schema}, config.identity(), **more)

    def _measure(self, measure: Measure) -> None:
        if isinstance(measure, BootstrapReward):
            self._heads(measure)
        how, (table, key) = _measured(measure), _table_of(measure)
        more: dict[str, Any] = {}
        if isinstance(measure, RewardAgreement):
            more = {"models": self._calibration(measure)}
        seed = {"seed": self._recipe.seed} if how.seeded else {}
        writes = {table: flat_schema(key, measure.columns())}
        if isinstance(measure, Ches) and (sums := ches.sums_schema(measure)) is not None:
            writes[f"sums_{measure.name}"] = sums
        self._add(
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

    def _calibration(self, measure: RewardAgreement) -> tuple[Reward, ...]:
        """Add the step that finds each model's scale; return the models."""
        rewards = (TransformersReward, VllmReward)
        scoring = {m.name: m for m in self._recipe.measures if isinstance(m, rewards)}
        models = tuple(scoring[name] for name in measure.models)
        self._add(
            f"calibration_{measure.name}",
            partial(agreement.calibrate, config=measure, models=models),
            ("gather", *(f"reward_{name}" for name in measure.models)),
            {f"calibration_{measure.name}": agreement.CALIBRATION},
            {"models": list(measure.models)},
            scope="corpus",
            num_parts=1,
        )
        return models

    def _heads(self, measure: BootstrapReward) -> None:
        seed = self._recipe.seed
        self._add(
            f"heads_{measure.name}",
            partial(bootstrap.fit, config=measure, seed=seed),
            (*_TEXTS, *_VECTORS),
            {f"heads_{measure.name}": bootstrap.HEADS},
            measure.identity() | {"seed": seed},
            scope="corpus",
            num_parts=1,
        )

    def _facts(self) -> None:
        tables = dict(_table_of(measure) for measure in self._recipe.measures)
        columns = flat_schema("pair_id", tuple(columns_of(self._recipe.measures).values()))
        run = partial(facts.join, tables=tables)
        writes = {"facts": pa.unify_schemas([PAIRS, columns])}
        counted = {"rows_of": "pairs", "rows_to": "facts"}
        self._add("facts", run, ("pairs", *tables), writes, {"tables": tables}, **counted)

    def _decide(self) -> None:
        recipe = self._recipe
        rules = [rule.identity() for rule in recipe.all_rules]
        more: Json = {"scope": "corpus", "rows_of": "facts", "rows_to": "decisions"}
        config = {"rules": rules, "seed": recipe.seed}
        run = partial(decide.decide, recipe=recipe)
        self._add("decide", run, ("facts",), {"decisions": DECISIONS}, config, **more)

    def _export(self) -> None:
        recipe = self._recipe
        told = ["decide", "facts", "gather", "pairs", *(f"ingest_{s.name}" for s in recipe.sources)]
        told += [name for name in self.made if name.startswith(("heads_", "reward_"))]
        told += ["measure_near_duplicates"] if "measure_near_duplicates" in self.made else []
        run = partial(shards.export, recipe=recipe)
        more: Json = {"scope": "corpus", "rows_of": "facts"}
        self._add("export", run, tuple(told), {}, recipe.identity(), **more)
