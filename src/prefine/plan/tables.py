"""What a run tells on a console, as tables."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from prefine.settings.json import Json, is_object


def print_manifest(console: Console, manifest: Json) -> None:
    """Print what came in, what each rule did, and what went out."""
    print_sources(console, manifest["sources"])
    print_joined(console, manifest["notes"])
    print_table(
        console,
        "What was decided",
        ("rule", "pairs in", "dropped", "held", "flipped"),
        [
            (rule["rule"], rule["in"], rule["dropped"], rule["held"], rule["flipped"])
            for rule in manifest["rules"]
        ],
    )
    if "verdicts" in manifest["notes"]:
        console.print(
            "Pairs with a human verdict of right or wrong are judged, and counted here, only by "
            "rules with `verdicts: true`.",
            highlight=False,
        )
    if manifest["benchmarks"]:
        head = ("benchmark", "texts", "exact", "overlap", "similar")
        keys = ("texts", "prompts_exact", "prompts_overlap", "prompts_similar")
        lines = [(n, *(c.get(k) for k in keys)) for n, c in manifest["benchmarks"].items()]
        print_table(console, "Prompts that stand in benchmarks", head, lines)
    splits = ", ".join(f"{name} {count:,}" for name, count in manifest["splits"].items())
    rows = "" if manifest["rows_per_pair"] == 1 else " rows"
    kept = sum(manifest["splits"].values()) // manifest["rows_per_pair"]
    console.print(
        f"{manifest['num_judgements']:,} labels made {manifest['num_pairs']:,} pairs; "
        f"{kept:,} are kept ({splits}{rows}), {manifest['num_flipped']:,} of them flipped."
    )


def print_sources(console: Console, sources: Sequence[Json]) -> None:
    """Print what became of the rows, values and labels of each source."""
    print_table(
        console,
        "What came in",
        ("source", "layout", "rows", "read", "quarantined", "labels not used"),
        [
            (
                source["name"],
                ", ".join(source["format"]),
                source["rows_in"],
                source["rows_read"],
                source["quarantined"],
                source["unused_labels"],
            )
            for source in sources
        ],
    )
    for source in sources:
        for what, count in source["values"].items():
            if count:
                console.print(f"{source['name']}: {what}: {count:,}", markup=False, highlight=False)


def print_joined(console: Console, notes: Mapping[str, Json]) -> None:
    """Print how the user's tables and verdicts were matched; nothing where there are none."""
    lines = [
        *(_table_line(name, found) for name, found in notes.items() if "rows_unused" in found),
        *(
            _verdicts_line(name, found)
            for name, found in notes.get("verdicts", {}).get("verdicts", {}).items()
        ),
    ]
    if lines:
        head = ("yours", "rows", "without a match", "not usable", "pairs with a row")
        print_table(console, "What was joined", head, lines)


def _table_line(name: str, found: Json) -> tuple[object, ...]:
    unit = found["unit"]
    matched = found[f"{unit}s"] - found[f"{unit}s_without_row"]
    lost = {**found["quarantined"], **{f"type of {k}": n for k, n in found["wrong_type"].items()}}
    with_row = f"{matched:,} of {found[f'{unit}s']:,}" + ("" if unit == "pair" else f" {unit}s")
    return (name.removeprefix("measure_"), found["rows"], found["rows_unused"], lost, with_row)


def _verdicts_line(name: str, found: Json) -> tuple[object, ...]:
    lost = {**found["quarantined"], **found["unusable"]}
    return (name, found["rows"], found["unmatched"], lost, f"{found['pairs']:,}")


def print_table(
    console: Console, title: str, head: Sequence[str], body: Sequence[Sequence[object]]
) -> None:
    """Print a table; numbers stand to the right."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="")
    lines = [[_cell(value) for value in line] for line in body]
    for place, name in enumerate(head):
        numeric = all(isinstance(line[place], int | float) for line in body) if lines else False
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for line in lines:
        table.add_row(*line)
    console.print(table)


def _cell(value: object) -> str:
    if is_object(value):
        return ", ".join(f"{key} {count:,}" for key, count in value.items()) or "none"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else escape(str(value))
