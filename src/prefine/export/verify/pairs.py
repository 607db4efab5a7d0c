"""Each pair must be in the right number of rows, in one split, and not both kept and dropped."""

from collections.abc import Iterator
from typing import get_args

import polars as pl

from prefine.export.verify.ids import KEY, first_id
from prefine.export.verify.rows import EXPLANATIONS, Lines, Rows, concat_batches
from prefine.export.verify.stated import Split, Stated

_VERDICTS = ("drop", "flip", "hold")


def row_problems(stated: Stated, rows: Rows) -> Iterator[str]:
    """Yield contradictions between the manifest and the rows of all shards."""
    for split in get_args(Split):
        here, there = rows.num_rows[split], stated.splits.get(split, 0)
        if here != there:
            yield f"split {split} has {here} rows, but {there} in the manifest"
    if rows.has("pair_id"):
        yield from _pairs(stated, rows)
    if rows.has("prompt_id"):
        yield from _prompts(stated, rows)


def _pairs(stated: Stated, rows: Rows) -> Iterator[str]:
    pairs = concat_batches(rows.pairs)
    counts = pairs.group_by(KEY).len().filter(pl.col("len") != stated.rows_per_pair)
    if counts.height:
        yield (
            f"{_pairs_are(counts)} not in exactly {stated.rows_per_pair} rows of the shards, "
            f"such as {first_id(counts)} in {counts.sort(KEY)['len'][0]}"
        )
    if rows.has("is_flipped"):
        flipped = pairs.filter("flipped").height
        if flipped != stated.num_flipped * stated.rows_per_pair:
            yield (
                f"{flipped} rows of the shards are flipped, but the manifest has "
                f"{stated.num_flipped} flipped pairs of {stated.rows_per_pair} rows"
            )
    yield from _sides("pair", pairs)


def _prompts(stated: Stated, rows: Rows) -> Iterator[str]:
    prompts = concat_batches(rows.prompts).unique()
    yield from _sides("prompt", prompts)
    for split in get_args(Split):
        num_prompts = prompts.filter(pl.col("split") == split).height if prompts.height else 0
        listed = stated.split_shares.after_rules.prompts.of(split)
        if num_prompts != listed:
            yield f"split {split} has {num_prompts} prompts, but {listed} in the manifest"


def _sides(what: str, ids: pl.DataFrame) -> Iterator[str]:
    """Yield a sentence if ids are in several splits."""
    if ids.is_empty():
        return
    both = ids.group_by(KEY).agg(pl.col("split").n_unique()).filter(pl.col("split") > 1)
    if both.height:
        are = f"{what} is" if both.height == 1 else f"{what}s are"
        yield f"{both.height} {are} in more than one split, such as {first_id(both)}"


def line_problems(stated: Stated, lines: Lines) -> Iterator[str]:
    """Yield contradictions between the manifest and ``explanations.csv``."""
    rules = [rule.rule for rule in stated.rules]
    for verdict, rule in sorted(lines.counts):
        if verdict not in _VERDICTS:
            yield f"{EXPLANATIONS} has lines with the verdict `{verdict}`"
        elif rule not in rules:
            yield f"{EXPLANATIONS} has lines of a rule `{rule}` that is not in the manifest"
    yield from _removed(stated, lines)
    yield from _flips(stated, lines)
    pairs = concat_batches(lines.pairs)
    twice = pairs.group_by(KEY).len().filter(pl.col("len") > 1)
    if twice.height:
        yield f"{_pairs_are(twice)} more than once in {EXPLANATIONS}, such as {first_id(twice)}"


def _removed(stated: Stated, lines: Lines) -> Iterator[str]:
    """Compare the lines of dropped and held pairs."""
    listed = stated.dropped_by()
    counted = {key: count for key, count in lines.counts.items() if key[0] in ("drop", "hold")}
    for key in sorted({*listed, *counted}):
        here, there = counted.get(key, 0), listed.get(key, 0)
        if here != there:
            verdict, rule = key
            yield (
                f"{EXPLANATIONS} has {here} lines with {verdict} by {rule}, "
                f"but the manifest has {there}"
            )


def _flips(stated: Stated, lines: Lines) -> Iterator[str]:
    """Compare the lines of flipped pairs; a rule may have flipped some that were dropped later."""
    for rule in stated.rules:
        count = lines.counts["flip", rule.rule]
        if count > rule.flipped:
            yield (
                f"{EXPLANATIONS} has {count} lines with flip by {rule.rule}, "
                f"but the manifest has {rule.flipped}"
            )
    flipped = sum(count for (verdict, _), count in lines.counts.items() if verdict == "flip")
    if flipped != stated.num_flipped:
        yield (
            f"{EXPLANATIONS} has {flipped} flipped pairs, but the manifest has {stated.num_flipped}"
        )


def both_problems(rows: Rows, lines: Lines) -> Iterator[str]:
    """Yield contradictions between shards and ``explanations.csv``."""
    if not rows.has("pair_id"):
        return
    pairs, explained = concat_batches(rows.pairs), concat_batches(lines.pairs)
    if explained.is_empty() or pairs.is_empty():
        return
    removed = explained.filter(~pl.col("flipped")).join(pairs, on=KEY, how="semi")
    if removed.height:
        yield (
            f"{_pairs_are(removed)} in the shards, but dropped or held in {EXPLANATIONS}, "
            f"such as {first_id(removed)}"
        )
    if not rows.has("is_flipped"):
        return
    here, there = pairs.filter("flipped"), explained.filter("flipped")
    silent = here.join(there, on=KEY, how="anti").unique(KEY)
    if silent.height:
        yield (
            f"{_pairs_are(silent)} flipped in the shards, but not in {EXPLANATIONS}, such as "
            f"{first_id(silent)}"
        )
    straight = there.join(here, on=KEY, how="anti").unique(KEY)
    if straight.height:
        yield (
            f"{_pairs_are(straight)} flipped in {EXPLANATIONS}, but not in the shards, such as "
            f"{first_id(straight)}"
        )


def _pairs_are(rows: pl.DataFrame) -> str:
    return "1 pair is" if rows.height == 1 else f"{rows.height} pairs are"
