"""What a source needs besides its files: options of its layout, aspects that must be chosen."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from prefine.ingest.layout import Context, Layout
from prefine.ingest.layouts import Detected, layout_named
from prefine.ingest.parse import parse_row
from prefine.ingest.record import Label, RowError
from prefine.pair.ratings import OVERALL
from prefine.planning.draft.files import Group
from prefine.schema import Kind
from prefine.settings.json import is_object


class Needs(NamedTuple):
    """Settings that a recipe must have for a group of files."""

    options: Mapping[str, Any]
    """Options of the source; null if the user must fill in a value."""
    pairs: Mapping[str, Any]
    """Settings of ``pairs``."""
    others: tuple[str, ...] = ()
    """Alternatives to the first option."""
    has_ratings: bool = False
    """Whether responses are rated."""


def required_settings(group: Group) -> Needs:
    """Return the settings that a recipe needs for files of a recognised layout."""
    layout = layout_named(group.formats[0])
    options = layout.required_options()
    if "domain" in options:
        domains = _domains(group)
        return Needs({"domain": domains[0]}, {"select": "all"}, domains[1:], has_ratings=True)
    if "tables" in options:
        files = {name: {"files": list(paths)} for name, paths in sorted(group.tables.items())}
        return Needs({"tables": files or None}, {})
    if options:
        return Needs(dict.fromkeys(options), {})
    labels = _labels(group)
    return Needs({}, _pairs(layout, labels), (), any(label.kind is Kind.RATING for label in labels))


def _domains(group: Group) -> tuple[str, ...]:
    domains: dict[str, None] = {}
    for file in group.files:
        for value in file.values:
            responses = value.get("responses")
            domains |= dict.fromkeys(map(str, responses) if is_object(responses) else ())
    return tuple(domains)


def _labels(group: Group) -> list[Label]:
    """Return the labels of the first rows; empty if rows refer to other files."""
    layout = Detected(name="first", files=(group.files[0].path,)).as_layout(group.formats[0])
    if layout.lookups():
        return []
    labels: list[Label] = []
    for row in group.rows:
        read = parse_row(row, layout, Context())
        if not isinstance(read, RowError):
            labels += [label for record in read for label in record.labels]
    return labels


def _pairs(layout: type[Layout], labels: list[Label]) -> Mapping[str, Any]:
    """Return the aspects that a recipe must choose if labels or ratings have several."""
    for kind in (Kind.PAIR, Kind.RANK, Kind.RATING):
        aspects = list(dict.fromkeys(label.aspect for label in labels if label.kind is kind))
        named = [aspect for aspect in aspects if aspect not in {None, OVERALL}]
        if not aspects:
            continue
        if len(named) < len(aspects) or len(named) == 1:
            return {}
        if kind is not Kind.RATING:
            return {"aspect": named[0]}
        return {} if layout.merit else {"aspects": dict.fromkeys(named, 1)}
    return {}
