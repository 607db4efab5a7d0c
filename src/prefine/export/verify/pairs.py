"""Every pair once, on one side, and in the shards or among the dropped ones."""

from collections.abc import Iterator
from typing import get_args

import polars as pl

from prefine.export.verify.ids import KEY, first_id
from prefine.export.verify.rows import EXPLANATIONS, Lines, Rows, joined
from prefine.export.verify.stated import Split, Stated

_VERDICTS = ("drop", "flip", "hold")


def row_problems(stated: Stated, rows: Rows) -> Iterator[str]:
    """Yield what contradicts the manifest in the rows of all shards."""
    for split in get_args(Split):
        here, there = rows.num_rows[split], stated.splits.get(split, 0)
        if here != there:
            yield f"split {split} has {here} rows, the manifest says {there}"
    if rows.has("pair_id"):
        yield from _pairs(stated, rows)
    if rows.has("prompt_id"):
        yield from _prompts(stated, rows)


def _pairs(stated: Stated, rows: Rows) -> Iterator[str]:
    pairs = joined(rows.pairs)
    counts = pairs.group_by(KEY).len().filter(pl.col("len") != stated.rows_per_pair)
    if counts.height:
        yield (
            f"{_pairs_are(counts)} in the shards in other than {stated.rows_per_pair} rows, "
            f"{first_id(counts)} in {counts.sort(KEY)['len'][0]}"
        )
    if rows.has("is_flipped"):
        flipped = pairs.filter("flipped").height
        if flipped != stated.num_flipped * stated.rows_per_pair:
            yield (
                f"{flipped} rows of the shards are flipped, the manifest has {stated.num_flipped} "
                f"flipped pairs of {stated.rows_per_pair} rows"
            )
    yield from _sides("pair", pairs)


def _prompts(stated: Stated, rows: Rows) -> Iterator[str]:
    prompts = joined(rows.prompts).unique()
    yield from _sides("prompt", prompts)
    for split in get_args(Split):
        found = prompts.filter(pl.col("split") == split).height if prompts.height else 0
        listed = stated.split_shares.after_rules.prompts.of(split)
        if found != listed:
            yield f"split {split} has {found} prompts, the manifest says {listed}"


def _sides(what: str, ids: pl.DataFrame) -> Iterator[str]:
    """Yield a sentence where ids are in several splits."""
    if ids.is_empty():
        return
    both = ids.group_by(KEY).agg(pl.col("split").n_unique()).filter(pl.col("split") > 1)
    if both.height:
        are = f"{what} is" if both.height == 1 else f"{what}s are"
        yield f"{both.height} {are} in more than one split, such as {first_id(both)}"


def line_problems(stated: Stated, lines: Lines) -> Iterator[str]:
    """Yield what contradicts the manifest in ``explanations.csv``."""
    rules = [rule.rule for rule in stated.rules]
    for verdict, rule in sorted(lines.counts):
        if verdict not in _VERDICTS:
            yield f"{EXPLANATIONS} has lines with the verdict `{verdict}`"
        elif rule not in rules:
            yield f"{EXPLANATIONS} has lines of a rule `{rule}`, which the manifest does not have"
    yield from _removed(stated, lines)
    yield from _flips(stated, lines)
    pairs = joined(lines.pairs)
    twice = pairs.group_by(KEY).len().filter(pl.col("len") > 1)
    if twice.height:
        yield f"{_pairs_are(twice)} more than once in {EXPLANATIONS}, such as {first_id(twice)}"


def _removed(stated: Stated, lines: Lines) -> Iterator[str]:
    """Compare the lines of dropped and held pairs."""
    listed = stated.dropped_by()
    told = {key: count for key, count in lines.counts.items() if key[0] in ("drop", "hold")}
    for key in sorted({*listed, *told}):
        here, there = told.get(key, 0), listed.get(key, 0)
        if here != there:
            verdict, rule = key
            yield (
                f"{EXPLANATIONS} has {here} lines with {verdict} by {rule}, "
                f"the manifest says {there}"
            )


def _flips(stated: Stated, lines: Lines) -> Iterator[str]:
    """Compare the lines of flipped pairs; a rule may have flipped some that were dropped later."""
    for rule in stated.rules:
        count = lines.counts["flip", rule.rule]
        if count > rule.flipped:
            yield (
                f"{EXPLANATIONS} has {count} lines with flip by {rule.rule}, "
                f"the manifest says {rule.flipped}"
            )
    flipped = sum(count for (verdict, _), count in lines.counts.items() if verdict == "flip")
    if flipped != stated.num_flipped:
        yield (
            f"{EXPLANATIONS} has {flipped} flipped pairs, the manifest says {stated.num_flipped}"
        )


def both_problems(rows: Rows, lines: Lines) -> Iterator[str]:
    """Yield where shards and ``explanations.csv`` contradict each other."""
    if not rows.has("pair_id"):
        return
    pairs, told = joined(rows.pairs), joined(lines.pairs)
    if told.is_empty() or pairs.is_empty():
        return
    removed = told.filter(~pl.col("flipped")).join(pairs, on=KEY, how="semi")
    if removed.height:
        yield (
            f"{_pairs_are(removed)} in the shards though {EXPLANATIONS} has dropped or held them, "
            f"such as {first_id(removed)}"
        )
    if not rows.has("is_flipped"):
        return
    here, there = pairs.filter("flipped"), told.filter("flipped")
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
