"""The step that joins human verdicts with pairs."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import polars as pl

from prefine.errors import DataError
from prefine.pair.verdicts.majority import CAST, reviewed
from prefine.pair.verdicts.settings import OUTRANKS, Verdicts, Word, parse_verdicts
from prefine.schema import Column, pairs_schema
from prefine.settings import Inputs
from prefine.settings.json import Json
from prefine.step import Counts, StepSpec, Work, manifests_of
from prefine.tables.keyed import TEXTS
from prefine.tables.matches import (
    JUDGED,
    PAIR,
    keyed_rows,
    matched_pairs,
    needs_judgements,
    own_id_sources,
    require_one_source,
)

LABELLED = "labelled_pairs"
"""Table of the pairs as directed by labels, which verdicts are joined with."""

_VERSION = 2


def verdicts_spec(
    entries: tuple[Verdicts, ...], kept: Sequence[Column], inputs: Inputs
) -> StepSpec:
    """Return the step that directs pairs by human verdicts.

    Args:
        entries: The entries of a recipe with files of verdicts.
        kept: Columns of pairs that come from kept columns.
        inputs: The resolved files.
    """
    judgements = any(needs_judgements(entry.key) for entry in entries)
    tables = dict.fromkeys(entry.rows_table for entry in entries)
    return StepSpec(
        name="verdicts",
        version=_VERSION,
        run=partial(run_verdicts, entries=entries, kept=kept),
        reads=(LABELLED, *(("judgements",) if judgements else ()), *tables),
        writes={"pairs": pairs_schema(kept)},
        config={"verdicts": [entry.identity(inputs) for entry in entries]},
        scope="corpus",
        rows_of=LABELLED,
        rows_to="pairs",
    )


def run_verdicts(work: Work, entries: tuple[Verdicts, ...], kept: Sequence[Column]) -> Counts:
    """Direct all pairs by human verdicts.

    Args:
        work: Reads the pairs, the verdicts and, for some keys, the judgements; writes ``pairs``.
        entries: The entries of a recipe with files of verdicts.
        kept: Columns of pairs that come from kept columns.

    Raises:
        DataError: No verdict of a file matches a pair or is usable, or an own id occurs in two
            sources.
    """
    matches = [Matches(work, entry) for entry in entries]
    num_pairs = 0
    for part in work.parts(LABELLED):
        pairs = work.read(LABELLED, part=part)
        cast = pl.concat([match.verdicts_on(work, part, pairs) for match in matches])
        work.emit("pairs", reviewed(pairs, cast, kept).sort("pair_id"), part=part)
        work.progress(pairs.height)
        num_pairs += pairs.height
    if num_pairs:
        for match in matches:
            match.check()
    work.notes["verdicts"] = {match.name: match.notes() for match in matches}
    return Counts(num_pairs, num_pairs)


class Matches:
    """The verdicts of one entry of a recipe, matched with pairs shard by shard.

    Args:
        work: Reads the rows of the verdicts.
        settings: The entry of the recipe.
    """

    def __init__(self, work: Work, settings: Verdicts) -> None:
        self._settings = settings
        rows = keyed_rows(work, settings)
        self._rows = rows.drop("values").hstack(parse_verdicts(rows))
        self._values = rows["values"]
        self._matched = np.zeros(rows.height, bool)
        self._used = np.zeros(rows.height, bool)
        self._pairs = 0
        self._sources: list[pl.DataFrame] = []
        self._example: str | None = None
        self._paths = {file.sha256[:12]: file.path for file in work.files(settings.file_set.key)}
        self._refused: dict[str, int] = {}
        for manifest in manifests_of(work, settings.rows_table):
            for reason, count in manifest.dropped.items():
                self._refused[reason] = self._refused.get(reason, 0) + count

    @property
    def name(self) -> str:
        """The name of the entry."""
        return self._settings.name

    def verdicts_on(self, work: Work, part: int, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return the usable verdicts on the pairs of a shard, with the columns ``CAST``."""
        key = self._settings.key
        judgements = None
        if needs_judgements(key):
            judgements = work.read("judgements", JUDGED, part=part)
            if key == "own_id":
                self._sources.append(own_id_sources(self._rows, judgements))
        self._example = self._example or _example(key, pairs, judgements)
        matched = matched_pairs(self._rows, key, pairs.select(PAIR), judgements)
        self._matched[matched["row_index"].to_numpy()] = True
        cast = self._cast(matched, pairs)
        self._used[cast["row_index"].to_numpy()] = True
        self._pairs += cast["pair_id"].n_unique()
        return cast.select(*CAST)

    def _cast(self, matched: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return the outcome of each matched verdict, without those that have none."""
        sides = pairs.select("pair_id", "chosen_id", "rejected_id", "is_tie")
        by_labels = pl.when(~pl.col("is_tie")).then("chosen_id")
        shown = pl.coalesce("taken", by_labels)
        other = pl.when(shown == pl.col("chosen_id")).then("rejected_id").otherwise("chosen_id")
        word = pl.col("word")
        outcome = (
            pl.when(word == Word.RIGHT)
            .then(shown)
            .when(word == Word.WRONG)
            .then(pl.when(shown.is_not_null()).then(other))
            .otherwise(word)
        )
        weight = None if self._settings.weight == OUTRANKS else float(self._settings.weight)
        usable = self._rows.filter(pl.col("unusable").is_null())
        anonymous = pl.lit(f"/{self.name}")
        return (
            matched.select("row_index", "pair_id", taken="chosen_id")
            .join(usable.select("row_index", "word", "by", "at", "at_text"), on="row_index")
            .join(sides, on="pair_id")
            .with_columns(
                outcome.alias("outcome"),
                pl.coalesce("by", anonymous).alias("reviewer"),
                pl.lit(weight, pl.Float64).alias("weight"),
            )
            .filter(pl.col("outcome").is_not_null())
        )

    def check(self) -> None:
        """Require that each file has verdicts that match a pair and are usable.

        Raises:
            DataError: No verdict of a file matches or is usable, or an own id occurs in several
                sources.
        """
        where = self._settings.file_set.key
        require_one_source(where, self._rows, self._sources)
        flags = self._rows.with_columns(pl.Series("matched", self._matched), values=self._values)
        for name, path in sorted(self._paths.items(), key=lambda item: item[1]):
            rows = flags.filter(pl.col("file") == name)
            if rows.height and not rows["matched"].any():
                raise DataError(
                    f"{where}, {path}: none of the {rows.height} rows matches a pair by "
                    f"{self._settings.key}; {self._unmatched(rows)}"
                )
            if rows.height and rows["unusable"].is_not_null().all():
                reasons = ", ".join(sorted(set(rows["unusable"].drop_nulls())))
                words = ", ".join(Word)
                raise DataError(
                    f"{where}, {path}: no verdict can be used ({reasons}); row "
                    f"{rows['row'][0]} has {rows['values'][0][:80]}. A verdict is one of {words}"
                )

    def _unmatched(self, rows: pl.DataFrame) -> str:
        """Return the key of the first of some unmatched rows, and a key of the data."""
        first = rows.sort("row").row(0, named=True)
        key = self._settings.key
        if key == "text":
            texts = ", ".join(f"`{self._settings.path(column)}`" for column in TEXTS["pair"])
            return f"no pair has the exact texts ({texts}) of row {first['row']}"
        columns = ("source", "source_file", "source_row") if key == "row" else (key,)
        row_key = " ".join(f"`{first[name]}`" for name in columns if first[name] is not None)
        if self._example is not None:
            return f"row {first['row']} has {row_key}, the data have keys such as {self._example}"
        return "no raw row of the data has an own id; set `id` of the source to its path"

    def notes(self) -> Json:
        """Return the number of rows by result, for the manifest."""
        matched, used = pl.Series("matched", self._matched), pl.Series("used", self._used)
        result = (
            pl.when(pl.col("unusable").is_not_null())
            .then(pl.col("unusable"))
            .when(~matched)
            .then(pl.lit("unmatched"))
            .when(~used)
            .then(pl.lit("no_direction"))
            .otherwise(pl.lit("matched"))
        )
        counts: dict[str, int] = dict(
            self._rows.select(result.alias("result"))["result"].value_counts().iter_rows()
        )
        matched_rows, unmatched = counts.pop("matched", 0), counts.pop("unmatched", 0)
        return {
            "rows": self._rows.height,
            "matched": matched_rows,
            "unmatched": unmatched,
            "unusable": dict(sorted(counts.items())),
            "quarantined": dict(sorted(self._refused.items())),
            "pairs": self._pairs,
        }


def _example(key: str, pairs: pl.DataFrame, judgements: pl.DataFrame | None) -> str | None:
    """Return a key of the data, for the message about unmatched rows."""
    if judgements is None:
        keys = pairs.select("pair_id")
    elif key == "own_id":
        keys = judgements.select("own_id").drop_nulls()
    else:
        keys = judgements.select("source", "file", "row")
    return " ".join(f"`{value}`" for value in keys.row(0)) if keys.height else None
