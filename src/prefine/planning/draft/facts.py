"""What a source needs beside its files: options of its layout, aspects that must be chosen."""

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
    """Of the source; null where a person must fill in."""
    pairs: Mapping[str, Any]
    """Of ``pairs``."""
    others: tuple[str, ...] = ()
    """What could stand in place of the first option."""
    has_ratings: bool = False
    """Whether responses are rated."""


def needs_of(group: Group) -> Needs:
    """Return what the recipe must say about files of a recognised layout."""
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
    return Needs({}, _pairs(layout, labels), (), any(one.kind is Kind.RATING for one in labels))


def _domains(group: Group) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for file in group.files:
        for value in file.values:
            responses = value.get("responses")
            found |= dict.fromkeys(map(str, responses) if is_object(responses) else ())
    return tuple(found)


def _labels(group: Group) -> list[Label]:
    """Return the labels of the first rows; none where rows refer to others."""
    layout = Detected(name="first", files=(group.files[0].path,)).as_layout(group.formats[0])
    if layout.lookups():
        return []
    found: list[Label] = []
    for row in group.rows:
        read = parse_row(row, layout, Context())
        if not isinstance(read, RowError):
            found += [label for record in read for label in record.labels]
    return found


def _pairs(layout: type[Layout], labels: list[Label]) -> Mapping[str, Any]:
    """Return the aspects that a recipe must choose, where labels or ratings have several."""
    for kind in (Kind.PAIR, Kind.RANK, Kind.RATING):
        aspects = list(dict.fromkeys(one.aspect for one in labels if one.kind is kind))
        named = [aspect for aspect in aspects if aspect not in {None, OVERALL}]
        if not aspects:
            continue
        if len(named) < len(aspects) or len(named) == 1:
            return {}
        if kind is not Kind.RATING:
            return {"aspect": named[0]}
        return {} if layout.merit else {"aspects": dict.fromkeys(named, 1)}
    return {}
