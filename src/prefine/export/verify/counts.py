"""Consistency of the counts in a manifest."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import get_args

from prefine.export.targets import TARGETS
from prefine.export.verify.stated import RuleCounts, Split, SplitSizes, Stated, StatedRule

_COUNTS = ("seen", "dropped", "held", "flipped", "turned_back")
_KEYS = {"seen": "in"}


def count_problems(stated: Stated) -> Iterator[str]:
    """Yield one sentence for each contradiction among the counts of a manifest."""
    for problem in (*_sources(stated), *_rules(stated), *_out(stated), *_splits(stated)):
        yield f"manifest.json: {problem}"


def _sources(stated: Stated) -> Iterator[str]:
    for source in stated.sources:
        quarantined = sum(source.quarantined.values())
        if source.rows_in != source.rows_read + quarantined:
            yield (
                f"source {source.name} has {source.rows_in} rows, but {source.rows_read} were read "
                f"and {quarantined} are in quarantine"
            )
    labels = sum(sum(source.labels.values()) for source in stated.sources)
    if labels != stated.num_judgements:
        yield f"the sources have {labels} labels, but num_judgements is {stated.num_judgements}"
    unused = _sum(source.unused_labels for source in stated.sources)
    for reason in sorted({*unused, *stated.judgements_without_pair}):
        here, there = unused[reason], stated.judgements_without_pair.get(reason, 0)
        if here != there:
            yield (
                f"the sources have {here} unused labels for `{reason}`, "
                f"but judgements_without_pair has {there}"
            )


def _sum(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return total


def _rules(stated: Stated) -> Iterator[str]:
    names = [source.name for source in stated.sources]
    left = stated.num_pairs
    for rule in stated.rules:
        if rule.seen > left:
            yield f"rule {rule.rule} tested {rule.seen} pairs, but only {left} were left"
        yield from _acted(f"rule {rule.rule}", rule)
        yield from _by_source(rule, names)
        left -= rule.dropped + rule.held
    counted = {name for rule in stated.rules for name in rule.by_source} & {*names}
    for rule in stated.rules:
        for name in sorted(counted - rule.by_source.keys()):
            yield f"rule {rule.rule} does not count the pairs of source {name}, as other rules do"
    for verdict in ("drop", "hold"):
        yield from _reasons(stated, verdict)
    turned = sum(rule.flipped - rule.turned_back for rule in stated.rules)
    if stated.num_flipped > turned:
        yield f"num_flipped is {stated.num_flipped}, but the rules left {turned} pairs flipped"


def _by_source(rule: StatedRule, names: Sequence[str]) -> Iterator[str]:
    for source, counts in rule.by_source.items():
        if source not in names:
            yield f"rule {rule.rule} counts pairs of {source}, which is not a source"
        yield from _acted(f"rule {rule.rule}, source {source}", counts)
    for key in _COUNTS:
        total = getattr(rule, key)
        parts = sum(getattr(counts, key) for counts in rule.by_source.values())
        if parts != total:
            name = _KEYS.get(key, key)
            yield f"rule {rule.rule}: `{name}` is {total}, but {parts} summed over its sources"


def _acted(what: str, counts: RuleCounts) -> Iterator[str]:
    acted = counts.dropped + counts.held + counts.flipped + counts.turned_back
    if acted > counts.seen:
        yield f"{what} tested {counts.seen} pairs, but acted on {acted}"


def _reasons(stated: Stated, verdict: str) -> Iterator[str]:
    """Compare the counts of rules with ``dropped``."""
    key = "dropped" if verdict == "drop" else "held"
    by_rule = {rule.rule: int(getattr(rule, key)) for rule in stated.rules}
    listed = {rule: n for (what, rule), n in stated.dropped_by().items() if what == verdict}
    for rule in sorted({*by_rule, *listed}):
        here, there = by_rule.get(rule, 0), listed.get(rule, 0)
        if here != there:
            yield f"rule {rule} {key} {here} pairs, but `dropped` has {there}"


def _out(stated: Stated) -> Iterator[str]:
    for target in TARGETS:
        if target.kind_name() == stated.target and target.rows_per_pair != stated.rows_per_pair:
            made = target.rows_per_pair
            yield f"rows_per_pair is {stated.rows_per_pair}, target {stated.target} has {made}"
    for split, rows in stated.splits.items():
        if rows % stated.rows_per_pair:
            yield f"split {split} has {rows} rows, not {stated.rows_per_pair} for each pair"
    kept, dropped = stated.num_rows // stated.rows_per_pair, sum(stated.dropped.values())
    if kept + dropped != stated.num_pairs:
        yield f"{kept} kept plus {dropped} dropped pairs do not equal {stated.num_pairs}"
    if stated.num_flipped > kept:
        yield f"num_flipped is {stated.num_flipped}, but {kept} pairs are kept"


def _splits(stated: Stated) -> Iterator[str]:
    shares = stated.split_shares
    before, after = shares.before_rules, shares.after_rules
    for when, sizes in (("before", before), ("after", after)):
        yield from _ratios(f"split_shares {when} rules", sizes)
    total = before.pairs.train + before.pairs.test
    if total != stated.num_pairs:
        yield f"the splits have {total} pairs before rules, but num_pairs is {stated.num_pairs}"
    for split in get_args(Split):
        rows = after.pairs.of(split) * stated.rows_per_pair
        if rows != stated.splits.get(split, 0):
            yield (
                f"split {split} has {stated.splits.get(split, 0)} rows, but by split_shares it has "
                f"{rows}"
            )
        for what in ("pairs", "prompts"):
            early, late = getattr(before, what).of(split), getattr(after, what).of(split)
            if late > early:
                yield f"split {split} has {late} {what} after the rules, but {early} before"
    if not shares.wanted_test_ratio and before.pairs.test:
        yield f"{before.pairs.test} pairs are in test, although test_ratio is 0"


def _ratios(when: str, sizes: SplitSizes) -> Iterator[str]:
    for what in ("pairs", "prompts"):
        counts = getattr(sizes, what)
        actual = counts.test / max(counts.train + counts.test, 1)
        if actual != counts.test_ratio:
            yield f"{when}: test_ratio of {what} is {counts.test_ratio:g}, not {actual:g}"
    for split in get_args(Split):
        if sizes.prompts.of(split) > sizes.pairs.of(split):
            yield (
                f"{when}: {split} has {sizes.prompts.of(split)} prompts, but only "
                f"{sizes.pairs.of(split)} pairs"
            )
