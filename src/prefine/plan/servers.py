"""Servers that a recipe needs and nobody gave an address of.

What comes in: a plan and a runtime. What goes out: the runtime with addresses, as long as they are
needed. What never happens: a server for a measure that has one already, or one that outlives the
run.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from prefine.errors import RecipeError
from prefine.measure import embeddings
from prefine.plan.steps import Plan
from prefine.recipe import ENCODER, Recipe, Runtime, VllmChes, VllmJudge, VllmReward
from prefine.serve.dialect import Task
from prefine.serve.launch import Launch, serving
from prefine.step import Step, load_manifest
from prefine.store import Store

_PATIENT = 12
"""Retries that outlast the start of a server which ended and is started again."""


def launches(recipe: Recipe, names: Sequence[str]) -> Sequence[Launch]:
    """Return the models that must be served for some measures of a recipe, or its encoder.

    Raises:
        RecipeError: A name is not that of a measure that needs a server.
    """
    known = {
        measure.name: _launch(measure)
        for measure in recipe.measures
        if isinstance(measure, VllmReward | VllmChes | VllmJudge)
    }
    encoder = recipe.encoder
    if encoder.served_model is not None:
        known[ENCODER] = Launch(
            name=ENCODER,
            weights=encoder.weights,
            model=encoder.served_model,
            task="embed",
            dtype="float32",
            max_tokens=encoder.max_tokens,
        )
    for name in names:
        if name not in known:
            told = ", ".join(known) or "none"
            raise RecipeError(
                f"no server can be started for `{name}`; the measures with servers are: {told}"
            )
    return [known[name] for name in dict.fromkeys(names)]


def _launch(measure: VllmReward | VllmChes | VllmJudge) -> Launch:
    tasks: dict[type, Task] = {VllmReward: "reward", VllmChes: "hidden", VllmJudge: "judge"}
    return Launch(
        name=measure.name,
        weights=measure.weights,
        model=measure.served_model,
        task=tasks[type(measure)],
        dtype=measure.dtype,
        max_tokens=measure.max_tokens,
    )


@contextmanager
def served(plan: Plan, runtime: Runtime) -> Generator[Runtime]:
    """Start the servers that the runtime asks for, and end them afterwards.

    Nothing is started for a measure whose steps are done.

    Raises:
        RecipeError: A name is not that of a measure that needs a server, or there is no engine.
        ServiceError: A server ends before it is ready, or takes too long.
    """
    wanted = launches(plan.recipe, runtime.start)
    store = Store(runtime.root)
    missing = [launch for launch in wanted if not _done(plan, launch.name, store)]
    if not missing:
        yield runtime
        return
    with serving(missing, runtime) as found:
        more = {"servers": runtime.servers | found, "retries": max(runtime.retries, _PATIENT)}
        yield runtime.model_copy(update=more)


def _asks(step: Step, name: str) -> bool:
    """Tell whether a step asks a measure's servers, or the encoder's: examples are embedded too."""
    if name != ENCODER:
        return step.name == f"measure_{name}"
    return step.name in embeddings.TABLES or step.name.startswith("example_vectors_")


def _done(plan: Plan, name: str, store: Store) -> bool:
    """Tell whether every step that asks a measure's servers has run."""
    scoring = [step for step in plan.steps if step.name == f"reward_{name}"]
    steps = scoring or [step for step in plan.steps if _asks(step, name)]
    return all(load_manifest(store, s, shard) is not None for s in steps for shard in s.shards)
