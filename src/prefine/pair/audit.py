"""The step that checks all labels before pairs are made: named aspects, repeats, weights."""

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
"""What the step provides: remarks in its manifest."""
MANY_REPEATED = 0.01
"""Share of repeated labels without annotator from which a source is remarked on: in three bundled
sources 0.07, 0.15 and 2.7 % of the labels are such repeats, and in the others none."""

_COLUMNS = (
    *("prompt_id", "kind", "response_a", "response_b", "source", "file", "row", "index"),
    *("context_mismatch", "winner", "strength", "rating", "aspect", "annotator", "label"),
)


def audit_spec(
    config: Pairs, weights: Mapping[str, SourceWeight], *, verdicts_vote: bool = False
) -> StepSpec:
    """Return the step that looks at all labels.

    Args:
        config: Names aspects.
        weights: What the labels and ratings of each source count.
        verdicts_vote: Whether human verdicts are votes among the labels.
    """
    stated = {name: one._asdict() for name, one in weights.items() if one != SourceWeight()}
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
    """Check the aspects that a recipe names, and remark on repeats and on weights without effect.

    Args:
        work: Reads ``judgements``; writes remarks into the notes of its manifest.
        config: Names aspects.
        weights: What the labels and ratings of each source count.
        verdicts_vote: Whether human verdicts are votes among the labels.

    Raises:
        DataError: The recipe names an aspect that nothing in the data has.
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
    several = {name for name, one in weights.items() if one.anonymous == "several"}
    once = {name: count for name, count in repeated.items() if name not in several}
    work.notes["repeated_without_annotator"] = dict(sorted(repeated.items()))
    work.notes["remarks"] = [
        *_same_files(files),
        *_repeats(once, number),
        *_without_effect(weights, shared, verdicts_vote=verdicts_vote),
    ]
    return Counts(rows, rows)


def _anonymous_repeats(judgements: pl.DataFrame) -> pl.DataFrame:
    """Return the labels and ratings without annotator that repeat one of another row."""
    anonymous = judgements.filter(pl.col("annotator").is_null())
    labels = from_labels(anonymous.filter(pl.col("kind") == Kind.PAIR))
    again = labels.filter(~pl.struct(SAME_LABEL).is_first_distinct())
    rated = (pl.col("kind") == Kind.RATING) & pl.col("rating").is_not_null()
    ratings = anonymous.filter(rated).filter(repeats(()))
    return pl.concat((again.select("source"), ratings.select("source")))


def _same_files(files: set[tuple[str, str]]) -> Iterator[str]:
    sources: dict[str, list[str]] = {}
    for file, source in sorted(files):
        sources.setdefault(file, []).append(source)
    together = Counter(tuple(names) for names in sources.values() if len(names) > 1)
    for names, count in sorted(together.items()):
        what = "the same file" if count == 1 else f"the same {count} files"
        yield (
            f"sources {_listed(names)} hold {what}: each label counts once for every source, as "
            "if they agreed; name it in one source"
        )


def _repeats(repeated: Mapping[str, int], number: Mapping[str, int]) -> Iterator[str]:
    for source, count in sorted(repeated.items()):
        if count >= MANY_REPEATED * number[source]:
            yield (
                f"source `{source}`: {count:,} of {number[source]:,} labels name no annotator and "
                "repeat a label of another row; a repeated label counts once. If several people "
                "gave them, name the column with the annotator, or set `anonymous: several`"
            )


def _without_effect(
    weights: Mapping[str, SourceWeight], shared: set[str], *, verdicts_vote: bool
) -> Iterator[str]:
    default = SourceWeight()
    for source, one in sorted(weights.items()):
        stated = [("priority", one.priority != default.priority)]
        stated.append(("weight", one.weight != default.weight and not verdicts_vote))
        names = [name for name, is_stated in stated if is_stated]
        if names and source not in shared:
            yield (
                f"source `{source}`: {_listed(names)} without effect, since no other source has "
                "labels on its prompts"
            )


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return " and ".join(f"`{name}`" for name in names)
