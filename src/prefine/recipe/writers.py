"""Which measures would write a column: for messages about columns that a recipe does not have."""

from collections.abc import Iterator, Sequence
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, cast, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from prefine.measure.base import Measure
from prefine.measure.kinds import MEASURES
from prefine.settings import Part
from prefine.settings.names import nearest

_SAMPLE = "sample_name"
"""Placeholder for required names in measures that are created to list their columns."""
_MAX_SHOWN = 3


class Writer(NamedTuple):
    """A measure that writes a column."""

    kind: str
    change: str | None
    """The setting that it needs, as YAML; null where the defaults write the column."""
    needs: tuple[str, ...]
    """The keys that a measure of this kind must have besides ``kind``."""


def missing_column(name: str, measures: Sequence[Measure]) -> str | None:
    """Return why a recipe has no column of a name, where a measure would write it.

    Args:
        name: The unknown column.
        measures: Those of the recipe.
    """
    writers = _writers().get(name, [])
    kinds = {measure.kind_name() for measure in measures}
    for writer in writers:
        if writer.kind in kinds and writer.change is not None:
            return (
                f"column `{name}` is written by the measure `{writer.kind}` only with "
                f"`{writer.change}`: add this setting to the measure"
            )
    absent = [writer for writer in writers if writer.kind not in kinds]
    if absent:
        kinds_shown = " or ".join(f"`{writer.kind}`" for writer in absent[:_MAX_SHOWN])
        return (
            f"column `{name}` is written by the measure {kinds_shown}, which this recipe does not "
            f"have: add `{_line(absent[0])}` to measures{_needs(absent[0])}"
        )
    return None


def named_column(name: str, measures: Sequence[Measure]) -> str | None:
    """Return which name a measure needs to write a column such as ``rm_margin``.

    Args:
        name: The unknown column.
        measures: Those of the recipe.
    """
    labels = {measure.label for measure in measures}
    for suffix, kinds in _suffixes().items():
        label = name.removesuffix(f"_{suffix}")
        if label not in {name, "", *labels} and label.isidentifier():
            shown = ", ".join(f"`{kind}`" for kind in kinds[:_MAX_SHOWN])
            return (
                f"no column `{name}`; a measure with `name: {label}` would write it (kinds: "
                f"{shown}), and the recipe has none of this name"
            )
    return None


def similar_column(name: str, measures: Sequence[Measure]) -> str | None:
    """Return which measure would write a column with a similar name."""
    close = nearest(name, _writers())
    reason = None if close is None else missing_column(close, measures)
    return None if reason is None else f"no column `{name}`; did you mean `{close}`? {reason}"


def _line(writer: Writer) -> str:
    if writer.change is None:
        return f"- kind: {writer.kind}"
    return f"- {{kind: {writer.kind}, {writer.change}}}"


def _needs(writer: Writer) -> str:
    if not writer.needs:
        return ""
    return f", with {' and '.join(f'`{key}`' for key in writer.needs)}"


@cache
def _writers() -> dict[str, list[Writer]]:
    """Return the measures that write each column, those with default settings first."""
    by_column: dict[str, list[Writer]] = {}
    for cls in MEASURES:
        needs = tuple(key for key, _ in _required(cls) if key != "kind")
        for change, measure in _variants(cls):
            for column in measure.columns():
                known = by_column.setdefault(column.name, [])
                if _SAMPLE not in column.name and cls.kind_name() not in {w.kind for w in known}:
                    known.append(Writer(cls.kind_name(), change, needs))
    return {name: writers for name, writers in by_column.items() if writers}


@cache
def _suffixes() -> dict[str, list[str]]:
    """Return the suffixes of columns that begin with the name of their measure, with the kinds."""
    by_suffix: dict[str, list[str]] = {}
    for cls in MEASURES:
        if "name" not in cls.model_fields:
            continue
        for change, measure in _variants(cls):
            for column in measure.columns() if change is None else ():
                suffix = column.name.removeprefix(f"{measure.label}_")
                if suffix != column.name:
                    kinds = by_suffix.setdefault(suffix, [])
                    kinds += [cls.kind_name()] if cls.kind_name() not in kinds else []
    return by_suffix


def _variants(cls: type[Measure]) -> Iterator[tuple[str | None, Measure]]:
    """Yield measures of a kind: with its defaults, then with one setting changed each."""
    base = {key: _sample(field.annotation) for key, field in _required(cls)}
    unchanged: list[tuple[str | None, dict[str, Any]]] = [(None, {})]
    changes = unchanged + [
        (f"{key}: {_as_yaml(value)}", {key: value})
        for key, field in _named_fields(cls)
        if not field.is_required()
        for value in _others(field)
    ]
    for change, setting in changes:
        try:
            yield change, cls.model_validate({**base, **setting})
        except ValidationError:
            continue


def _named_fields(cls: type[Part]) -> list[tuple[str, FieldInfo]]:
    return [(field.alias or name, field) for name, field in cls.model_fields.items()]


def _required(cls: type[Part]) -> list[tuple[str, FieldInfo]]:
    return [(key, field) for key, field in _named_fields(cls) if field.is_required()]


def _others(field: FieldInfo) -> list[Any]:
    """Return values of a setting that may make its measure write further columns."""
    annotation = field.annotation
    if annotation is bool:
        return [not field.default]
    if get_origin(annotation) is Literal:
        return [value for value in get_args(annotation) if value != field.default]
    if get_origin(annotation) is tuple and get_origin(get_args(annotation)[0]) is Literal:
        return [list(get_args(get_args(annotation)[0]))]
    if field.default is None and any(_is_part(one) for one in get_args(annotation)):
        return [_sample(annotation)]
    return []


def _is_part(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Part)


def _sample(annotation: Any) -> Any:
    """Return a value that a setting of a type may have."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if _is_part(annotation):
        return {key: _sample(field.annotation) for key, field in _required(annotation)}
    if origin in {Annotated, Union, UnionType}:
        return _sample(inner[0])
    if origin is Literal:
        return inner[0]
    if origin is tuple:
        return [_sample(inner[0])]
    if origin is dict:
        return {_SAMPLE: _sample(inner[1])}
    return 1 if annotation in {int, float} else _SAMPLE


def _as_yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(str, cast('list[object]', value)))}]"
    return "{...}" if isinstance(value, dict) else str(value)
