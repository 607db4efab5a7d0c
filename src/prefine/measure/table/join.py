"""Join the rows of a user's table with the pairs of one shard after another."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from prefine.errors import DataError
from prefine.measure.table.values import Values, margins
from prefine.schema import Column
from prefine.settings.json import Json
from prefine.step import Work
from prefine.tables.keyed import KeyedFiles
from prefine.tables.matches import (
    JUDGED,
    PAIR,
    matched_pairs,
    matched_prompts,
    matched_responses,
    needs_judgements,
    own_id_sources,
    require_one_source,
)
from prefine.tables.texts import join_sides

_DIGITS = 9
"""Values that a flip has made are compared to so many decimals."""


def keys_of(keyed: KeyedFiles) -> list[str]:
    """Return the columns of keyed rows that hold their key."""
    if keyed.key == "text":
        return [f"{keyed.unit}_id"]
    named = {"own_id": ["own_id", "source"], "row": ["source", "source_file", "source_row"]}
    return named.get(keyed.key, [keyed.key])


def distinct_rows(rows: pl.DataFrame, keyed: KeyedFiles, paths: Mapping[str, str]) -> pl.DataFrame:
    """Keep one row a key and direction.

    Args:
        rows: The keyed rows with their values.
        keyed: Their settings.
        paths: The path of each file, by the first digits of its hash.

    Raises:
        DataError: Two rows of one key have different values.
    """
    key = [*keys_of(keyed), "chosen_id"]
    values = list(keyed.value_paths())
    unique = rows.unique([*key, *values], keep="first", maintain_order=True)
    twice = unique.filter(pl.len().over(key) > 1)
    if twice.height:
        one = twice.row(0, named=True)
        same = [pl.col(name).eq_missing(pl.lit(one[name])) for name in key]
        other = twice.filter(same).row(1, named=True)
        raise DataError(_conflict(keyed, one, other, paths))
    return unique


def _conflict(keyed: KeyedFiles, one: Json, other: Json, paths: Mapping[str, str]) -> str:
    where = " and ".join(_place(row, paths) for row in (one, other))
    of, way_out = f"the {keyed.key} {_spelt(one, keyed)}", ""
    if keyed.key == "text":
        of = f"one {keyed.unit}"
        if keyed.unit == "prompt":
            way_out = "; rows about single responses need `per: response`, about pairs `per: pair`"
    return f"{keyed.file_set.key}: two rows of {of} have different values: {where}{way_out}"


def _place(row: Json, paths: Mapping[str, str]) -> str:
    """Return where a keyed row stands."""
    return f"{paths[row['file']]}:{row['row']}"


def _spelt(row: Json, keyed: KeyedFiles) -> str:
    """Return the key of a row as a message shows it."""
    return " ".join(f"`{row[name]}`" for name in keys_of(keyed) if row[name] is not None)


class Join:
    """Rows on their way to the pairs, and what was counted on it."""

    def __init__(
        self,
        keyed: KeyedFiles,
        values: Values,
        rows: pl.DataFrame,
        *,
        columns: Sequence[Column],
        paths: Mapping[str, str],
    ) -> None:
        self._keyed = keyed
        self._values = values
        self._rows = rows.drop("place").with_row_index("place")
        self._columns = columns
        self._paths = paths
        self._used = np.zeros(rows.height, bool)
        self._sources: list[pl.DataFrame] = []
        self._example: str | None = None
        self.num_pairs = 0
        self._num_units = 0
        self._num_matched = 0
        self._num_several = 0

    def shard(self, work: Work, part: int) -> pl.DataFrame:
        """Return the columns beside the pairs of a shard."""
        pairs = work.read("pairs", PAIR, part=part)
        judgements = None
        if needs_judgements(self._keyed.key):
            judgements = work.read("judgements", JUDGED, part=part)
        if judgements is not None and self._keyed.key == "own_id":
            self._sources.append(own_id_sources(self._rows, judgements))
        self.num_pairs += pairs.height
        self._example = self._example or self._example_of(pairs, judgements)
        return {"pair": self._pairs, "response": self._responses, "prompt": self._prompts}[
            self._keyed.unit
        ](pairs, judgements)

    def _pairs(self, pairs: pl.DataFrame, judgements: pl.DataFrame | None) -> pl.DataFrame:
        found = matched_pairs(self._rows, self._keyed.key, pairs, judgements)
        turned = (pl.col("taken") != pl.col("chosen_id")).fill_null(value=False)
        found = (
            found.rename({"chosen_id": "taken"})
            .join(pairs.select("pair_id", "chosen_id"), on="pair_id", maintain_order="left")
            .join(self._rows.select("place", *self._values), on="place", maintain_order="left")
            .select("pair_id", "place", *(column.seen(turned) for column in self._columns))
        )
        return pairs.select("pair_id").join(
            self._first(found, "pair_id", pairs["pair_id"]),
            on="pair_id",
            how="left",
            maintain_order="left",
        )

    def _responses(self, pairs: pl.DataFrame, judgements: pl.DataFrame | None) -> pl.DataFrame:
        found = matched_responses(self._rows, self._keyed.key, judgements)
        wanted = pl.concat([pairs["chosen_id"], pairs["rejected_id"]]).unique()
        facts = self._first(self._with_values(found, "response_id"), "response_id", wanted)
        return join_sides(pairs, facts, *self._values).with_columns(margins(self._values))

    def _prompts(self, pairs: pl.DataFrame, judgements: pl.DataFrame | None) -> pl.DataFrame:
        found = matched_prompts(self._rows, self._keyed.key, judgements)
        wanted = pairs["prompt_id"].unique()
        facts = self._first(self._with_values(found, "prompt_id"), "prompt_id", wanted)
        return pairs.select("pair_id", "prompt_id").join(
            facts, on="prompt_id", how="left", maintain_order="left"
        )

    def _with_values(self, found: pl.DataFrame, key: str) -> pl.DataFrame:
        values = self._rows.select("place", *self._values)
        return found.select("place", key).join(values, on="place", maintain_order="left")

    def _first(self, found: pl.DataFrame, key: str, wanted: pl.Series) -> pl.DataFrame:
        """Keep the first row of each unit that is wanted; count what was found.

        Raises:
            DataError: Rows of one key, in opposite directions, contradict each other.
        """
        found = found.filter(pl.col(key).is_in(wanted.implode()))
        self._used[found["place"].to_numpy()] = True
        rounded = found.with_columns(pl.col(pl.Float64).round(_DIGITS))
        several = rounded.unique([key, *self._values]).filter(pl.len().over(key) > 1)
        if several.height and not needs_judgements(self._keyed.key):
            name = several[key].min()
            places = several.filter(pl.col(key) == name)["place"].sort()[:2].to_list()
            one, other = (self._rows.row(place, named=True) for place in places)
            raise DataError(_conflict(self._keyed, one, other, self._paths))
        first = found.unique(key, keep="first", maintain_order=True).drop("place")
        self._num_units += len(wanted)
        self._num_matched += first.height
        self._num_several += several[key].n_unique()
        return first

    def _example_of(self, pairs: pl.DataFrame, judgements: pl.DataFrame | None) -> str | None:
        """Return a key of the data, for the message that none matches."""
        if judgements is None:
            column = {"response": "chosen_id"}.get(self._keyed.unit, f"{self._keyed.unit}_id")
            found = pairs.select(column)
        elif self._keyed.key == "own_id":
            known = judgements.filter(pl.col("own_id").is_not_null())
            if self._keyed.source is not None:
                known = known.filter(pl.col("source") == self._keyed.source)
            found = known.select("own_id")
        else:
            found = judgements.select("source", "file", "row")
        return " ".join(f"`{value}`" for value in found.row(0)) if found.height else None

    def check(self) -> None:
        """Refuse a table of which nothing matches, and own ids that say too little.

        Raises:
            DataError: It is such a table.
        """
        where, key = self._keyed.file_set.key, self._keyed.key
        require_one_source(where, self._rows, self._sources)
        if self._used.any() or not self.num_pairs:
            return
        none = (
            f"{where}: none of its {self._rows.height} rows matches a {self._keyed.unit} by {key}"
        )
        first = self._rows.row(0, named=True)
        if key == "text":  # the ids of texts say nothing to the user, and texts are not shown
            raise DataError(
                f"{none}, such as {_place(first, self._paths)}; texts must be equal character by "
                "character, blanks at the ends included"
            )
        theirs = f"the data have {self._example}"
        if self._example is None:
            of = f"source {self._keyed.source}" if self._keyed.source else "the data"
            theirs = f"no raw row of {of} has an own id (`id` of a source says where it is)"
        elif needs_judgements(key) and self._keyed.unit == "pair":
            theirs += "; rows about single responses need `per: response`"
        raise DataError(f"{none}; the table has {_spelt(first, self._keyed)}, {theirs}")

    def notes(self) -> Json:
        """Return what was counted."""
        unit = self._keyed.unit
        return {
            "key": self._keyed.key,
            "unit": unit,
            "rows_unused": int((~self._used).sum()),
            f"{unit}s": self._num_units,
            f"{unit}s_without_row": self._num_units - self._num_matched,
            f"{unit}s_with_several_rows": self._num_several,
        }
