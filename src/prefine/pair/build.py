"""The step that builds pairs from judgements: each pair of responses once, directed by its votes.

A pair without a direction is kept and marked with ``is_tie``, so that rules decide on it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl
import pyarrow as pa

from prefine.pair.aggregate import VOTE, aggregate
from prefine.pair.audit import LABEL_AUDIT
from prefine.pair.facts import with_facts
from prefine.pair.origin import with_origin
from prefine.pair.outcomes import counts_by_aspect, outcomes
from prefine.pair.repeats import repeats
from prefine.pair.settings import Pairs, SourceWeight
from prefine.pair.votes import from_labels, from_rankings, from_ratings, from_rewards
from prefine.schema import Column, Kind, pairs_schema
from prefine.step import Counts, StepSpec, Work
from prefine.tables.rewards import Reward

_NO_WEIGHTS: Mapping[str, SourceWeight] = {}
_RATES = (pl.col("kind") == Kind.RATING) & (
    pl.col("outcome").is_null() | (pl.col("outcome") == "no_value")
)
_VERSION = 6
PAIRS_TABLE = "pairs"


def pairs_spec(
    config: Pairs,
    seed: int,
    reward: Reward | None,
    *,
    kept: Sequence[Column] = (),
    weights: Mapping[str, SourceWeight] = _NO_WEIGHTS,
    table: str = PAIRS_TABLE,
) -> StepSpec:
    """Return the step that builds the pairs.

    Args:
        config: Which judgements are used, and which pairs are selected.
        seed: Seed of random choices and of ties between equal values.
        reward: The reward measure of ``use: [reward]``.
        kept: Columns of pairs that come from kept columns.
        weights: Priorities and weights by source.
        table: The table to write: ``pairs``, or the pairs that human verdicts are joined with.
    """
    own = {"kept": [(column.name, str(column.type)) for column in kept]} if kept else {}
    rewards = () if reward is None else (reward.table,)
    stated = {name: weight for name, weight in weights.items() if weight != SourceWeight()}
    by_source = {name: weight._asdict() for name, weight in stated.items()}
    hashed = {"weights": by_source} if stated else {}
    written = {} if table == PAIRS_TABLE else {"table": table}
    return StepSpec(
        name="pairs",
        version=_VERSION,
        run=lambda work: run_pairs(work, config, reward, kept=kept, weights=stated, table=table),
        reads=("judgements", "responses", "prompts", LABEL_AUDIT, *rewards),
        writes={table: pairs_schema(kept) if table == PAIRS_TABLE else labelled_schema(kept)},
        config=config.identity() | {"seed": seed} | own | hashed | written,
        rows_of="judgements",
    )


def labelled_schema(kept: Sequence[Column]) -> pa.Schema:
    """Return the schema of the pairs that human verdicts are joined with.

    Args:
        kept: Columns of pairs that come from kept columns.
    """
    return pairs_schema(kept).append(pa.field("balance", pa.large_string()))


def run_pairs(
    work: Work,
    config: Pairs,
    reward: Reward | None = None,
    *,
    kept: Sequence[Column] = (),
    weights: Mapping[str, SourceWeight] = _NO_WEIGHTS,
    table: str = PAIRS_TABLE,
) -> Counts:
    """Build the pairs of one shard.

    Args:
        work: Reads ``judgements``, ``responses`` and ``prompts``; writes ``table``.
        config: Which judgements are used, and which pairs are selected.
        reward: The reward measure of ``use: [reward]``.
        kept: Columns of pairs that come from kept columns.
        weights: Priorities and weights by source.
        table: The table to write.

    Returns:
        Number of judgements, number of those that a pair is built from, and the others by reason.

    Raises:
        DataError: A source has labels on several aspects and the recipe does not choose one.
    """
    merits = {
        name: weight.merit for name, weight in weights.items() if weight.merit and not config.aspect
    }
    several = [name for name, weight in weights.items() if weight.anonymous == "several"]
    judgements = work.read("judgements").with_row_index("number")
    rewards = _rewards(work, reward) if reward is not None else None
    marked = outcomes(judgements, config, rewards)
    used = marked.filter(pl.col("outcome").is_null()).drop("outcome")
    chosen = [
        from_rankings(used.filter(pl.col("kind") == Kind.RANK), config, work.seed),
        from_ratings(marked.filter(_RATES), config, work.seed, merits, several=several),
    ]
    labels = from_labels(used.filter(pl.col("kind") == Kind.PAIR))
    votes = [labels, *(selected.votes for selected in chosen)]
    if rewards is not None:
        mismatches = judgements.group_by("prompt_id").agg(pl.col("context_mismatch").any())
        free = rewards.join(used, on="prompt_id", how="anti").join(mismatches, on="prompt_id")
        votes.append(from_rewards(free, config, work.seed))
    voted = pl.concat(frame.select(*VOTE).cast(pl.Schema(VOTE)) for frame in votes)
    pairs = aggregate(voted, weights)
    ratings = judgements.filter((pl.col("kind") == Kind.RATING) & counts_by_aspect(config))
    distinct = ratings.filter(~repeats(several))
    pairs = with_facts(pairs, work, distinct, config, merits)
    pairs = with_origin(pairs, judgements, kept)
    work.emit(table, pairs.sort("pair_id"))
    return _counts(work, marked, pl.concat(selected.reasons for selected in chosen))


def _counts(work: Work, marked: pl.DataFrame, reasons: pl.DataFrame) -> Counts:
    """Count the judgements that no pair is built from, and note them by source."""
    joined = marked.join(reasons, on="number", how="left", maintain_order="left")
    why = pl.coalesce("outcome", "reason").alias("why")
    counted = joined.group_by("source", why).len().drop_nulls("why").sort("source", "why")
    unused: dict[str, dict[str, int]] = {}
    dropped: Counter[str] = Counter()
    for source, reason, count in counted.iter_rows():
        unused.setdefault(source, {})[reason] = count
        dropped[reason] += count
    work.notes["unused"] = unused
    return Counts(marked.height, marked.height - dropped.total(), dict(dropped))


def _rewards(work: Work, reward: Reward) -> pl.DataFrame:
    """Return one row per response with a reward."""
    rewards = work.read(reward.table, ["response_id", reward.column]).drop_nulls()
    responses = work.read("responses", ["response_id", "prompt_id"])
    prompts = work.read("prompts", ["prompt_id", "source"])
    return (
        responses.join(rewards, on="response_id")
        .join(prompts, on="prompt_id")
        .select(
            "prompt_id", "source", response_a="response_id", value=pl.col(reward.column).cast(float)
        )
    )
