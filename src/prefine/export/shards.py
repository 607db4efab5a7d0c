"""The export step: shards, card, manifest and explanations of one curated data set.

What comes in: decisions, facts and messages. What goes out: a folder that ``datasets`` loads and
trainers read with no change. What never happens: an empty row group, a schema that differs between
shards, a prompt on both sides of the split.
"""

from collections import Counter

import orjson
import polars as pl
import pyarrow as pa

from prefine.errors import DataError
from prefine.export.card import write_card
from prefine.export.manifest import manifest_of, verdicts_of
from prefine.export.rows import exported_columns, kept_of, rows_of, shard_schema
from prefine.recipe import Recipe, columns_of
from prefine.schema import hash_unit
from prefine.schema.json import Json
from prefine.step import Counts, Work
from prefine.store import ParquetDraft

SPLITS = ("train", "test")
_ROW_GROUP = 2048
"""Rows in one row group: 8 to 32 MB of typical conversations, so that readers can skip."""
_CLUSTERS = "prompt_component"
_EXPLAINED = ["pair_id", "verdict", "rule", "column", "value", "threshold", "explanation"]


def export(work: Work, recipe: Recipe) -> Counts:
    """Write the data set.

    Args:
        work: Reads all tables; writes files.
        recipe: Its export settings, and what the card and the manifest say.

    Raises:
        DataError: No pair is left.
    """
    verdicts = verdicts_of(work)
    if sum(verdicts.dropped.values()) == verdicts.num_pairs:
        why = ", ".join(f"{reason} {count}" for reason, count in verdicts.dropped.items())
        raise DataError(f"nothing is left to export of {verdicts.num_pairs} pairs; dropped: {why}")
    splits = _splits(work, recipe)
    sizes = Counter(splits.values())
    shards = {split: Shards(work, recipe, split, sizes[split]) for split in SPLITS}
    columns = exported_columns(recipe)
    for part in work.parts("facts"):
        rows = rows_of(work, part, columns, recipe.export.layout)
        of_row = pl.Series([splits[name] for name in rows["pair_id"]], dtype=pl.String)
        for split in SPLITS:
            shards[split].add(rows.filter(of_row == split))
        work.progress(rows.height)
    info = {split: shards[split].close() for split in SPLITS if sizes[split]}
    _explanations(work)
    facts = manifest_of(work, recipe, {split: sizes[split] for split in info}, verdicts)
    card = write_card(recipe, shard_schema(recipe), facts, info)
    work.draft("README.md").write(card.encode())
    facts["files"] = [_listed(work, draft.facts()) for draft in work.drafts]
    work.draft("manifest.json").write(orjson.dumps(facts, option=orjson.OPT_INDENT_2))
    return Counts(verdicts.num_pairs, sum(sizes.values()), verdicts.dropped)


def _listed(work: Work, facts: Json) -> Json:
    return facts | {"path": facts["path"].removeprefix(f"{work.step.folder}/")}


def _splits(work: Work, recipe: Recipe) -> dict[str, str]:
    """Return the split of each exported pair: all pairs of a prompt share one.

    Where near duplicates are measured, so do all pairs of clusters that an edge links.
    """
    group = _CLUSTERS if _CLUSTERS in columns_of(recipe.measures) else "prompt_id"
    found: dict[str, str] = {}
    for part in work.parts("facts"):
        groups = work.read("facts", ["pair_id", group], part=part)
        kept = kept_of(work, part).join(groups, on="pair_id", how="left")
        for name, member in kept.select("pair_id", group).iter_rows():
            test = hash_unit(recipe.seed, "split", member) < recipe.export.test_ratio
            found[name] = "test" if test else "train"
    return found


def _explanations(work: Work) -> None:
    """Write a sentence for every pair that was not simply kept."""
    draft = work.draft("explanations.csv")
    for part in work.parts("decisions"):
        decisions = work.read("decisions", _EXPLAINED, part=part)
        rows = decisions.filter(pl.col("verdict") != "keep").sort("pair_id")
        draft.write(rows.write_csv(include_header=part == 0).encode())


class Shards:
    """The Parquet files of one split, with their final names from the start."""

    def __init__(self, work: Work, recipe: Recipe, split: str, num_rows: int) -> None:
        self._work = work
        self._schema = shard_schema(recipe)
        self._split = split
        self._per_shard = recipe.export.rows_per_shard
        self._num_shards = -(-num_rows // self._per_shard)
        self._waiting: list[pa.Table] = []
        self._num_waiting = 0
        self._started = 0
        self._current: ParquetDraft | None = None
        self._num_rows = 0
        self._num_bytes = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Append rows; full row groups are written at once."""
        table = rows.select(self._schema.names).to_arrow().cast(self._schema)
        self._waiting.append(table)
        self._num_waiting += table.num_rows
        if self._num_waiting >= _ROW_GROUP:
            self._write(last=False)

    def _write(self, *, last: bool) -> None:
        table = pa.concat_tables(self._waiting)
        start = 0
        while table.num_rows - start >= (1 if last else _ROW_GROUP):
            writer = self._writer()
            room = self._per_shard - writer.num_rows
            group = table.slice(start, min(_ROW_GROUP, room)).combine_chunks()
            writer.write(group)
            start += group.num_rows
            self._num_rows += group.num_rows
            self._num_bytes += group.nbytes
        self._waiting = [table.slice(start)]
        self._num_waiting = table.num_rows - start

    def _writer(self) -> ParquetDraft:
        if self._current is None or self._current.num_rows == self._per_shard:
            if self._current is not None:
                self._current.close()
            number = f"{self._started:05d}-of-{self._num_shards:05d}"
            draft = self._work.draft(f"data/{self._split}-{number}.parquet")
            self._current = ParquetDraft(
                draft,
                self._schema,
                write_page_index=True,
                use_content_defined_chunking=True,
            )
            self._started += 1
        return self._current

    def close(self) -> Json:
        """Write what is left; return the size of the split for the card."""
        if self._waiting:
            self._write(last=True)
        if self._current is not None:
            self._current.close()
        assert self._started == self._num_shards, "all shards that were announced exist"
        return {"num_examples": self._num_rows, "num_bytes": self._num_bytes}
