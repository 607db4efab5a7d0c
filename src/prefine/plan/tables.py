"""What a run tells on a console, as tables."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from prefine.export.splits import percent
from prefine.plan.decided import Decided
from prefine.settings.json import Json, is_object

SOURCES_SHOWN = 5
"""Sources listed below a rule; the rest is one line."""


def print_manifest(console: Console, manifest: Json) -> None:
    """Print what came in, what each rule did, and what went out."""
    print_sources(console, manifest["sources"])
    print_joined(console, manifest["notes"])
    print_rules(console, manifest["rules"], has_human_verdicts="verdicts" in manifest["notes"])
    if manifest["benchmarks"]:
        counts = manifest["benchmarks"]
        keys = list(dict.fromkeys(key for count in counts.values() for key in count))
        heads = ("benchmark", *(key.replace("_", " ") for key in keys))
        lines = [(name, *(count.get(key) for key in keys)) for name, count in counts.items()]
        print_table(console, "Prompts and responses that hold benchmark texts", heads, lines)
    splits = ", ".join(f"{name} {count:,}" for name, count in manifest["splits"].items())
    rows = "" if manifest["rows_per_pair"] == 1 else " rows"
    kept = sum(manifest["splits"].values()) // manifest["rows_per_pair"]
    console.print(
        f"{_number(manifest['num_judgements'], 'label')} made "
        f"{_number(manifest['num_pairs'], 'pair')}; {_are(kept)} kept ({splits}{rows}), "
        f"{manifest['num_flipped']:,} of them flipped."
    )
    print_split_shares(console, manifest["split_shares"])
    print_remarks(console, manifest["remarks"])


def print_decided(console: Console, decided: Decided) -> None:
    """Print what each rule did, how many pairs of each source are kept, and the remarks.

    What came in is printed, too, where rows or labels of a source led to no pair, or values could
    not be used.
    """
    if any(
        source["quarantined"] or source["unused_labels"] or any(source["values"].values())
        for source in decided.came_in
    ):
        print_sources(console, decided.came_in)
    print_rules(console, decided.rules, has_human_verdicts=decided.has_human_verdicts)
    splits = sorted({name for source in decided.sources for name in source.splits}, reverse=True)
    print_table(
        console,
        "What is kept",
        ("source", "pairs", "kept", "flipped", *splits),
        [
            (
                source.name,
                sum(source.verdicts.values()),
                source.kept,
                source.verdicts.get("flip", 0),
                *(source.splits.get(split, 0) for split in splits),
            )
            for source in decided.sources
        ],
    )
    count = decided.verdicts
    console.print(
        f"{_number(count.total(), 'pair')}: {_are(count['keep'] + count['flip'])} kept, "
        f"{count['flip']:,} of them flipped; {_are(count['drop'])} dropped and "
        f"{count['hold']:,} held."
    )
    print_remarks(console, decided.remarks)


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _are(count: int) -> str:
    return f"{count:,} {'is' if count == 1 else 'are'}"


def print_rules(console: Console, rules: Sequence[Json], *, has_human_verdicts: bool) -> None:
    """Print what each rule did with all pairs, and with those of each source where it acted."""
    turns = any(rule["turned_back"] for rule in rules)
    acts = ("dropped", "held", "flipped", *(("turned_back",) if turns else ()))
    several = len({source for rule in rules for source in rule["by_source"]}) > 1
    lines: list[tuple[object, ...]] = []
    for rule in rules:
        lines.append((rule["rule"], rule["in"], *(rule[act] for act in acts)))
        if several:
            lines += _source_lines(rule["by_source"], acts)
    head = ("rule", "pairs in", *(act.replace("_", " ") for act in acts))
    print_table(console, "What was decided", head, lines)
    if has_human_verdicts:
        console.print(
            "Pairs with a human verdict of right or wrong are judged, and counted here, only by "
            "rules with `verdicts: true`.",
            highlight=False,
        )


def _source_lines(
    by_source: Mapping[str, Mapping[str, int]], acts: Sequence[str]
) -> list[tuple[object, ...]]:
    """Return a line for each source on which a rule acted, those with most first."""
    acted = {name: sum(counts[act] for act in acts) for name, counts in by_source.items()}
    order = sorted((name for name, count in acted.items() if count), key=lambda n: (-acted[n], n))
    shown, rest = order[:SOURCES_SHOWN], order[SOURCES_SHOWN:]
    lines = [_source_line(name, [by_source[name]], acts) for name in shown]
    if rest:
        name = f"{len(rest)} other sources" if len(rest) > 1 else rest[0]
        lines.append(_source_line(name, [by_source[name] for name in rest], acts))
    return lines


def _source_line(
    name: str, counts: Sequence[Mapping[str, int]], acts: Sequence[str]
) -> tuple[object, ...]:
    return (f"  {name}", *(sum(one[key] for one in counts) for key in ("in", *acts)))


def print_remarks(console: Console, remarks: Sequence[str]) -> None:
    """Print what the steps have to say about the data, one line each."""
    if remarks:
        console.print("[bold]Notes[/bold]")
    for remark in remarks:
        console.print(f"- {remark}", markup=False, highlight=False)


def print_split_shares(console: Console, shares: Json) -> None:
    """Print the wanted and the actual share of the test split; nothing where none was wanted."""
    if shares["wanted_test_ratio"]:
        before, after = (shares[when] for when in ("before_rules", "after_rules"))
        console.print(
            f"Test split: {after['pairs']['test_ratio']:.1%} of the pairs and "
            f"{after['prompts']['test_ratio']:.1%} of the prompts; "
            f"{before['pairs']['test_ratio']:.1%} and {before['prompts']['test_ratio']:.1%} before "
            f"the rules; {percent(shares['wanted_test_ratio'])} of the pairs were wanted.",
            markup=False,
            highlight=False,
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
