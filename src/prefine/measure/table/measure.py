"""Columns of a user's own table, beside the pairs that its rows are about.

With it come rewards, losses, influences and classifiers computed elsewhere, and what is known of
annotators.
"""

from collections import Counter
from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from prefine.errors import DataError
from prefine.measure.base import Measure, RecipeView
from prefine.measure.table.card import table_section
from prefine.measure.table.join import Join, distinct_rows
from prefine.measure.table.values import ValueColumn, pair_columns, require_flips, typed
from prefine.schema import Column
from prefine.settings import FileSet, Name
from prefine.settings.json import Json
from prefine.step import Counts, Work, manifests_of
from prefine.tables.keyed import KeyedFiles, Unit
from prefine.tables.matches import keyed_rows, needs_judgements


class JoinedTable(KeyedFiles, Measure):
    """Columns of a user's own table, joined by a key.

    Null where the table has no row.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    version: ClassVar[int] = 1
    scope: ClassVar = "corpus"

    kind: Literal["table"]
    per: Unit | None = None
    """What one row is about; null takes it from the key: a pair for ``own_id``, ``pair_id`` and
    ``row``, a response for ``response_id``, a prompt for ``prompt_id``; for ``text`` whatever
    ``key_columns`` names texts of, else a prompt; rows that hold a response or both sides of a pair
    beside it need ``per``."""
    values: dict[Name, ValueColumn] = Field(alias="columns", min_length=1)
    """The value columns by name. A column X of rows about responses becomes ``chosen_X``,
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
        """Whether nothing in the settings says that rows are about prompts; their columns may."""
        return self.key == "text" and self.per is None and self.unit == "prompt"

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        require_flips(self.values, self.unit)
        return self

    def value_paths(self) -> Mapping[str, str]:
        """Return the dotted path of each value, by its name."""
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
        """Return the files that it names."""
        return (self.file_set,)

    def run(self, work: Work) -> Counts:
        """Join the rows of the table with all pairs.

        Raises:
            DataError: Two rows of one key differ, an own id stands in two sources, no row matches
                anything, or no value of a column has its type.
        """
        rows = keyed_rows(work, self)
        values, wrong = typed(rows, self.values)
        for name, count in wrong.items():
            if not values[name].count():
                raise DataError(
                    f"table {self.name}: none of the {count:,} values of `{name}` is of the type "
                    f"{self.values[name].type}; state its own type"
                )
        paths = {file.sha256[:12]: file.path for file in work.files(self.file_set.key)}
        unique = distinct_rows(rows.drop("values").join(values, on="place"), self, paths)
        join = Join(self, self.values, unique, columns=self.columns(), paths=paths)
        for part in work.parts("pairs"):
            found = join.shard(work, part)
            work.emit(self.table, found, part=part)
            work.progress(found.height)
        join.check()
        work.notes.update(self._notes(work, join, wrong))
        work.notes["rows"] = rows.height
        work.notes["rows_repeated"] = rows.height - unique.height
        return Counts(join.num_pairs, join.num_pairs)

    def _notes(self, work: Work, join: Join, wrong: Json) -> Json:
        refused: Counter[str] = Counter()
        for manifest in manifests_of(work, self.rows_table):
            refused.update(manifest.dropped)
        return {**join.notes(), "wrong_type": wrong, "quarantined": dict(sorted(refused.items()))}

    def card(self, notes: Mapping[str, Json]) -> str | None:
        """Return a section on what was joined with what."""
        found = notes.get(self.table)
        return None if found is None else table_section(self.name, found)
