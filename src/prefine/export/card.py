"""The data set card: a README with metadata for ``datasets``, made from the manifest."""

from collections.abc import Mapping, Sequence
from typing import Any

from prefine.errors import IntegrityError
from prefine.export.curation import Curation
from prefine.export.front_matter import front_matter
from prefine.export.splits import SPLITS, percent
from prefine.export.target import KEYS, TOOLS
from prefine.settings.json import Json
from prefine.tables.markdown import markdown_table


def write_card(curation: Curation, facts: Json, splits: Mapping[str, Json]) -> str:
    """Return the text of README.md.

    Args:
        curation: Name, licence, languages, columns.
        facts: The manifest.
        splits: Examples and bytes of each split.
    """
    parts = [
        f"---\n{front_matter(curation, splits)}\n---",
        f"# {curation.name}",
        _summary(curation, facts, splits),
        "## Sources\n\n" + _sources(facts),
        "## Rules\n\n" + _rules(facts),
        *_by_source(facts),
        *_splits(facts["split_shares"]),
        *_notes(facts["remarks"]),
        "## Columns\n\n" + _columns(curation),
        *curation.sections(facts["notes"]),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(curation: Curation, facts: Json, splits: Mapping[str, Json]) -> str:
    target = curation.export.target
    kept = sum(int(split["num_examples"]) for split in splits.values()) // target.rows_per_pair
    sizes = ", ".join(f"{name} {split['num_examples']:,}" for name, split in splits.items())
    sizes += "" if target.rows_per_pair == 1 else " rows"
    return (
        f"{kept:,} preference pairs ({sizes}), curated by prefine "
        f"{facts['prefine']} from {facts['num_pairs']:,} pairs; {facts['num_flipped']:,} of them "
        f"were flipped. {target.summary()}. "
        "`explanations.csv` has the reason for every dropped, held or flipped pair, `recipe.yaml` "
        "is the recipe, and `manifest.json` has all counts and checksums."
    )


def _sources(facts: Json) -> str:
    rows = [
        (
            source["name"],
            ", ".join(source["format"]),
            f"{source['rows_in']:,}",
            f"{source['rows_read']:,}",
            _counts(source["quarantined"]),
            _counts(source["unused_labels"]),
        )
        for source in facts["sources"]
    ]
    head = ("source", "layout", "rows", "read", "quarantined", "unused labels")
    return markdown_table(head, rows)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in counts.items()) or "none"


def _rules(facts: Json) -> str:
    keys = _rule_counts(facts)
    rows = [(r["rule"], *(f"{r[key]:,}" for key in keys)) for r in facts["rules"]]
    return markdown_table(("rule", *keys.values()), rows)


def _rule_counts(facts: Json) -> dict[str, str]:
    """Return the counts shown for each rule and their headings."""
    keys = {"in": "pairs in", "dropped": "dropped", "held": "held", "flipped": "flipped"}
    turned = any(rule.get("turned_back") for rule in facts["rules"])
    return keys | ({"turned_back": "turned back"} if turned else {})


def _by_source(facts: Json) -> list[str]:
    """Return the table of rules by source; empty for a single source."""
    if len(facts["sources"]) == 1:
        return []
    keys = _rule_counts(facts)
    rows = [
        (rule["rule"], source, *(f"{counts[key]:,}" for key in keys))
        for rule in facts["rules"]
        for source, counts in rule.get("by_source", {}).items()
    ]
    table = markdown_table(("rule", "source", *keys.values()), rows)
    return ["### By source\n\n" + table] if rows else []


def _splits(shares: Json) -> list[str]:
    """Return the sizes of the splits before and after the rules; empty without a test split."""
    if not shares["wanted_test_ratio"]:
        return []
    rows: list[tuple[str, ...]] = []
    for when in ("before_rules", "after_rules"):
        for what, counts in shares[when].items():
            sizes = (f"{counts[split]:,}" for split in SPLITS)
            name = f"{what} {when.replace('_', ' ')}"
            rows.append((name, *sizes, f"{counts['test_ratio']:.1%}"))
    share = percent(shares["wanted_test_ratio"])
    wanted = f"The requested share of pairs in the test split was {share}."
    return ["## Splits\n\n" + markdown_table(("", *SPLITS, "share of test"), rows), wanted]


def _notes(remarks: Sequence[str]) -> list[str]:
    """Return the section of notes; empty where there are none."""
    return ["## Notes\n\n" + "\n".join(f"- {remark}" for remark in remarks)] if remarks else []


def _columns(curation: Curation) -> str:
    target = curation.export.target
    facts = {name: column.about for name, column in curation.columns.items()}
    meanings = {**facts, **KEYS, **TOOLS, **target.meanings()}
    schema = curation.schema
    if missing := [name for name in schema.names if name not in meanings]:
        columns = ", ".join(missing)
        raise IntegrityError(
            f"target `{target.kind_name()}` has no meaning for the columns {columns}"
        )
    types: dict[str, Any] = dict(zip(schema.names, schema.types, strict=True))
    rows = [(name, str(type_), meanings[name]) for name, type_ in types.items()]
    return markdown_table(("column", "type", "meaning"), rows)
