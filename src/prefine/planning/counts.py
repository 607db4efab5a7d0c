"""Count the decisions of a run: by rule, by source and split; and collect its remarks."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from prefine.errors import IntegrityError
from prefine.export.manifest import benchmarks_of, remarks_of, sources_of
from prefine.planning.run import require_sources
from prefine.planning.steps import Plan
from prefine.settings import Runtime
from prefine.settings.json import Json
from prefine.step import require_manifest
from prefine.store import Store

_SPLITS = "splits"
_KEPT = ("keep", "flip")
_Group = tuple[str, str, str | None]
"""Source, verdict, and the split of a kept pair where there are splits."""


@dataclass(frozen=True)
class SourceCounts:
    """Counts of the pairs of one source."""

    name: str
    verdicts: Mapping[str, int]
    """Pairs by verdict: keep, flip, drop, hold."""
    splits: Mapping[str, int]
    """Kept pairs by split; empty where the run has no table of splits."""

    @property
    def kept(self) -> int:
        """How many pairs are kept, flipped ones included."""
        return sum(self.verdicts.get(verdict, 0) for verdict in _KEPT)


@dataclass(frozen=True)
class DecisionCounts:
    """Counts of the decisions of a run."""

    sources_read: Sequence[Json]
    """Rows and labels of each source that were read, quarantined and not used."""
    rules: Sequence[Json]
    """Pairs that each rule tested, dropped, held and flipped, as in the manifest of a data set."""
    sources: Sequence[SourceCounts]
    """In the recipe's order."""
    has_human_verdicts: bool
    """Whether the recipe names tables of human verdicts."""
    benchmarks: Mapping[str, Mapping[str, int]]
    """Prompts and responses that contain texts of each benchmark."""
    remarks: Sequence[str]
    """Remarks of the steps about the data."""

    @property
    def verdicts(self) -> Counter[str]:
        """Pairs of all sources by verdict."""
        total: Counter[str] = Counter()
        for source in self.sources:
            total.update(source.verdicts)
        return total


def count_decisions(plan: Plan, runtime: Runtime) -> DecisionCounts:
    """Count the decisions of a plan whose steps have run.

    Raises:
        DataError: More rows of a source are in quarantine than the recipe allows now.
        IntegrityError: A step has not run, or tables do not belong together.
    """
    require_sources(plan, runtime)
    store = Store(runtime.root)
    manifests = {
        step.name: [require_manifest(store, step, shard) for shard in step.shards]
        for step in plan.steps
    }
    (decide,) = plan.writers("decisions")
    names = [source.name for source in plan.recipe.sources]
    return DecisionCounts(
        sources_read=sources_of(manifests, names),
        rules=manifests[decide.name][0].notes["rules"],
        sources=list(_by_source(plan, store, names)),
        has_human_verdicts=bool(plan.recipe.verdicts),
        benchmarks=benchmarks_of(manifests),
        remarks=remarks_of(manifests),
    )


def _by_source(plan: Plan, store: Store, names: Sequence[str]) -> Iterator[SourceCounts]:
    """Yield the counts of the pairs of each source."""
    counted: Counter[_Group] = Counter()
    (facts,) = plan.writers("facts")
    for part in range(facts.num_parts):
        counted.update(dict(_count(plan, store, part)))
    for name in names:
        verdicts: Counter[str] = Counter()
        splits: Counter[str] = Counter()
        for (source, verdict, split), count in counted.items():
            if source == name:
                verdicts[verdict] += count
                if split is not None:
                    splits[split] += count
        yield SourceCounts(name, dict(verdicts), dict(sorted(splits.items())))


def _count(plan: Plan, store: Store, part: int) -> Iterator[tuple[_Group, int]]:
    """Yield the number of pairs of a part by source, verdict and split."""
    (decide,), (facts,) = plan.writers("decisions"), plan.writers("facts")
    verdicts = store.read(decide.part("decisions", part), ["verdict"])
    pairs = store.read(facts.part("facts", part), ["prompt_id", "source"])
    if verdicts.height != pairs.height:
        raise IntegrityError(f"part {part}: {verdicts.height} decisions on {pairs.height} pairs")
    pairs = pairs.hstack(verdicts)
    kept = pl.col("verdict").is_in(_KEPT)
    rest = pairs.filter(~kept).with_columns(pl.lit(None, pl.String).alias("split"))
    for rows in (rest, _with_splits(plan, store, part, pairs.filter(kept))):
        counts = rows.group_by("source", "verdict", "split").len()
        for source, verdict, split, count in counts.iter_rows():
            yield (source, verdict, split), count


def _with_splits(plan: Plan, store: Store, part: int, kept: pl.DataFrame) -> pl.DataFrame:
    """Add the split to kept pairs; null where no step makes splits.

    Raises:
        IntegrityError: A kept pair has no split.
    """
    maker = next((step for step in plan.steps if _SPLITS in step.writes), None)
    if maker is None:
        return kept.with_columns(pl.lit(None, pl.String).alias("split"))
    splits = store.read(maker.part(_SPLITS, part), ["prompt_id", "split"])
    joined = kept.join(splits, on="prompt_id", how="inner", validate="m:1")
    if joined.height != kept.height:
        missing = kept.height - joined.height
        raise IntegrityError(f"part {part}: {missing} of {kept.height} kept pairs have no split")
    return joined
