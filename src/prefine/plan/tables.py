"""What a run tells on a console, as tables."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from prefine.settings.json import Json, is_object


def print_manifest(console: Console, manifest: Json) -> None:
    """Print what came in, what each rule did, and what went out."""
    print_sources(console, manifest["sources"])
    print_table(
        console,
        "What was decided",
        ("rule", "pairs in", "dropped", "held", "flipped"),
        [
            (rule["rule"], rule["in"], rule["dropped"], rule["held"], rule["flipped"])
            for rule in manifest["rules"]
        ],
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
