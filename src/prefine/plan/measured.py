"""How each measure becomes steps.

What comes in: the builder of a plan, and a measure of its recipe. What goes out: steps added to the
builder. What never happens: an order of steps that is written a second time elsewhere.
"""

from functools import partial

import pyarrow as pa

from prefine.ingest import examples
from prefine.measure import (
    bootstrap,
    contamination,
    cosine,
    embeddings,
    label_consistency,
    lengths,
    near_duplicates,
    near_pairs,
    neighbours,
    pressure,
    targets,
    topics,
)
from prefine.plan.builder import Builder, Made
from prefine.plan.modelled import TEXTS, add_modelled
from prefine.recipe import (
    Benchmark,
    BootstrapReward,
    Contamination,
    Cosine,
    DisplacementPressure,
    LabelConsistency,
    Lengths,
    Measure,
    NearDuplicates,
    PromptNeighbours,
    PromptTopics,
    TargetSimilarity,
)
from prefine.schema import QUARANTINE, flat_schema
from prefine.schema.json import Json

_VECTORS = ("prompt_vectors", "response_vectors")
_OF_PROMPTS = (Contamination, PromptTopics, PromptNeighbours, TargetSimilarity)


def _made(made: Builder, measure: Measure) -> Made:
    """Add the steps that a measure needs before its own; return how that is made."""
    match measure:
        case Lengths():
            return Made(lengths.measure, TEXTS)
        case Cosine() | LabelConsistency() | DisplacementPressure():
            return _of_vectors(measure)
        case BootstrapReward():
            _add_heads(made, measure)
            upstream = (*TEXTS, *_VECTORS, f"heads_{measure.name}")
            return Made(bootstrap.score, upstream, seeded=True)
        case NearDuplicates() | Contamination():
            return _of_texts(made, measure)
        case PromptTopics() | PromptNeighbours() | TargetSimilarity():
            return _of_prompts(made, measure)
        case _:
            return add_modelled(made, measure)


def _of_vectors(measure: Cosine | LabelConsistency | DisplacementPressure) -> Made:
    if isinstance(measure, Cosine):
        return Made(cosine.measure, ("pairs", "response_vectors"))
    if isinstance(measure, DisplacementPressure):
        upstream = ("pairs", f"measure_{measure.ches}")
        form = {"form": "mean states"}  # that of plain sums came first
        return Made(pressure.measure, upstream, "corpus", seeded=True, identity=form)
    return Made(label_consistency.measure, ("pairs", *_VECTORS), "corpus", seeded=True)


def _of_texts(made: Builder, measure: NearDuplicates | Contamination) -> Made:
    if isinstance(measure, NearDuplicates):
        _add_clusters(made, measure)
        return Made(near_pairs.measure, ("pairs", *measure.tables))
    for benchmark in measure.benchmarks:
        _add_examples(made, benchmark, embedded=measure.semantic)
    return Made(contamination.measure, _benchmarked(measure))


def _benchmarked(measure: Contamination) -> tuple[str, ...]:
    """Return the steps that a comparison with benchmarks reads from."""
    upstream = ["gather", *(f"examples_{b.name}" for b in measure.benchmarks)]
    if measure.semantic:
        upstream += ["prompt_vectors", *(f"example_vectors_{b.name}" for b in measure.benchmarks)]
    return tuple(upstream)


def _of_prompts(made: Builder, measure: PromptTopics | PromptNeighbours | TargetSimilarity) -> Made:
    upstream = ("gather", "prompt_vectors")
    match measure:
        case PromptTopics():
            return Made(topics.measure, upstream, "corpus", seeded=True)
        case PromptNeighbours():
            lists = {"neighbour_lists": neighbours.LISTS}
            return Made(neighbours.measure, upstream, "corpus", seeded=True, writes=lists)
        case TargetSimilarity():
            _add_examples(made, measure, embedded=True)
            vectors = f"example_vectors_{measure.name}"
            return Made(targets.measure, (*upstream, vectors), "corpus")


def table_of(measure: Measure) -> tuple[str, str]:
    """Return a measure's table and the id that its rows have."""
    name = getattr(measure, "name", measure.kind)
    return f"measure_{name}", "prompt_id" if isinstance(measure, _OF_PROMPTS) else "pair_id"


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
        more = {"uses": "cpu" if config.static else "model", "rows_of": origin, "rows_to": table}
        made.add(table, run, upstream, {table: schema}, config.identity(), **more)


def add_measure(made: Builder, measure: Measure) -> None:
    """Add the step that writes a measure's table, and those before it that it needs."""
    how, (table, key) = _made(made, measure), table_of(measure)
    seed = {"seed": made.recipe.seed} if how.seeded else {}
    made.add(
        table,
        partial(how.run, config=measure, **seed, **how.more),
        how.upstream,
        {table: flat_schema(key, measure.columns()), **how.writes},
        measure.identity() | seed | dict(how.identity),
        scope=how.scope,
        uses=how.uses,
        rows_of="prompts" if key == "prompt_id" else "pairs",
        rows_to=table,
    )


def _add_heads(made: Builder, measure: BootstrapReward) -> None:
    seed = made.recipe.seed
    made.add(
        f"heads_{measure.name}",
        partial(bootstrap.fit, config=measure, seed=seed),
        (*TEXTS, *_VECTORS),
        {f"heads_{measure.name}": bootstrap.HEADS},
        measure.identity() | {"seed": seed},
        scope="corpus",
        num_parts=1,
    )


def _add_clusters(made: Builder, measure: NearDuplicates) -> None:
    """Add the steps that cluster prompts, responses and pairs."""
    identity = {key: value for key, value in measure.identity().items() if key != "of"}
    seed = made.recipe.seed
    identity |= {"seed": seed} if measure.semantic else {}
    for table in measure.tables:
        schema = near_pairs.CLUSTERS[table]
        more: Json = {"scope": "corpus", "rows_to": table}
        if table == "pair_clusters":
            upstream = (*TEXTS, "prompt_clusters", "response_clusters")
            made.add(
                table, near_pairs.cluster, upstream, {table: schema}, {}, rows_of="pairs", **more
            )
            continue
        texts = f"{table.removesuffix('_clusters')}s"
        vectors = (f"{table.removesuffix('_clusters')}_vectors",) if measure.semantic else ()
        run = partial(near_duplicates.cluster, config=measure, table=texts, seed=seed)
        upstream = (*TEXTS, *vectors)
        made.add(table, run, upstream, {table: schema}, identity, rows_of=texts, **more)


def _add_examples(made: Builder, measure: TargetSimilarity | Benchmark, *, embedded: bool) -> None:
    """Add the steps that read and embed the examples."""
    name, encoder = measure.name, made.recipe.encoder
    writes = {f"examples_{name}": examples.EXAMPLES, "quarantine": QUARANTINE}
    run = partial(examples.read_examples, config=measure)
    num_parts = len(measure.resolved)
    made.add(f"examples_{name}", run, (), writes, measure.identity(), num_parts=num_parts)
    if not embedded:
        return
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
