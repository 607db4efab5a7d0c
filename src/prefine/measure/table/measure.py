"""Columns of a user's table, joined to the pairs that its rows are about."""

from collections import Counter
from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from prefine.errors import DataError
from prefine.measure.base import Measure, RecipeView
from prefine.measure.table.card import table_section
from prefine.measure.table.join import Join, distinct_rows
from prefine.measure.table.values import ValueColumn, pair_columns, parse_values, require_flips
from prefine.schema import Column
from prefine.settings import FileSet, Name
from prefine.settings.json import Json
from prefine.step import Counts, Work, manifests_of
from prefine.tables.keyed import KeyedFiles, Unit
from prefine.tables.matches import keyed_rows, needs_judgements


class JoinedTable(KeyedFiles, Measure):
    """Columns of a user's table, joined by a key; null for a pair without a row.

    Use it for values computed elsewhere: rewards, losses, influence scores, classifier outputs or
    annotator data. Needs files with a key of the pairs, responses or prompts.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    version: ClassVar[int] = 1
    scope: ClassVar = "corpus"

    kind: Literal["table"]
    """Selects this measure."""
    per: Unit | None = None
    """What one row is about: ``pair``, ``response`` or ``prompt``. Null derives it from the key: a
    pair for ``own_id``, ``pair_id`` and ``row``, a response for ``response_id``, a prompt for
    ``prompt_id``, and for ``text`` the unit of the columns in ``key_columns``, by default a
    prompt."""
    values: dict[Name, ValueColumn] = Field(alias="columns", min_length=1)
    """The value columns by name. Column X of a table about responses becomes ``chosen_X``,
    ``rejected_X`` and, for numbers, ``X_margin``."""

    @property
    def unit(self) -> Unit:
        """What one row is about."""
        if self.per is not None:
            return self.per
        if self.key == "text" and "response" in self.key_columns:
            return "response"
        if self.key == "text" and {"chosen", "rejected"} & self.key_columns.keys():
            return "pair"
        return super().unit

    @property
    def is_unit_assumed(self) -> bool:
        """Whether the unit ``prompt`` is a default that the columns of the rows may contradict."""
        return self.key == "text" and self.per is None and self.unit == "prompt"

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        require_flips(self.values, self.unit)
        return self

    def value_paths(self) -> Mapping[str, str]:
        """Return the dotted path of each value column, by its name."""
        return {name: value.column or name for name, value in self.values.items()}

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        return pair_columns(self.name, self.values, self.unit)

    def reads(self, recipe: RecipeView) -> tuple[str, ...]:
        """Return the tables that are read."""
        judgements = ("judgements",) if needs_judgements(self.key) else ()
        return ("pairs", *judgements, self.rows_table)

    def keyed(self) -> tuple[KeyedFiles, ...]:
        """Return the files whose rows are joined."""
        return (self,)

    def file_sets(self) -> tuple[FileSet, ...]:
        """Return the files that the settings name."""
        return (self.file_set,)

    def run(self, work: Work) -> Counts:
        """Join the rows of the table to all pairs.

        Raises:
            DataError: Two rows with the same key differ, an own id occurs in two sources, no row
                matches, or no value of a column has its type.
        """
        rows = keyed_rows(work, self)
        values, wrong = parse_values(rows, self.values)
        for name, count in wrong.items():
            if not values[name].count():
                raise DataError(
                    f"table {self.name}: none of the {count:,} values of `{name}` has the type "
                    f"{self.values[name].type}; set `type` of the column to the type of its values"
                )
        paths = {file.sha256[:12]: file.path for file in work.files(self.file_set.key)}
        unique = distinct_rows(rows.drop("values").join(values, on="row_index"), self, paths)
        join = Join(self, self.values, unique, columns=self.columns(), paths=paths)
        for part in work.parts("pairs"):
            columns = join.shard(work, part)
            work.emit(self.table, columns, part=part)
            work.progress(columns.height)
        join.check()
        work.notes.update(self._notes(work, join, wrong))
        work.notes["rows"] = rows.height
        work.notes["rows_repeated"] = rows.height - unique.height
        return Counts(join.num_pairs, join.num_pairs)

    def _notes(self, work: Work, join: Join, wrong: Json) -> Json:
        dropped: Counter[str] = Counter()
        for manifest in manifests_of(work, self.rows_table):
            dropped.update(manifest.dropped)
        return {**join.notes(), "wrong_type": wrong, "quarantined": dict(sorted(dropped.items()))}

    def card(self, notes: Mapping[str, Json]) -> str | None:
        """Return the section with the counts of the join."""
        own_notes = notes.get(self.table)
        return None if own_notes is None else table_section(self.name, own_notes)
