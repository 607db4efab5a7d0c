"""The export step: shards, card, manifest and explanations of one curated data set.

All pairs of a prompt are in one split.
"""

from collections import Counter

import orjson
import polars as pl
import pyarrow as pa

from prefine.errors import DataError, IntegrityError
from prefine.export.card import write_card
from prefine.export.curation import Curation
from prefine.export.manifest import losses_of, manifest_of, verdicts_of
from prefine.export.pairs import kept_ids, kept_pairs
from prefine.export.shards import Shards, Size
from prefine.export.target import Target
from prefine.schema import hash_unit
from prefine.settings.json import Json
from prefine.settings.registry import origin_of
from prefine.step import Counts, StepSpec, Work

DATASET = "dataset"
"""What the step provides: the last thing that a plan makes."""
SPLITS = ("train", "test")
_VERSION = 4
_CLUSTERS = "prompt_component"
_EXPLAINED = ["pair_id", "own_id", "verdict", "rule", "column", "value", "threshold", "explanation"]


def export_spec(curation: Curation) -> StepSpec:
    """Return the step that writes the data set.

    Args:
        curation: What the card and the manifest say, and what is exported.
    """
    target = curation.export.target
    version = {"target_version": target.version} if target.version > 1 else {}
    tables = ("facts", "decisions", "prompts", "responses", *curation.reports)
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
        DataError: No pair is left.
    """
    verdicts = verdicts_of(work)
    if sum(verdicts.dropped.values()) == verdicts.num_pairs:
        why = ", ".join(f"{reason} {count:,}" for reason, count in verdicts.dropped.items())
        losses = [f"pairs dropped: {why}" if why else "", losses_of(work, curation)]
        told = "; ".join(loss for loss in losses if loss)
        raise DataError(f"nothing is left to export of {verdicts.num_pairs:,} pairs; {told}")
    target, facts = curation.export.target, curation.facts
    schema = curation.schema
    splits = _splits(work, curation)
    num_pairs = Counter(splits.values())
    sizes = {split: num_pairs[split] * target.rows_per_pair for split in SPLITS}
    per_shard = curation.export.rows_per_shard
    shards = {s: Shards(work, schema, s, Size(sizes[s], per_shard)) for s in SPLITS}
    for part in work.parts("facts"):
        pairs = kept_pairs(work, part, facts, tools=curation.keeps_tools)
        of_pair = pl.Series([splits[name] for name in pairs["pair_id"]], dtype=pl.String)
        for split in SPLITS:
            shards[split].add(_rows(target, pairs.filter(of_pair == split), schema))
        work.progress(pairs.height)
    info = {split: shards[split].close() for split in SPLITS if sizes[split]}
    _explanations(work, curation)
    manifest = manifest_of(work, curation, {split: sizes[split] for split in info}, verdicts)
    work.draft("README.md").write(write_card(curation, manifest, info).encode())
    manifest["files"] = [_listed(work, draft.facts()) for draft in work.drafts]
    work.draft("manifest.json").write(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
    return Counts(verdicts.num_pairs, sum(num_pairs.values()), verdicts.dropped)


def _rows(target: Target, pairs: pl.DataFrame, schema: pa.Schema) -> pl.DataFrame:
    """Return the target's rows of some pairs.

    Raises:
        IntegrityError: There are more or fewer than it promises, or they lack a column.
    """
    rows = target.rows(pairs)
    if rows.height != pairs.height * target.rows_per_pair:
        raise IntegrityError(
            f"target `{target.kind_name()}` made {rows.height} rows of {pairs.height} pairs, and "
            f"promises {target.rows_per_pair} for each"
        )
    if missing := set(schema.names) - set(rows.columns):
        columns = ", ".join(sorted(missing))
        raise IntegrityError(f"rows of target `{target.kind_name()}` lack the columns {columns}")
    return rows


def _listed(work: Work, facts: Json) -> Json:
    return facts | {"path": facts["path"].removeprefix(f"{work.step.folder}/")}


def _splits(work: Work, curation: Curation) -> dict[str, str]:
    """Return the split of each exported pair: all pairs of a prompt share one.

    Where near duplicates are measured, so do all pairs of clusters that an edge links.
    """
    group = _CLUSTERS if _CLUSTERS in curation.measured else "prompt_id"
    splits: dict[str, str] = {}
    for part in work.parts("facts"):
        groups = work.read("facts", ["pair_id", group], part=part)
        kept = kept_ids(work, part).join(groups, on="pair_id", how="left")
        for name, member in kept.select("pair_id", group).iter_rows():
            test = hash_unit(work.seed, "split", member) < curation.export.test_ratio
            splits[name] = "test" if test else "train"
    return splits


def _explanations(work: Work, curation: Curation) -> None:
    """Write a sentence for every pair whose verdict is not keep, with the columns that are yours.

    A pair that was turned back is kept as it was labelled, and has no line.
    """
    draft = work.draft("explanations.csv")
    for part in work.parts("decisions"):
        decisions = work.read("decisions", part=part).filter(pl.col("verdict") != "keep")
        own = work.read("facts", ["pair_id", "own_id", *curation.kept], part=part)
        rows = curation.explained(decisions).join(own, on="pair_id", how="left")
        rows = rows.select(*_EXPLAINED, *curation.kept).sort("pair_id")
        draft.write(rows.write_csv(include_header=part == 0).encode())
