"""Join the rows of a user's table to pairs, shard by shard."""

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
"""Decimals to which numbers are compared, because flipping can change the last bits."""


def keys_of(keyed: KeyedFiles) -> list[str]:
    """Return the columns of keyed rows that contain their key."""
    if keyed.key == "text":
        return [f"{keyed.unit}_id"]
    columns = {"own_id": ["own_id", "source"], "row": ["source", "source_file", "source_row"]}
    return columns.get(keyed.key, [keyed.key])


def distinct_rows(rows: pl.DataFrame, keyed: KeyedFiles, paths: Mapping[str, str]) -> pl.DataFrame:
    """Remove duplicate rows: keep one row per key and direction.

    Args:
        rows: The keyed rows with their values.
        keyed: The settings of the table.
        paths: The path of each file, by the first digits of its hash.

    Raises:
        DataError: Two rows with the same key have different values.
    """
    key = [*keys_of(keyed), "chosen_id"]
    values = list(keyed.value_paths())
    unique = rows.unique([*key, *values], keep="first", maintain_order=True)
    repeated = unique.filter(pl.len().over(key) > 1)
    if repeated.height:
        first = repeated.row(0, named=True)
        same = [pl.col(name).eq_missing(pl.lit(first[name])) for name in key]
        second = repeated.filter(same).row(1, named=True)
        raise DataError(_conflict_message(keyed, first, second, paths))
    return unique


def _conflict_message(
    keyed: KeyedFiles, first: Json, second: Json, paths: Mapping[str, str]
) -> str:
    where = " and ".join(_location(row, paths) for row in (first, second))
    key, way_out = f"{keyed.key} {_key_text(first, keyed)}", "; keep one of them"
    if keyed.key == "text":
        key = keyed.unit
        if keyed.unit == "prompt":
            way_out = "; set `per: response` or `per: pair` if rows are about responses or pairs"
    table = keyed.file_set.key
    return f"{table}: two rows with the same {key} have different values: {where}{way_out}"


def _location(row: Json, paths: Mapping[str, str]) -> str:
    """Return the path and number of a keyed row."""
    return f"{paths[row['file']]}:{row['row']}"


def _key_text(row: Json, keyed: KeyedFiles) -> str:
    """Return the key of a row for a message."""
    return " ".join(f"`{row[name]}`" for name in keys_of(keyed) if row[name] is not None)


class Join:
    """A join of keyed rows to the pairs of all shards, with counts of matched rows."""

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
        self._rows = rows.drop("row_index").with_row_index("row_index")
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
        """Join the rows to the pairs of a shard and return the columns of the measure."""
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
        matches = matched_pairs(self._rows, self._keyed.key, pairs, judgements)
        is_flipped = (pl.col("chosen_by_row") != pl.col("chosen_id")).fill_null(value=False)
        matches = (
            matches.rename({"chosen_id": "chosen_by_row"})
            .join(pairs.select("pair_id", "chosen_id"), on="pair_id", maintain_order="left")
            .join(
                self._rows.select("row_index", *self._values), on="row_index", maintain_order="left"
            )
            .select(
                "pair_id",
                "row_index",
                *(column.in_direction(is_flipped) for column in self._columns),
            )
        )
        return pairs.select("pair_id").join(
            self._first_rows(matches, "pair_id", pairs["pair_id"]),
            on="pair_id",
            how="left",
            maintain_order="left",
        )

    def _responses(self, pairs: pl.DataFrame, judgements: pl.DataFrame | None) -> pl.DataFrame:
        matches = matched_responses(self._rows, self._keyed.key, judgements)
        ids = pl.concat([pairs["chosen_id"], pairs["rejected_id"]]).unique()
        values = self._first_rows(self._with_values(matches, "response_id"), "response_id", ids)
        return join_sides(pairs, values, *self._values).with_columns(margins(self._values))

    def _prompts(self, pairs: pl.DataFrame, judgements: pl.DataFrame | None) -> pl.DataFrame:
        matches = matched_prompts(self._rows, self._keyed.key, judgements)
        ids = pairs["prompt_id"].unique()
        values = self._first_rows(self._with_values(matches, "prompt_id"), "prompt_id", ids)
        return pairs.select("pair_id", "prompt_id").join(
            values, on="prompt_id", how="left", maintain_order="left"
        )

    def _with_values(self, matches: pl.DataFrame, key: str) -> pl.DataFrame:
        values = self._rows.select("row_index", *self._values)
        return matches.select("row_index", key).join(values, on="row_index", maintain_order="left")

    def _first_rows(self, matches: pl.DataFrame, key: str, ids: pl.Series) -> pl.DataFrame:
        """Keep the first row of each unit in ``ids``, and count the matches.

        Raises:
            DataError: Rows with the same key but opposite directions contradict each other.
        """
        matches = matches.filter(pl.col(key).is_in(ids.implode()))
        self._used[matches["row_index"].to_numpy()] = True
        rounded = matches.with_columns(pl.col(pl.Float64).round(_DIGITS))
        several = rounded.unique([key, *self._values]).filter(pl.len().over(key) > 1)
        if several.height and not needs_judgements(self._keyed.key):
            name = several[key].min()
            positions = several.filter(pl.col(key) == name)["row_index"].sort()[:2].to_list()
            first, second = (self._rows.row(position, named=True) for position in positions)
            raise DataError(_conflict_message(self._keyed, first, second, self._paths))
        rows = matches.unique(key, keep="first", maintain_order=True).drop("row_index")
        self._num_units += len(ids)
        self._num_matched += rows.height
        self._num_several += several[key].n_unique()
        return rows

    def _example_of(self, pairs: pl.DataFrame, judgements: pl.DataFrame | None) -> str | None:
        """Return an example of a key in the data, for an error message."""
        if judgements is None:
            column = {"response": "chosen_id"}.get(self._keyed.unit, f"{self._keyed.unit}_id")
            keys = pairs.select(column)
        elif self._keyed.key == "own_id":
            with_id = judgements.filter(pl.col("own_id").is_not_null())
            if self._keyed.source is not None:
                with_id = with_id.filter(pl.col("source") == self._keyed.source)
            keys = with_id.select("own_id")
        else:
            keys = judgements.select("source", "file", "row")
        return " ".join(f"`{value}`" for value in keys.row(0)) if keys.height else None

    def check(self) -> None:
        """Reject a table without any match, and ambiguous own ids.

        Raises:
            DataError: No row matches, or an own id occurs in several sources.
        """
        where, key = self._keyed.file_set.key, self._keyed.key
        require_one_source(where, self._rows, self._sources)
        if self._used.any() or not self.num_pairs:
            return
        no_match = (
            f"{where}: none of its {self._rows.height} rows matches a {self._keyed.unit} by {key}"
        )
        first = self._rows.row(0, named=True)
        if key == "text":  # messages show neither texts nor the hashes of texts
            raise DataError(
                f"{no_match}, for example {_location(first, self._paths)}; texts must be equal "
                "character by character, including white space at both ends"
            )
        in_data = f"the data has {self._example}"
        if self._example is None:
            of = f"source {self._keyed.source}" if self._keyed.source else "the data"
            in_data = f"no raw row of {of} has an own id; set `id` of the source to its column"
        elif needs_judgements(key) and self._keyed.unit == "pair":
            in_data += "; set `per: response` if rows are about single responses"
        raise DataError(f"{no_match}; the table has {_key_text(first, self._keyed)}, {in_data}")

    def notes(self) -> Json:
        """Return the counts for the manifest."""
        unit = self._keyed.unit
        return {
            "key": self._keyed.key,
            "unit": unit,
            "rows_unused": int((~self._used).sum()),
            f"{unit}s": self._num_units,
            f"{unit}s_without_row": self._num_units - self._num_matched,
            f"{unit}s_with_several_rows": self._num_several,
        }
