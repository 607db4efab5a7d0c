"""The generic layout: the recipe names the columns of the prompt, the responses and the labels."""

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from prefine.ingest.layout import Context, Layout
from prefine.ingest.layouts.columns.annotators import make_optional, optional_at
from prefine.ingest.layouts.columns.choices import Answers
from prefine.ingest.layouts.columns.columnmap import ColumnMap
from prefine.ingest.layouts.columns.conversations import task_of
from prefine.ingest.layouts.columns.labels import labels_of
from prefine.ingest.layouts.columns.numbers import values_or_items
from prefine.ingest.layouts.columns.spelling import is_null, spelled
from prefine.ingest.paths import optional_value_at, root_keys, value_at
from prefine.ingest.record import Candidate, Reason, Record, RowError
from prefine.ingest.tools import tools_of
from prefine.settings.json import Json, is_object


class Columns(Layout):
    """Any columns: the option ``columns`` maps them to prompt, responses and labels."""

    version: ClassVar = 2

    format: Literal["columns"] = "columns"
    """Name of the layout."""
    columns: ColumnMap
    """The column map: which columns hold the prompt, the responses and the labels."""

    @model_validator(mode="after")
    def _require_kept_tools(self) -> Self:
        if self.columns.tools is not None and self.tools != "keep":
            raise ValueError("`columns.tools` requires `tools: keep` on the source")
        return self

    def parse(self, row: Json, context: Context) -> Record:
        """Parse a row with the column map of the source."""
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
        """Return the aspects in the column map, or None if file paths name some."""
        return None if self.path_names("aspect") else self.columns.aspects()

    def known_kinds(self) -> Collection[str] | None:
        """Return the kinds of judgement in the map: ``label``, ``rating``, ``rank``."""
        columns = self.columns
        named = {
            "label": columns.chosen or columns.labels,
            "rating": columns.ratings,
            "rank": columns.ranks or columns.ranking,
        }
        return {kind for kind, entries in named.items() if entries}

    def prompt_columns(self) -> Collection[str]:
        """Return all keys of a row that the column map reads, wholly or in part."""
        return self._keys

    def paths(self) -> Collection[str]:
        """Return the dotted paths of the map."""
        return self.columns.paths()

    def prompt_objects(self, row: Json) -> Iterable[Json]:
        """Return the objects within a row that contain prompt columns of the column map."""
        for path in self._prompt_parents:
            parent = optional_value_at(row, path)
            if is_object(parent):
                yield parent

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
    """Return the model of each response, from the row or from the path of the file."""
    shared = fields.get("model")
    sides = [fields.get("model_a", shared), fields.get("model_b", shared)]
    by_path = sides if count == len(sides) else [shared] * count
    models = values_or_items(row, tuple(make_optional(path) for path in columns.models))
    if all(is_null(model) for model in models):
        return by_path
    if len(models) != count:
        raise RowError(Reason.WRONG_TYPE, f"{count} responses but {len(models)} models")
    return [
        default if is_null(model) else spelled(model)
        for model, default in zip(models, by_path, strict=True)
    ]


def _ids(row: Json, columns: ColumnMap, count: int) -> list[str]:
    """Return the ids of the responses, which labels refer to; empty without ``ids``."""
    ids = values_or_items(row, columns.ids)
    if columns.ids and len(ids) != count:
        raise RowError(Reason.WRONG_TYPE, f"{count} responses but {len(ids)} ids")
    return ["" if is_null(response_id) else spelled(response_id) for response_id in ids]
