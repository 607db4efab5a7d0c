"""The generic layout: a recipe says which columns hold the prompt, the responses and the labels."""

import re
from collections.abc import Collection, Iterator
from typing import Any, Literal, cast

from prefine.ingest.layout import Context, Layout
from prefine.ingest.layouts.columns.columnmap import ColumnMap
from prefine.ingest.layouts.columns.labels import labels_of, spread
from prefine.ingest.messages import prompt_of, response_of
from prefine.ingest.paths import value_at
from prefine.ingest.record import Candidate, Reason, Record, RowError
from prefine.ingest.values import text
from prefine.settings.json import Json, is_object


class Columns(Layout):
    """Any columns, as the option ``columns`` describes them."""

    format: Literal["columns"] = "columns"
    columns: ColumnMap
    """Which column holds what."""

    def prompt_columns(self) -> Collection[str]:
        """Return every column that the map names."""
        paths = set(_texts(self.columns.model_dump()))
        return paths | {re.split(r"[.\[]", path, maxsplit=1)[0] for path in paths}

    def parse(self, row: Json, context: Context) -> Record:
        """Read a row by the source's column map."""
        columns = self.columns
        system = value_at(row, columns.system) if columns.system else None
        if system is not None:
            system = text(system, columns.system or "")
        prompt = prompt_of(value_at(row, columns.prompt), columns.prompt, system)
        candidates = _candidates(row, columns)
        annotator = _optional_at(row, columns.annotator) or context.fields.get("annotator")
        return Record(
            prompt,
            candidates,
            labels_of(row, columns, annotator, len(candidates)),
            group=_optional_at(row, columns.group),
            language=_optional_at(row, columns.language),
            split=_optional_at(row, columns.split),
        )


def _texts(value: object) -> Iterator[str]:
    """Yield every text within the settings of a map."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in cast("tuple[object, ...]", value):
            yield from _texts(item)
    elif is_object(value):
        yield from _texts(tuple(value.values()))


def _optional_at(row: Json, path: str | None) -> str | None:
    if path is None:
        return None
    value = value_at(row, path)
    return None if value is None else str(value)


def _candidates(row: Json, columns: ColumnMap) -> list[Candidate]:
    paths = columns.responses or (columns.chosen or "", columns.rejected or "")
    responses = spread(row, paths)
    models: list[Any] = spread(row, columns.models) if columns.models else [None] * len(responses)
    if len(models) != len(responses):
        raise RowError(Reason.WRONG_TYPE, f"{len(responses)} responses but {len(models)} models")
    return [
        Candidate(response_of(value, paths[0]), None if model is None else str(model))
        for value, model in zip(responses, models, strict=True)
    ]
