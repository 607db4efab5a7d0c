"""Train and test splits, drawn by prompt before any rule is applied.

Prompts that are near copies of each other form a group; all prompts of a group share a split.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from functools import partial
from math import ceil, floor

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from prefine.export.twins import twin_keys
from prefine.schema import hash_unit
from prefine.settings.json import Json
from prefine.step import Counts, StepSpec, Work
from prefine.text.clusters import components

SPLITS_TABLE = "splits"
"""Name of the table."""
SPLITS = ("train", "test")
"""Names of the splits."""
COMPONENT = "prompt_component"
"""Column of a measure with the group of a prompt."""
_SCHEMA = pa.schema([pa.field(name, pa.large_string(), False) for name in ("prompt_id", "split")])
_VERSION = 1
_FAR = Fraction(1, 4)
"""Relative deviation from the requested size above which a test split is far off."""


def splits_spec(test_ratio: float, seed: int, tables: Sequence[str]) -> StepSpec:
    """Return the step that draws the split of every prompt.

    Args:
        test_ratio: Requested share of the pairs in the test split, in [0, 1).
        seed: Seed of the recipe.
        tables: Tables that have the column ``prompt_component``.
    """
    return StepSpec(
        name=SPLITS_TABLE,
        version=_VERSION,
        run=partial(run_splits, test_ratio=test_ratio, tables=tuple(tables)),
        reads=("prompts", "pairs", *tables),
        writes={SPLITS_TABLE: _SCHEMA},
        config={"test_ratio": test_ratio, "seed": seed},
        scope="corpus",
        rows_of="prompts",
        rows_to=SPLITS_TABLE,
    )


def run_splits(work: Work, test_ratio: float, tables: tuple[str, ...]) -> Counts:
    """Write the split of every prompt.

    Args:
        work: Reads ``prompts``, ``pairs`` and ``tables``; writes ``splits``.
        test_ratio: Requested share of the pairs in the test split, in [0, 1).
        tables: Tables that have the column ``prompt_component``.
    """
    prompts = pl.concat(_counted(work, part) for part in work.parts("prompts"))
    if test_ratio:
        group = pl.Series("group", _groups(work, prompts, tables))
        draws = [hash_unit(work.seed, "split", name) for name in prompts["prompt_id"]]
        prompts = prompts.with_columns(group, pl.Series("draw", draws, pl.Float64))
    drawn = with_splits(prompts, test_ratio)
    work.notes["split"] = shares(drawn)
    work.notes["remarks"] = _remarks(drawn, test_ratio) if test_ratio else []
    for part in work.parts("prompts"):
        rows = drawn.filter(pl.col("part") == part).sort("prompt_id")
        work.emit(SPLITS_TABLE, rows, part=part)
    return Counts(prompts.height, drawn.height)


def _counted(work: Work, part: int) -> pl.DataFrame:
    """Return the prompts of one part with their number of pairs."""
    prompts = work.read("prompts", ["prompt_id"], part=part)
    pairs = work.read("pairs", ["prompt_id"], part=part)
    counts = pairs.group_by("prompt_id").agg(pl.len().cast(pl.Int64).alias("num_pairs"))
    counted = prompts.join(counts, on="prompt_id", how="left", maintain_order="left")
    return counted.with_columns(pl.col("num_pairs").fill_null(0), pl.lit(part).alias("part"))


def _groups(work: Work, prompts: pl.DataFrame, tables: Sequence[str]) -> npt.NDArray[np.int32]:
    """Return the group of each prompt, linked by equal normalized text or by components."""
    twins = [key for part in work.parts("prompts") for key in twin_keys(work, part)]
    rows = prompts.select("prompt_id").with_row_index("place")
    links = [rows.select("place", pl.Series("name", twins, pl.Binary))]
    for table in tables:
        for part in work.parts(table):
            of_prompt = _components(work, table, part)
            named = rows.join(of_prompt, on="prompt_id", how="inner")
            links.append(named.select("place", pl.col("name").cast(pl.Binary)))
    pairs = [_chained(pl.concat(group)) for group in (links[:1], links[1:]) if group]
    return components(prompts.height, np.concatenate(pairs))


def _components(work: Work, table: str, part: int) -> pl.DataFrame:
    """Return prompts and their components: ``prompt_id`` and ``name``."""
    schema = work.source_of(table).writes[table]
    key = "prompt_id" if "prompt_id" in schema.names else "pair_id"
    rows = work.read(table, [key, COMPONENT], part=part)
    if key == "pair_id":
        rows = rows.join(work.read("pairs", ["pair_id", "prompt_id"], part=part), on="pair_id")
    return rows.select("prompt_id", name=COMPONENT).drop_nulls().unique()


def _chained(links: pl.DataFrame) -> npt.NDArray[np.int64]:
    """Return an edge from each prompt to the first with the same name; shape (edges, 2)."""
    first = pl.col("place").min().over("name").alias("first")
    return links.select(first, "place").cast(pl.Int64).to_numpy()


def with_splits(prompts: pl.DataFrame, test_ratio: float) -> pl.DataFrame:
    """Add the split of each prompt, and whether its group is too large for the test split.

    The draw of a group is the smallest draw of its prompts. Groups with a draw below
    ``test_ratio`` are in test; where the test split would be far from the requested size, the limit
    is moved as little as possible. A group with more pairs than the requested size is in train.

    Args:
        prompts: ``prompt_id``, ``num_pairs``, ``draw`` in [0, 1) and ``group``, a label.
        test_ratio: Requested share of the pairs in test.

    Returns:
        The rows with ``split`` and ``too_large``.
    """
    if not test_ratio:
        return prompts.with_columns(split=pl.lit("train"), too_large=pl.lit(value=False))
    total = int(prompts["num_pairs"].sum())
    wanted = Fraction(str(test_ratio)) * total
    largest = min(ceil(wanted), max(total - 1, 0))
    groups = prompts.group_by("group").agg(
        pl.col("draw").min(), pl.col("num_pairs").sum(), pl.col("prompt_id").min()
    )
    groups = groups.with_columns((pl.col("num_pairs") > largest).alias("too_large")).sort(
        "too_large", "draw", "prompt_id"
    )
    small = groups.filter(~pl.col("too_large"))
    natural = small.filter(pl.col("draw") < test_ratio).height
    in_test = np.zeros(groups.height, np.bool_)
    in_test[: small.height] = _chosen(small["num_pairs"].to_numpy(), natural, wanted, total)
    split = pl.when(pl.Series(in_test)).then(pl.lit("test")).otherwise(pl.lit("train"))
    named = groups.select("group", "too_large", split.alias("split"))
    return prompts.join(named, on="group", how="left", maintain_order="left")


def _chosen(
    sizes: npt.NDArray[np.int64], natural: int, wanted: Fraction, total: int
) -> npt.NDArray[np.bool_]:
    """Return which groups are in test.

    Args:
        sizes: Pairs of each group, by ascending draw; shape (groups,).
        natural: Number of groups with a draw below the requested share.
        wanted: Requested number of pairs in test.
        total: Number of all pairs, including those of groups that are too large.
    """
    low = min(max(ceil(wanted - _slack(wanted)), 1), total - 1)
    high = min(floor(wanted + _slack(wanted)), total - 1)
    sums = np.concatenate([[0], np.cumsum(sizes)])
    fitting = np.flatnonzero((sums >= low) & (sums <= high))
    if len(fitting):
        count = fitting[np.argmin(np.abs(fitting - natural))]
        return np.arange(len(sizes)) < count
    chosen = np.zeros(len(sizes), np.bool_)
    taken = 0
    for place, size in enumerate(sizes):
        if place >= natural and taken >= low:
            break
        if taken + size <= high:
            chosen[place] = True
            taken += int(size)
    return chosen


def _slack(wanted: Fraction) -> Fraction:
    """Return by how many pairs a test split may deviate without being far off."""
    return max(Fraction(1), wanted * _FAR)


def shares(prompts: pl.DataFrame) -> Json:
    """Return the number of pairs and prompts of each split, and the share of the test split.

    Args:
        prompts: ``split`` and ``num_pairs``; prompts without a pair are not counted.
    """
    sizes: Json = {}
    used = prompts.filter(pl.col("num_pairs") > 0)
    for what, count in (("pairs", pl.col("num_pairs").sum()), ("prompts", pl.len())):
        counted = dict(used.group_by("split").agg(count).iter_rows())
        train, test = (int(counted.get(split, 0)) for split in SPLITS)
        sizes[what] = {"train": train, "test": test, "test_ratio": test / max(train + test, 1)}
    return sizes


def percent(share: float) -> str:
    """Return a share in percent with one decimal place, or with all it has if more."""
    exact = Decimal(str(share)).scaleb(2)
    rounded = f"{share:.1%}"
    return rounded if Decimal(rounded.removesuffix("%")) == exact else f"{exact.normalize():f}%"


def share_remark(counts: Json, test_ratio: float) -> str | None:
    """Return a sentence about a test split that is empty or far from its requested size, else null.

    Args:
        counts: ``pairs`` of each split, as ``shares`` returns them.
        test_ratio: Requested share of the pairs in test.
    """
    train, test = counts["pairs"]["train"], counts["pairs"]["test"]
    wanted = Fraction(str(test_ratio)) * (train + test)
    if not test_ratio or (test and abs(test - wanted) <= _slack(wanted)):
        return None
    total = train + test
    has = f"has {test:,} of {total:,} pairs ({test / total:.1%})" if test else "is empty"
    return f"the test split {has}; {percent(test_ratio)} of the pairs were requested"


def _remarks(prompts: pl.DataFrame, test_ratio: float) -> list[str]:
    """Return the notes about the split."""
    remarks: list[str] = []
    large = prompts.filter("too_large").group_by("group").agg(pl.col("num_pairs").sum())
    if large.height:
        total = prompts["num_pairs"].sum()
        remarks.append(
            "splits: groups of near-copy prompts that are larger than the requested test split are "
            f"in train: {large.height:,}, the largest with {large['num_pairs'].max():,} of "
            f"{total:,} pairs"
        )
    remark = share_remark(shares(prompts), test_ratio)
    return [*remarks, f"splits: before the rules {remark}"] if remark else remarks
