"""The generic layout: a recipe says which columns hold the prompt, the responses and the labels."""

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from prefine.ingest.layout import Context, Layout
from prefine.ingest.layouts.columns.annotators import may_be_missing, optional_at
from prefine.ingest.layouts.columns.choices import Answers
from prefine.ingest.layouts.columns.columnmap import ColumnMap
from prefine.ingest.layouts.columns.conversations import task_of
from prefine.ingest.layouts.columns.labels import labels_of
from prefine.ingest.layouts.columns.numbers import spread
from prefine.ingest.layouts.columns.spelling import is_null, spelled
from prefine.ingest.paths import found_at, root_keys, value_at
from prefine.ingest.record import Candidate, Reason, Record, RowError
from prefine.ingest.tools import tools_of
from prefine.settings.json import Json, is_object


class Columns(Layout):
    """Any columns, as the option ``columns`` describes them."""

    version: ClassVar = 2

    format: Literal["columns"] = "columns"
    columns: ColumnMap
    """Which column holds what."""

    @model_validator(mode="after")
    def _keeps_tools(self) -> Self:
        if self.columns.tools is not None and self.tools != "keep":
            raise ValueError("`tools` of a map goes with `tools: keep` of the source")
        return self

    def parse(self, row: Json, context: Context) -> Record:
        """Read a row by the source's column map."""
        columns = self.columns
        task = task_of(row, columns)
        models = _models(row, columns, len(task.responses), context.fields)
        candidates = [
            Candidate(messages, model)
            for messages, model in zip(task.responses, models, strict=True)
        ]
        answers = Answers(candidates, _ids(row, columns, len(candidates)))
        return Record(
            task.prompt,
            candidates,
            labels_of(row, columns, answers, context),
            group=optional_at(row, columns.group),
            language=optional_at(row, columns.language),
            split=optional_at(row, columns.split),
            context_mismatch=task.mismatch,
            tools=_tools(row, columns.tools),
        )

    def known_aspects(self) -> Collection[str] | None:
        """Return the aspects that the map names; null where paths name some."""
        return None if self.path_names("aspect") else self.columns.aspects()

    def known_kinds(self) -> Collection[str] | None:
        """Return what the map names: ``label``, ``rating``, ``rank``."""
        columns = self.columns
        named = {
            "label": columns.chosen or columns.labels,
            "rating": columns.ratings,
            "rank": columns.ranks or columns.ranking,
        }
        return {kind for kind, entries in named.items() if entries}

    def prompt_columns(self) -> Collection[str]:
        """Return every key of a row that the map reads, wholly or in part."""
        return self._keys

    def paths(self) -> Collection[str]:
        """Return the dotted paths of the map."""
        return self.columns.paths()

    def prompt_objects(self, row: Json) -> Iterable[Json]:
        """Return the objects within a row in which prompt columns of the map stand."""
        for path in self._prompt_parents:
            held = found_at(row, path)
            if is_object(held):
                yield held

    @cached_property
    def _prompt_parents(self) -> tuple[str, ...]:
        paths = [path.removesuffix("?") for path in self.columns.prompt_columns]
        parents = (path.rpartition(".")[0] for path in paths if "[" not in path)
        return tuple(dict.fromkeys(parent for parent in parents if parent))

    @cached_property
    def _keys(self) -> frozenset[str]:
        paths = self.columns.paths()
        roots = (key for path in paths for key in root_keys(path))
        return frozenset({*roots, *(path.removesuffix("?").rpartition(".")[2] for path in paths)})


def _tools(row: Json, path: str | None) -> str | None:
    return None if path is None else tools_of(value_at(row, path), path)


def _models(
    row: Json, columns: ColumnMap, count: int, fields: Mapping[str, str]
) -> list[str | None]:
    """Return who wrote each response, as the row or the path of its file says."""
    shared = fields.get("model")
    named = [fields.get("model_a", shared), fields.get("model_b", shared)]
    by_path = named if count == len(named) else [shared] * count
    found = spread(row, tuple(may_be_missing(path) for path in columns.models))
    if all(is_null(model) for model in found):
        return by_path
    if len(found) != count:
        raise RowError(Reason.WRONG_TYPE, f"{count} responses but {len(found)} models")
    return [
        default if is_null(model) else spelled(model)
        for model, default in zip(found, by_path, strict=True)
    ]


def _ids(row: Json, columns: ColumnMap, count: int) -> list[str]:
    """Return the ids by which labels name the responses; none where the map names no ids."""
    found = spread(row, columns.ids)
    if columns.ids and len(found) != count:
        raise RowError(Reason.WRONG_TYPE, f"{count} responses but {len(found)} ids")
    return ["" if is_null(name) else spelled(name) for name in found]
