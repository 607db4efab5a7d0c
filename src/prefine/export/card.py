"""The data set card: a README that ``datasets`` reads and a person understands.

What comes in: the recipe, the shards' schema, the manifest. What goes out: Markdown with generated
YAML. What never happens: a hand-written feature list, or a claim that the manifest does not hold.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from prefine.recipe import BootstrapReward, Recipe, rule_columns
from prefine.schema.json import Json

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_BIGGEST = "1M<n<10M"
_ENTROPY = ("entropy", "mean_log_distance")


def write_card(recipe: Recipe, schema: pa.Schema, facts: Json, splits: Mapping[str, Json]) -> str:
    """Return the text of README.md.

    Args:
        recipe: Name, licence, languages, measures.
        schema: Of the shards; the features are generated from it.
        facts: The manifest.
        splits: Examples and bytes of each split.
    """
    parts = [
        f"---\n{_yaml(recipe, schema, splits)}\n---",
        f"# {recipe.name}",
        _summary(recipe, facts, splits),
        "## What came in\n\n" + _sources(facts),
        "## What was decided\n\n" + _rules(facts),
        "## Columns\n\n" + _columns(recipe, schema),
    ]
    if "diversity" in facts["notes"]:
        parts.append("## How diverse the prompts are\n\n" + _diversity(facts["notes"]["diversity"]))
    if any(isinstance(measure, BootstrapReward) for measure in recipe.measures):
        parts.append(_BOOTSTRAP)
    return "\n\n".join(parts) + "\n"


_BOOTSTRAP = """\
## About the bootstrap reward

The columns of the bootstrap reward come from small models that were fitted on this data's own
labels and embeddings, each pair being scored only by models that never saw its prompt. They show
which labels contradict the rest of the data. They are not a measure of quality, and they share
whatever bias most of the labels share."""


def _yaml(recipe: Recipe, schema: pa.Schema, splits: Mapping[str, Json]) -> str:
    import datasets  # pyright: ignore[reportMissingTypeStubs]
    from datasets.info import DatasetInfosDict  # pyright: ignore[reportMissingTypeStubs]
    from huggingface_hub import DatasetCardData

    library: Any = datasets
    total = sum(int(split["num_examples"]) for split in splits.values())
    found = library.SplitDict()
    for name, size in splits.items():
        found.add(library.SplitInfo(name=name, **size))
    info = library.DatasetInfo(features=library.Features.from_arrow_schema(schema), splits=found)
    card = DatasetCardData(
        pretty_name=recipe.name,
        license=recipe.export.license,
        language=list(recipe.export.language) or None,
        tags=["preference", "dpo", "rlhf", "prefine"],
        size_categories=[next((s for limit, s in _SIZES if total < limit), _BIGGEST)],
        configs=[
            {
                "config_name": "default",
                "data_files": [{"split": s, "path": f"data/{s}-*.parquet"} for s in splits],
            }
        ],
    )
    infos: Any = DatasetInfosDict({"default": info})
    infos.to_dataset_card_data(card)
    return card.to_yaml()


def _summary(recipe: Recipe, facts: Json, splits: Mapping[str, Json]) -> str:
    kept = sum(int(split["num_examples"]) for split in splits.values())
    sizes = ", ".join(f"{name} {split['num_examples']:,}" for name, split in splits.items())
    layout = {
        "explicit": "`prompt`, `chosen` and `rejected` are lists of messages",
        "implicit": "`chosen` and `rejected` are whole conversations, the prompt inside",
    }[recipe.export.layout]
    return (
        f"{kept:,} preference pairs ({sizes}), curated by prefine "
        f"{facts['prefine']} out of {facts['num_pairs']:,}; {facts['num_flipped']:,} "
        f"were flipped. {layout}. Every pair that is not here has its reason in "
        "`explanations.csv`; `recipe.yaml` is the whole recipe and `manifest.json` holds all "
        "counts and checksums."
    )


def _sources(facts: Json) -> str:
    rows = [
        (
            source["name"],
            ", ".join(source["format"]),
            f"{source['rows_in']:,}",
            f"{source['rows_read']:,}",
            ", ".join(f"{reason} {n:,}" for reason, n in source["quarantined"].items()) or "none",
        )
        for source in facts["sources"]
    ]
    return _table(("source", "layout", "rows", "read", "quarantined"), rows)


def _rules(facts: Json) -> str:
    rows = [
        (r["rule"], *(f"{r[key]:,}" for key in ("in", "dropped", "held", "flipped")))
        for r in facts["rules"]
    ]
    return _table(("rule", "pairs in", "dropped", "held", "flipped"), rows)


def _diversity(found: Json) -> str:
    about = (
        f"The k-nearest-neighbour entropy of the prompts' embeddings (Kozachenko-Leonenko, k = "
        f"{found['k']}, {found['dimensions']} dimensions, in nats), and the mean logarithm of the "
        "distances that it is made of. Sets of different sizes are not comparable: compare the "
        "kept prompts with as many drawn at random."
    )
    names = {"all": "all", "kept": "kept", "random": "as many at random"}
    rows = [(name, *_entropy(found[key])) for key, name in names.items()]
    return f"{about}\n\n" + _table(("prompts", "number", "entropy", "mean log distance"), rows)


def _entropy(found: Json) -> tuple[str, ...]:
    values = ("none" if found[k] is None else f"{found[k]:.3f}" for k in _ENTROPY)
    return (f"{found['num_prompts']:,}", *values)


def _columns(recipe: Recipe, schema: pa.Schema) -> str:
    about = {name: column.about for name, column in rule_columns(recipe).items()} | {
        "prompt": "messages up to the last one before the responses part",
        "chosen": "the preferred response",
        "rejected": "the other response",
        "pair_id": "content hash of the two responses",
        "prompt_id": "content hash of the prompt",
        "is_flipped": "whether a rule turned the label round",
    }
    types: dict[str, Any] = dict(zip(schema.names, schema.types, strict=True))
    rows = [(name, str(type_), about[name]) for name, type_ in types.items()]
    return _table(("column", "type", "meaning"), rows)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
