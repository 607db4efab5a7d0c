"""Results of a run as tables on a console."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from prefine.cli.layout import KEEP, table_lines
from prefine.cli.output import Stream, visible
from prefine.settings.json import Json, is_array, is_object

if TYPE_CHECKING:
    from prefine.planning.counts import DecisionCounts

SOURCES_SHOWN = 5
"""Sources listed below a rule; the others are one line."""


def print_manifest(stream: Stream, manifest: Json, *, quiet: bool = False) -> None:
    """Print the counts of a data set: by source, by rule and by split; and the notes.

    Args:
        stream: Where to print.
        manifest: The manifest of the data set.
        quiet: Whether to omit the notes.
    """
    names = [source["name"] for source in manifest["sources"]]
    print_sources(stream, manifest["sources"])
    print_joined(stream, manifest["notes"])
    has_human_verdicts = "verdicts" in manifest["notes"]
    print_rules(stream, manifest["rules"], names, has_human_verdicts=has_human_verdicts)
    print_benchmarks(stream, manifest["benchmarks"])
    splits = ", ".join(f"{name} {count:,}" for name, count in manifest["splits"].items())
    rows = "" if manifest["rows_per_pair"] == 1 else " rows"
    kept = sum(manifest["splits"].values()) // manifest["rows_per_pair"]
    stream.paragraph(
        f"{_number(manifest['num_judgements'], 'label')} made "
        f"{_number(manifest['num_pairs'], 'pair')}; {_are(kept)} kept ({splits}{rows}), "
        f"{manifest['num_flipped']:,} of them flipped."
    )
    print_split_shares(stream, manifest["split_shares"])
    print_remarks(stream, () if quiet else manifest["remarks"])


def print_decisions(stream: Stream, counts: "DecisionCounts", *, quiet: bool = False) -> None:
    """Print the counts of decisions: by rule, and by source and split; and the notes.

    The counts of rows are printed, too, where rows or labels of a source led to no pair, or values
    could not be used.

    Args:
        stream: Where to print.
        counts: The counts.
        quiet: Whether to omit the notes.
    """
    if any(
        source["quarantined"] or source["unused_labels"] or any(source["values"].values())
        for source in counts.sources_read
    ):
        print_sources(stream, counts.sources_read)
    names = [source.name for source in counts.sources]
    print_rules(stream, counts.rules, names, has_human_verdicts=counts.has_human_verdicts)
    print_benchmarks(stream, counts.benchmarks)
    splits = sorted({name for source in counts.sources for name in source.splits}, reverse=True)
    print_table(
        stream,
        "Pairs by source",
        ("source", "pairs", "kept", "flipped", *splits),
        [
            (
                source.name,
                sum(source.verdicts.values()),
                source.kept,
                source.verdicts.get("flip", 0),
                *(source.splits.get(split, 0) for split in splits),
            )
            for source in counts.sources
        ],
    )
    total = counts.verdicts
    stream.paragraph(
        f"{_number(total.total(), 'pair')}: {_are(total['keep'] + total['flip'])} kept, "
        f"{total['flip']:,} of them flipped; {_are(total['drop'])} dropped and "
        f"{total['hold']:,} held."
    )
    print_remarks(stream, () if quiet else counts.remarks)


def print_benchmarks(stream: Stream, benchmarks: Mapping[str, Mapping[str, int]]) -> None:
    """Print how many prompts and responses contain benchmark texts; nothing without benchmarks."""
    if benchmarks:
        keys = list(dict.fromkeys(key for count in benchmarks.values() for key in count))
        heads = ("benchmark", *(key.replace("_", " ") for key in keys))
        lines = [(name, *(count.get(key) for key in keys)) for name, count in benchmarks.items()]
        print_table(stream, "Prompts and responses with benchmark texts", heads, lines)


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _are(count: int) -> str:
    return f"{count:,} {'is' if count == 1 else 'are'}"


def print_rules(
    stream: Stream, rules: Sequence[Json], sources: Sequence[str], *, has_human_verdicts: bool
) -> None:
    """Print the counts of each rule, in total and for each source on which it acted.

    Args:
        stream: Where to print.
        rules: The counts of each rule, as in the manifest of a data set.
        sources: The names of the sources, in the recipe's order.
        has_human_verdicts: Whether some pairs are exempt from rules because of a human verdict.
    """
    turns = any(rule["turned_back"] for rule in rules)
    acts = ("dropped", "held", "flipped", *(("turned_back",) if turns else ()))
    several = len({source for rule in rules for source in rule["by_source"]}) > 1
    lines: list[tuple[object, ...]] = []
    for rule in rules:
        lines.append((rule["rule"], rule["in"], *(rule[act] for act in acts)))
        if several:
            lines += _source_lines(rule["by_source"], acts, sources)
    head = ("rule", "pairs in", *(act.replace("_", " ") for act in acts))
    print_table(stream, "Rules", head, lines)
    if has_human_verdicts:
        stream.paragraph(
            "Pairs with a human verdict of right or wrong are tested, and counted here, only by "
            "rules with `verdicts: true`.",
        )


def _source_lines(
    by_source: Mapping[str, Mapping[str, int]], acts: Sequence[str], sources: Sequence[str]
) -> list[tuple[object, ...]]:
    """Return a line for each source on which a rule acted, in the recipe's order."""
    acted = {name: sum(by_source[name][act] for act in acts) for name in by_source}
    order = [name for name in sources if acted.get(name)]
    most = sorted(order, key=lambda name: -acted[name])[:SOURCES_SHOWN]
    shown = order if len(order) == SOURCES_SHOWN + 1 else [n for n in order if n in most]
    others = [name for name in order if name not in shown]
    lines = [_source_line(name, [by_source[name]], acts) for name in shown]
    if others:
        name = f"{len(others)} other sources"
        lines.append(_source_line(name, [by_source[name] for name in others], acts))
    return lines


def _source_line(
    name: str, counts: Sequence[Mapping[str, int]], acts: Sequence[str]
) -> tuple[object, ...]:
    return (f"{KEEP}{KEEP}{name}", *(sum(one[key] for one in counts) for key in ("in", *acts)))


def print_remarks(stream: Stream, remarks: Sequence[str]) -> None:
    """Print the remarks of the steps about the data, one line each."""
    if remarks:
        stream.title("Notes")
    for remark in remarks:
        stream.paragraph(f"- {remark}")


def print_split_shares(stream: Stream, shares: Json) -> None:
    """Print the requested and actual share of the test split; nothing if none was requested."""
    if shares["wanted_test_ratio"]:
        from prefine.export.splits import percent

        before, after = (shares[when] for when in ("before_rules", "after_rules"))
        stream.paragraph(
            f"Test split: {after['pairs']['test_ratio']:.1%} of the pairs and "
            f"{after['prompts']['test_ratio']:.1%} of the prompts; "
            f"{before['pairs']['test_ratio']:.1%} and {before['prompts']['test_ratio']:.1%} before "
            f"the rules; {percent(shares['wanted_test_ratio'])} of the pairs were requested.",
        )


def print_sources(stream: Stream, sources: Sequence[Json]) -> None:
    """Print how many rows and labels of each source were read, quarantined and not used."""
    print_table(
        stream,
        "Sources",
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
                stream.paragraph(f"{source['name']}: {what}: {count:,}")


def print_joined(stream: Stream, notes: Mapping[str, Json]) -> None:
    """Print how many rows of the user's tables and verdicts matched; nothing without any."""
    lines = [
        *(_table_line(name, counts) for name, counts in notes.items() if "rows_unused" in counts),
        *(
            _verdicts_line(name, counts)
            for name, counts in notes.get("verdicts", {}).get("verdicts", {}).items()
        ),
    ]
    if lines:
        head = ("table", "rows", "without a match", "not usable", "pairs with a row")
        print_table(stream, "Joined tables", head, lines)


def _table_line(name: str, counts: Json) -> tuple[object, ...]:
    unit = counts["unit"]
    total = counts[f"{unit}s"]
    wrong = {f"type of {column}": number for column, number in counts["wrong_type"].items()}
    matched = f"{total - counts[f'{unit}s_without_row']:,} of {total:,}"
    matched += "" if unit == "pair" else f" {unit}s"
    lost = {**counts["quarantined"], **wrong}
    return (name.removeprefix("measure_"), counts["rows"], counts["rows_unused"], lost, matched)


def _verdicts_line(name: str, counts: Json) -> tuple[object, ...]:
    lost = {**counts["quarantined"], **counts["unusable"]}
    return (name, counts["rows"], counts["unmatched"], lost, f"{counts['pairs']:,}")


def print_table(
    stream: Stream, title: str, head: Sequence[str], body: Sequence[Sequence[object]]
) -> None:
    """Print a table; numbers are aligned right.

    Args:
        stream: Where to print.
        title: A line above the table; empty prints none.
        head: The names of the columns.
        body: The values of each row.
    """
    if title:
        stream.title(title)
    right = [
        bool(body) and all(isinstance(line[place], int | float | None) for line in body)
        for place in range(len(head))
    ]
    lines = [[cell_text(value) for value in line] for line in body]
    for text in table_lines(head, lines, right, stream.width):
        stream.line(text)
    stream.line()


def cell_text(value: object) -> str:
    """Return a value of a table as text."""
    if is_object(value):
        parts = (f"{key} {cell_text(item)}".replace(" ", KEEP) for key, item in value.items())
        return ", ".join(parts) or "none"
    if is_array(value):
        return ", ".join(cell_text(item) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else _plain(value)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    return "" if value is None else visible(str(value))
