"""The step that checks all labels before pairs are built: aspects, repeated labels, weights."""

from collections import Counter
from collections.abc import Iterator, Mapping

import polars as pl

from prefine.pair.aggregate import SAME_LABEL
from prefine.pair.outcomes import require_aspects
from prefine.pair.repeats import repeats
from prefine.pair.settings import Pairs, SourceWeight
from prefine.pair.votes import from_labels
from prefine.schema import Kind
from prefine.step import Counts, StepSpec, Work

LABEL_AUDIT = "label_audit"
"""Name by which other steps depend on this step, which writes remarks and no table."""
MANY_REPEATED = 0.01
"""Minimum fraction of repeated labels without an annotator for a remark on a source. In three
published data sets 0.07, 0.15 and 2.7 % of the labels are such repeats, in the others none."""

_COLUMNS = (
    *("prompt_id", "kind", "response_a", "response_b", "source", "file", "row", "index"),
    *("context_mismatch", "winner", "strength", "rating", "aspect", "annotator", "label"),
)


def audit_spec(
    config: Pairs, weights: Mapping[str, SourceWeight], *, verdicts_vote: bool = False
) -> StepSpec:
    """Return the step that checks all labels.

    Args:
        config: How judgements become pairs.
        weights: Priorities and weights by source.
        verdicts_vote: Whether human verdicts are votes among the labels.
    """
    default = SourceWeight()
    stated = {name: weight._asdict() for name, weight in weights.items() if weight != default}
    return StepSpec(
        name=LABEL_AUDIT,
        version=1,
        run=lambda work: run_audit(work, config, weights, verdicts_vote=verdicts_vote),
        reads=("judgements",),
        writes={},
        config=config.identity() | {"weights": stated, "verdicts_vote": verdicts_vote},
        scope="corpus",
        provides=(LABEL_AUDIT,),
    )


def run_audit(
    work: Work,
    config: Pairs,
    weights: Mapping[str, SourceWeight],
    *,
    verdicts_vote: bool = False,
) -> Counts:
    """Check the aspects in a recipe, and remark on repeated labels and on weights without effect.

    Args:
        work: Reads ``judgements``; writes remarks to the notes of its manifest.
        config: How judgements become pairs.
        weights: Priorities and weights by source.
        verdicts_vote: Whether human verdicts are votes among the labels.

    Raises:
        DataError: The recipe names an aspect that no judgement has.
    """
    parts = work.parts("judgements")
    require_aspects(config, (work.read("judgements", ["kind", "aspect"], part=n) for n in parts))
    number, repeated, files = Counter[str](), Counter[str](), set[tuple[str, str]]()
    shared: set[str] = set()
    rows = 0
    for part in parts:
        judgements = work.read("judgements", list(_COLUMNS), part=part)
        rows += judgements.height
        number.update(judgements["source"])
        repeated.update(_anonymous_repeats(judgements)["source"])
        files.update(judgements.select("file", "source").unique().rows())
        with_others = pl.col("source").n_unique().over("prompt_id") > 1
        shared.update(judgements.filter(with_others)["source"].unique())
        work.progress(judgements.height)
    several = {name for name, weight in weights.items() if weight.anonymous == "several"}
    merged = {name: count for name, count in repeated.items() if name not in several}
    work.notes["repeated_without_annotator"] = dict(sorted(repeated.items()))
    work.notes["remarks"] = [
        *_remarks_on_files(files),
        *_remarks_on_repeats(merged, number),
        *_remarks_on_weights(weights, shared, verdicts_vote=verdicts_vote),
    ]
    return Counts(rows, rows)


def _anonymous_repeats(judgements: pl.DataFrame) -> pl.DataFrame:
    """Return the labels and ratings without an annotator that repeat one of another row."""
    anonymous = judgements.filter(pl.col("annotator").is_null())
    labels = from_labels(anonymous.filter(pl.col("kind") == Kind.PAIR))
    again = labels.filter(~pl.struct(SAME_LABEL).is_first_distinct())
    rated = (pl.col("kind") == Kind.RATING) & pl.col("rating").is_not_null()
    ratings = anonymous.filter(rated).filter(repeats(()))
    return pl.concat((again.select("source"), ratings.select("source")))


def _remarks_on_files(files: set[tuple[str, str]]) -> Iterator[str]:
    """Yield a remark for each group of sources that share files."""
    sources: dict[str, list[str]] = {}
    for file, source in sorted(files):
        sources.setdefault(file, []).append(source)
    together = Counter(tuple(names) for names in sources.values() if len(names) > 1)
    for names, count in sorted(together.items()):
        what = "the same file" if count == 1 else f"the same {count} files"
        yield (
            f"sources {_listed(names)} have {what}: each label counts once for every source; "
            "list the files in one source only"
        )


def _remarks_on_repeats(repeated: Mapping[str, int], number: Mapping[str, int]) -> Iterator[str]:
    """Yield a remark for each source with many repeated labels."""
    for source, count in sorted(repeated.items()):
        if count >= MANY_REPEATED * number[source]:
            yield (
                f"source `{source}`: {count:,} of {number[source]:,} labels have no annotator and "
                "repeat a label of another row, so they count once. If several annotators gave "
                "them, name the annotator column or set `anonymous: several`"
            )


def _remarks_on_weights(
    weights: Mapping[str, SourceWeight], shared: set[str], *, verdicts_vote: bool
) -> Iterator[str]:
    """Yield a remark for each source whose priority or weight has no effect."""
    default = SourceWeight()
    for source, weight in sorted(weights.items()):
        stated = [("priority", weight.priority != default.priority)]
        stated.append(("weight", weight.weight != default.weight and not verdicts_vote))
        names = [name for name, is_stated in stated if is_stated]
        if names and source not in shared:
            yield (
                f"source `{source}`: {_listed(names)} without effect, because no other source "
                "has labels on its prompts"
            )


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return " and ".join(f"`{name}`" for name in names)
