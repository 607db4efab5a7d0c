"""The plan of a recipe: the steps that produce the requested tables, in a runnable order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from prefine.decide import decide_spec
from prefine.errors import RecipeError
from prefine.export.splits import COMPONENT, splits_spec
from prefine.export.step import DATASET, export_spec
from prefine.ingest.examples import examples_spec
from prefine.ingest.gather import gather_spec
from prefine.ingest.keyed import keyed_spec
from prefine.ingest.read import ingest_spec, layout_of
from prefine.ingest.source import Source
from prefine.pair.audit import audit_spec
from prefine.pair.build import PAIRS_TABLE, pairs_spec
from prefine.pair.settings import SourceWeight
from prefine.pair.verdicts import LABELLED, verdicts_spec
from prefine.planning.needs import require_known_servers
from prefine.planning.resolve import resolve
from prefine.recipe import Recipe, Resolved
from prefine.settings import File, Runtime
from prefine.settings.names import listed, unknown
from prefine.settings.registry import origin_of
from prefine.step import Step, StepSpec
from prefine.tables.embeddings import embedding_specs
from prefine.tables.facts import facts_spec

DECIDED = ("decisions", "splits")
"""The tables that exist after the rules have been applied, before the export."""


@dataclass(frozen=True)
class Plan:
    """A resolved recipe and its steps, in an order in which they can run."""

    resolved: Resolved
    steps: tuple[Step, ...]
    dataset: Step
    """The export step; a plan with another goal does not run it."""

    @property
    def recipe(self) -> Recipe:
        """The recipe as written."""
        return self.resolved.recipe

    def step(self, name: str) -> Step:
        """Return a step by its name.

        Raises:
            RecipeError: The plan has no such step.
        """
        for step in self.steps:
            if step.name == name:
                return step
        raise RecipeError(unknown("step", name, (step.name for step in self.steps)))

    def writers(self, table: str) -> tuple[Step, ...]:
        """Return the steps that write a table.

        Raises:
            RecipeError: No step does.
        """
        writers = tuple(step for step in self.steps if table in step.writes)
        if not writers:
            tables = (table for step in self.steps for table in step.writes)
            raise RecipeError(unknown("table", table, tables))
        return writers


def make_plan(
    recipe: Recipe | Resolved, runtime: Runtime, goal: Sequence[str] = (DATASET,)
) -> Plan:
    """Resolve a recipe, unless it is resolved, and return its plan.

    Args:
        recipe: The recipe.
        runtime: Locations of files and models.
        goal: The tables to produce, or the data set.

    Raises:
        RecipeError: No step produces a requested table or one that a step reads, steps depend on
            each other in a cycle, or the runtime names a server that no measure uses.
    """
    written = recipe.recipe if isinstance(recipe, Resolved) else recipe
    require_known_servers(written, (*runtime.servers, *runtime.start))
    resolved = recipe if isinstance(recipe, Resolved) else resolve(recipe, runtime)
    specs = tuple(possible_steps(resolved))
    steps = _steps(pull(specs, DATASET, *goal), resolved)
    wanted = (steps[spec.name] for spec, _ in pull(specs, *goal))
    dataset = next(step for step in steps.values() if DATASET in step.provides)
    return Plan(resolved, tuple(wanted), dataset)


def decision_plan(recipe: Recipe | Resolved, runtime: Runtime) -> Plan:
    """Return the plan up to the decisions, and the splits where the recipe has them.

    Raises:
        RecipeError: As ``make_plan``.
    """
    whole = make_plan(recipe, runtime)
    made = {table for step in whole.steps for table in step.writes}
    return make_plan(whole.resolved, runtime, [table for table in DECIDED if table in made])


def _steps(pulled: Iterable["Pulled"], resolved: Resolved) -> dict[str, Step]:
    steps: dict[str, Step] = {}
    for spec, makers in pulled:
        steps[spec.name] = spec.step(
            tuple(steps[maker.name] for maker in makers),
            shards=resolved.shards,
            seed=resolved.recipe.seed,
            inputs=resolved.inputs,
        )
    return steps


def possible_steps(resolved: Resolved) -> Iterator[StepSpec]:
    """Yield every step that a recipe may need; a plan leaves out those that nothing reads."""
    recipe, inputs = resolved.recipe, resolved.inputs
    view = recipe.view(inputs)
    for source in recipe.sources:
        yield ingest_spec(source, inputs, resolved.shards, resolved.kept)
    yield gather_spec({source.name: source.max_quarantined for source in recipe.sources})
    reward = None if recipe.pairs.reward is None else view.rewards[recipe.pairs.reward]
    weights = {one.name: _weight(one, inputs.files[one.key]) for one in recipe.sources}
    kept = resolved.kept_columns
    made = LABELLED if recipe.verdicts else PAIRS_TABLE
    yield audit_spec(recipe.pairs, weights, verdicts_vote=recipe.verdicts_vote)
    yield pairs_spec(recipe.pairs, recipe.seed, reward, kept=kept, weights=weights, table=made)
    if recipe.verdicts:
        yield from (keyed_spec(verdicts, inputs) for verdicts in recipe.verdicts)
        yield verdicts_spec(recipe.verdicts, kept, inputs)
    yield from embedding_specs(recipe.encoder, inputs)
    for measure in recipe.measures:
        for examples in measure.examples():
            yield examples_spec(examples, inputs)
            yield examples.embedded(recipe.encoder, inputs)
        for keyed in measure.keyed():
            yield keyed_spec(keyed, inputs)
        for spec in (*measure.helpers(view), measure.spec(view), *measure.reports(view)):
            yield replace(spec, config=spec.config | origin_of(type(measure)))
    tables = {measure.table: measure.id_column for measure in recipe.measures}
    facts = [*resolved.kept_columns, *recipe.measured.values()]
    yield facts_spec(tables, facts, recipe.seed)
    yield decide_spec(recipe.all_rules, resolved.columns, recipe.seed)
    grouped = [m.table for m in recipe.measures if COMPONENT in {c.name for c in m.columns()}]
    yield splits_spec(recipe.export.test_ratio, recipe.seed, grouped)
    yield export_spec(resolved.curation)


def _weight(source: Source, files: Sequence[File]) -> SourceWeight:
    """Return the weights of the labels and ratings of a source."""
    merits = [layout_of(source, file).merit for file in files]
    merit = {aspect: weight for one in merits for aspect, weight in one.items()}
    return SourceWeight(source.priority, source.weight, merit, source.anonymous)


Pulled = tuple[StepSpec, tuple[StepSpec, ...]]
"""A step and the steps whose tables it reads, in the order of these tables."""


def pull(specs: Iterable[StepSpec], *wanted: str) -> list[Pulled]:
    """Return the steps that produce some tables, each after the steps that it reads from.

    Args:
        specs: Steps that may be needed; several may write parts of one table.
        wanted: Tables, or other results of steps.

    Raises:
        RecipeError: No step produces a requested table or one that a step reads, steps depend on
            each other in a cycle, or two different steps have one name.
    """
    makers: dict[str, list[StepSpec]] = {}
    named: dict[str, StepSpec] = {}
    for spec in specs:
        first = named.setdefault(spec.name, spec)
        if (spec.version, spec.config, spec.makes) != (first.version, first.config, first.makes):
            raise RecipeError(f"two different steps have the name `{spec.name}`")
        for name in spec.makes:
            makers.setdefault(name, []).append(spec)
    ordered: dict[str, Pulled] = {}
    for name in wanted:
        if name not in makers:
            raise RecipeError(
                f"no step writes the table `{name}`; the tables are: {listed(makers)}"
            )
        for spec in makers[name]:
            _visit(spec, makers, ordered, ())
    return list(ordered.values())


def _visit(
    spec: StepSpec,
    makers: Mapping[str, list[StepSpec]],
    ordered: dict[str, Pulled],
    path: tuple[str, ...],
) -> None:
    """Append the steps that a step reads from, then the step itself."""
    if spec.name in ordered:
        return
    if spec.name in path:
        cycle = " reads from ".join((*path[path.index(spec.name) :], spec.name))
        raise RecipeError(f"steps depend on each other in a cycle: {cycle}")
    upstream: dict[str, StepSpec] = {}
    for table in spec.reads:
        if table not in makers:
            raise RecipeError(
                f"step {spec.name} reads the table `{table}`, which no step writes; "
                f"the tables are: {listed(makers)}"
            )
        for maker in makers[table]:
            _visit(maker, makers, ordered, (*path, spec.name))
            upstream[maker.name] = maker
    ordered[spec.name] = spec, tuple(upstream.values())
