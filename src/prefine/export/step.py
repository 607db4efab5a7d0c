"""The export step: shards, card, manifest and explanations of a data set."""

import orjson
import polars as pl
import pyarrow as pa

from prefine.errors import DataError, IntegrityError
from prefine.export.card import write_card
from prefine.export.curation import Curation
from prefine.export.manifest import Exported, losses_of, manifest_of, verdicts_of
from prefine.export.pairs import kept_ids, kept_pairs
from prefine.export.shards import Shards, Size
from prefine.export.splits import SPLITS, SPLITS_TABLE, shares
from prefine.export.target import Target
from prefine.settings.json import Json
from prefine.settings.registry import origin_of
from prefine.step import Counts, StepSpec, Work

DATASET = "dataset"
"""Name of the step's output, the goal of a plan."""
_VERSION = 5
_SPLIT = "_split"
_EXPLAINED = ["pair_id", "own_id", "verdict", "rule", "column", "value", "threshold", "explanation"]


def export_spec(curation: Curation) -> StepSpec:
    """Return the step that writes the data set.

    Args:
        curation: What is exported, and facts for card and manifest.
    """
    target = curation.export.target
    version = {"target_version": target.version} if target.version > 1 else {}
    tables = ("facts", "decisions", SPLITS_TABLE, "prompts", "responses", *curation.reports)
    return StepSpec(
        name="export",
        version=_VERSION,
        run=lambda work: _run_export(work, curation),
        reads=tables,
        writes={},
        config=curation.identity | version | origin_of(type(target)),
        scope="corpus",
        rows_of="facts",
        provides=(DATASET,),
    )


def _run_export(work: Work, curation: Curation) -> Counts:
    """Write the data set.

    Raises:
        DataError: No pair is kept.
    """
    verdicts = verdicts_of(work)
    if sum(verdicts.dropped.values()) == verdicts.num_pairs:
        why = ", ".join(f"{reason} {count:,}" for reason, count in verdicts.dropped.items())
        losses = [f"pairs dropped: {why}" if why else "", losses_of(work, curation)]
        reasons = "; ".join(loss for loss in losses if loss)
        raise DataError(f"nothing is left to export of {verdicts.num_pairs:,} pairs; {reasons}")
    target, facts = curation.export.target, curation.facts
    schema = curation.schema
    kept = shares(pl.concat(_kept_prompts(work, part) for part in work.parts("decisions")))
    sizes = {split: kept["pairs"][split] * target.rows_per_pair for split in SPLITS}
    per_shard = curation.export.rows_per_shard
    shards = {s: Shards(work, schema, s, Size(sizes[s], per_shard)) for s in SPLITS}
    for part in work.parts("facts"):
        pairs = kept_pairs(work, part, facts, tools=curation.keeps_tools)
        pairs = pairs.join(_splits(work, part), on="prompt_id", how="left", maintain_order="left")
        for split in SPLITS:
            of_split = pairs.filter(pl.col(_SPLIT) == split).drop(_SPLIT)
            shards[split].add(_rows(target, of_split, schema))
        work.progress(pairs.height)
    info = {split: shards[split].close() for split in SPLITS if sizes[split]}
    _explanations(work, curation)
    rows = {split: sizes[split] for split in info}
    manifest = manifest_of(work, curation, Exported(rows, kept), verdicts)
    work.draft("README.md").write(write_card(curation, manifest, info).encode())
    manifest["files"] = [_listed(work, draft.facts()) for draft in work.drafts]
    work.draft("manifest.json").write(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
    num_kept = sum(kept["pairs"][split] for split in SPLITS)
    return Counts(verdicts.num_pairs, num_kept, verdicts.dropped)


def _rows(target: Target, pairs: pl.DataFrame, schema: pa.Schema) -> pl.DataFrame:
    """Return the rows that a target makes from pairs.

    Raises:
        IntegrityError: The number of rows is not ``rows_per_pair`` for each pair, or a column is
            missing.
    """
    rows = target.rows(pairs)
    if rows.height != pairs.height * target.rows_per_pair:
        raise IntegrityError(
            f"target `{target.kind_name()}` made {rows.height} rows from {pairs.height} pairs, but "
            f"`rows_per_pair` is {target.rows_per_pair}"
        )
    if missing := set(schema.names) - set(rows.columns):
        columns = ", ".join(sorted(missing))
        raise IntegrityError(f"rows of target `{target.kind_name()}` lack the columns {columns}")
    return rows


def _listed(work: Work, facts: Json) -> Json:
    return facts | {"path": facts["path"].removeprefix(f"{work.step.folder}/")}


def _splits(work: Work, part: int) -> pl.DataFrame:
    """Return the split of each prompt of one part, as the column ``_split``."""
    return work.read(SPLITS_TABLE, part=part).rename({"split": _SPLIT})


def _kept_prompts(work: Work, part: int) -> pl.DataFrame:
    """Return split and number of exported pairs of the exported prompts of one part."""
    facts = work.read("facts", ["pair_id", "prompt_id"], part=part)
    kept = kept_ids(work, part).join(facts, on="pair_id", validate="1:1")
    counts = kept.group_by("prompt_id").agg(pl.len().cast(pl.Int64).alias("num_pairs"))
    return counts.join(work.read(SPLITS_TABLE, part=part), on="prompt_id", validate="1:1").select(
        "split", "num_pairs"
    )


def _explanations(work: Work, curation: Curation) -> None:
    """Write ``explanations.csv``: one line for each pair whose verdict is not keep.

    A pair that was flipped twice is kept as labelled and has no line.
    """
    draft = work.draft("explanations.csv")
    for part in work.parts("decisions"):
        decisions = work.read("decisions", part=part).filter(pl.col("verdict") != "keep")
        own = work.read("facts", ["pair_id", "own_id", *curation.kept], part=part)
        rows = curation.explained(decisions).join(own, on="pair_id", how="left")
        rows = rows.select(*_EXPLAINED, *curation.kept).sort("pair_id")
        draft.write(rows.write_csv(include_header=part == 0).encode())
