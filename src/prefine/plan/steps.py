"""The pipeline, written once: a resolved recipe becomes steps in order.

What comes in: a resolved recipe. What goes out: steps with everything their results depend on. What
never happens: an order of steps that is written a second time elsewhere.
"""

from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from prefine import decide, pair
from prefine.errors import RecipeError
from prefine.export import shards
from prefine.ingest import gather, read
from prefine.measure import embeddings, entropy, facts
from prefine.plan.builder import Builder
from prefine.plan.measured import add_embeddings, add_measure, table_of
from prefine.plan.modelled import add_reward
from prefine.plan.resolve import embeds, resolve
from prefine.recipe import (
    DisplacementPressure,
    PolicyLikelihood,
    PromptNeighbours,
    Recipe,
    Runtime,
    TransformersReward,
    VllmReward,
    columns_of,
    scored,
)
from prefine.schema import DECISIONS, PAIRS, flat_schema
from prefine.schema.json import Json
from prefine.step import Step


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
    made = Builder(resolved)
    _ingest(made)
    for measure in resolved.measures:
        if isinstance(measure, TransformersReward | VllmReward):
            add_reward(made, measure)
    _pairs(made)
    if embeds(resolved):
        add_embeddings(made)
    late = PolicyLikelihood | DisplacementPressure  # these read what other measures write
    for measure in sorted(resolved.measures, key=lambda m: isinstance(m, late)):
        add_measure(made, measure)
    _forget_unread(made)
    _facts(made)
    _decide(made)
    _diversity(made)
    _export(made)
    return Plan(resolved, tuple(made.steps.values()))


def _forget_unread(made: Builder) -> None:
    """Take out the embeddings that no measure reads: those of prompts, or those of responses."""
    read_from = {upstream.name for step in made.steps.values() for upstream in step.upstream}
    for table in embeddings.TABLES:
        if table not in read_from:
            made.steps.pop(table, None)


def _ingest(made: Builder) -> None:
    names: list[str] = []
    for source in made.recipe.sources:
        names.append(f"ingest_{source.name}")
        made.add(
            names[-1],
            partial(read.read_file, source=source, num_shards=made.num_shards),
            (),
            read.TABLES,
            source.identity() | {"shards": made.num_shards},
            num_parts=len(source.resolved),
        )
    made.add("gather", gather.gather, tuple(names), gather.TABLES, {}, gathers=True)


def _pairs(made: Builder) -> None:
    config, seed = made.recipe.pairs, made.recipe.seed
    reward = None if config.reward is None else scored(made.recipe.measures)[config.reward]
    upstream = ("gather",) if reward is None else ("gather", reward.table)
    run = partial(pair.build, config=config, seed=seed, reward=reward)
    identity = config.identity() | {"seed": seed}
    made.add("pairs", run, upstream, {"pairs": PAIRS}, identity, rows_of="judgements")


def _facts(made: Builder) -> None:
    tables = dict(table_of(measure) for measure in made.recipe.measures)
    columns = flat_schema("pair_id", tuple(columns_of(made.recipe.measures).values()))
    run = partial(facts.join, tables=tables)
    writes = {"facts": pa.unify_schemas([PAIRS, columns])}
    counted = {"rows_of": "pairs", "rows_to": "facts"}
    made.add("facts", run, ("pairs", *tables), writes, {"tables": tables}, **counted)


def _decide(made: Builder) -> None:
    recipe = made.recipe
    rules = [rule.identity() for rule in recipe.all_rules]
    more: Json = {"scope": "corpus", "rows_of": "facts", "rows_to": "decisions"}
    config = {"rules": rules, "seed": recipe.seed}
    run = partial(decide.decide, recipe=recipe)
    upstream = ("facts",)
    if any(rule.diverse is not None for rule in recipe.rules):
        upstream = ("facts", "measure_prompt_neighbours")
    made.add("decide", run, upstream, {"decisions": DECISIONS}, config, **more)


def _diversity(made: Builder) -> None:
    """Add the step that says how diverse the kept prompts are, where neighbours were measured."""
    recipe = made.recipe
    for measure in recipe.measures:
        if isinstance(measure, PromptNeighbours):
            run = partial(entropy.report, config=measure, seed=recipe.seed)
            config = {"kth": measure.kth, "seed": recipe.seed}
            made.add("diversity", run, ("decide", "prompt_vectors"), {}, config, scope="corpus")


def _export(made: Builder) -> None:
    recipe = made.recipe
    run = partial(shards.export, recipe=recipe)
    more: Json = {"scope": "corpus", "rows_of": "facts"}
    made.add("export", run, tuple(made.steps), {}, recipe.identity(), **more)
