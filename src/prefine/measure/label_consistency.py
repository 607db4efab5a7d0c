"""Label noise estimated from the labels of each pair's k nearest neighbours.

For each pair, the number of nearest pairs that agree with its label, and a probability computed
from their votes. The pair itself, other pairs of its prompt and near duplicates of it do not vote.

A pair is represented by the embedding of its prompt and the direction between its responses. With p
the prompt's unit vector and u the unit vector from one response to the other, the similarity of two
pairs is

    (a^2 p.p' + |u.u'|) / (1 + a^2),        a = prompt_weight

The absolute value makes the similarity independent of the labels: u points from the response with
the larger id to the one with the smaller id, and both u and -u are searched. A neighbour votes for
or against the pair's label according to the sign of u.u' and its own label, with the weight |u.u'|
times its share of votes for minus its share against. So flipping a label changes its own
probability v to 1 - v and does not change any neighbourhood.
"""

from collections.abc import Iterator
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from pydantic import Field

from prefine.measure.base import Measure
from prefine.schema import COUNT, Column, Flip
from prefine.search.index import Index, build_index, sort_ids
from prefine.search.settings import Search
from prefine.search.storage import Indices, Vectors
from prefine.step import Counts, Work
from prefine.tables.texts import join_sides
from prefine.tables.vectors import PROMPT_VECTORS, RESPONSE_VECTORS, read_reasons, read_vectors

_EXTRA_NEIGHBOURS = 32
"""Neighbours retrieved in addition to ``neighbours``, because some of them may not vote."""
_MAX_FACTOR = 8
"""Maximum number of neighbours retrieved for a pair with too few voters, over ``neighbours``."""
_BLOCK = 128
"""Pairs whose neighbours' vectors are in memory at once."""

Values = npt.NDArray[np.float64]


class Labels(NamedTuple):
    """The labels of the pairs of the index, by position."""

    prompts: Indices
    """A number for each prompt, shape (pairs,)."""
    balance: Values
    """Share of votes for the response with the smaller id minus share against, in [-1, 1], shape
    (pairs,)."""
    side: Values
    """1 where the response with the smaller id is the chosen one, else -1, shape (pairs,)."""


class Votes(NamedTuple):
    """The votes of the neighbours of some pairs, each of shape (pairs,)."""

    agreeing: Indices
    """Number of neighbours that vote for the label."""
    opposing: Indices
    """Number of neighbours that vote against the label."""
    probability: Values
    """Probability of the label, in [0, 1]; NaN without voters."""


class LabelConsistency(Measure):
    """Agreement of a pair's label with the labels of its k nearest neighbours.

    Use it to find label noise: flipped labels get a low probability. Needs embeddings, no reward
    model.
    """

    tables: ClassVar = ("pairs", *PROMPT_VECTORS.tables, *RESPONSE_VECTORS.tables)
    scope: ClassVar = "corpus"
    seeded: ClassVar = True
    version: ClassVar = 3

    kind: Literal["label_consistency"]
    """Selects this measure."""
    neighbours: int = Field(default=64, ge=1, le=1024)
    """Number of nearest pairs that vote. With 20 % of the labels flipped, 8, 16, 32, 64 and 128
    detected the flips with an AUROC of 0.56, 0.57, 0.60, 0.62 and 0.63 (HH-RLHF), and of 0.86,
    0.88, 0.89, 0.89 and 0.89 (4,000 pairs of alpaca_eval); means of three seeds."""
    prompt_weight: float = Field(default=0.5, ge=0, le=10)
    """Weight of the prompts relative to the difference of the responses, in the similarity of two
    pairs."""
    copy_similarity: float = Field(default=0.98, gt=0, le=2)
    """Pairs with at least this similarity are near duplicates and do not vote; neither do pairs of
    the same prompt."""
    prior: float = Field(default=1.0, gt=0)
    """Weight of a prior of 0.5 relative to the votes; one neighbour has a weight of at most 1."""
    search: Search = Search()
    """How nearest neighbours are searched."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        return (
            Column(
                "label_probability",
                pa.float64(),
                "probability of the label according to the votes of the nearest pairs, without its "
                "own vote, in [0, 1]",
                Flip.COMPLEMENT,
            ),
            Column(
                "label_agreeing",
                pa.int64(),
                "number of nearest pairs that vote for the label",
                Flip.SWAP,
                "label_opposing",
                range=COUNT,
            ),
            Column(
                "label_opposing",
                pa.int64(),
                "number of nearest pairs that vote against the label",
                Flip.SWAP,
                "label_agreeing",
                range=COUNT,
            ),
            Column(
                "label_reason",
                pa.large_string(),
                "why there is no probability: blank, unknown_words, same_vectors (equal "
                "embeddings), alone (no voters); else null",
            ),
        )

    def run(self, work: Work) -> Counts:
        """Collect the votes of the nearest neighbours of all pairs of the corpus."""
        parts = [_read_pairs(work, part) for part in work.parts("pairs")]
        usable = [pairs.filter(pl.col("label_reason").is_null()) for pairs in parts]
        ids, positions = sort_ids(pairs["pair_id"].to_list() for pairs in usable)
        labels = _labels(pl.concat(usable).sort("pair_id"))

        def blocks() -> Iterator[tuple[Indices, Vectors]]:
            for part, pairs, rows in zip(work.parts("pairs"), usable, positions, strict=True):
                yield rows, _pair_vectors(work, pairs, part, self.prompt_weight)

        votes = Votes(np.zeros(len(ids), int), np.zeros(len(ids), int), np.empty(len(ids)))
        num_short = 0
        count, search, runtime = self.neighbours, self.search, work.runtime
        with build_index(
            ids, blocks, count=count, config=search, runtime=runtime, seed=work.seed
        ) as (
            index,
            notes,
        ):
            work.notes.update(notes)
            for rows in index.chunks():
                chunk_votes, short = _collect_votes(index, labels, rows, self)
                num_short += short
                for column, values in zip(votes, chunk_votes, strict=True):
                    column[rows] = values
                work.progress(len(rows))
        for part, pairs, of_part, rows in zip(
            work.parts("pairs"), parts, usable, positions, strict=True
        ):
            work.emit(self.table, _table(pairs, of_part, rows, votes), part=part)
        work.notes["short_lists"] = num_short
        if num_short:
            remark = (
                f"{num_short:,} pairs have fewer than {self.neighbours} voters among their "
                f"{self.neighbours * _MAX_FACTOR:,} nearest pairs, because most of these are near "
                "duplicates or have the same prompt"
            )
            work.notes.setdefault("remarks", []).append(remark)
        count = sum(pairs.height for pairs in parts)
        return Counts(count, count)


def _read_pairs(work: Work, part: int) -> pl.DataFrame:
    """Return the pairs of a part, with a reason for those whose responses cannot be compared."""
    columns = ["pair_id", "prompt_id", "chosen_id", "rejected_id", "agreement", "disagreement"]
    pairs = work.read("pairs", [*columns, "num_empty"], part=part)
    ids, vectors = read_vectors(work, RESPONSE_VECTORS, part)
    row_of = {name: row for row, name in enumerate(ids)}
    sides = ([row_of[name] for name in pairs[f"{side}_id"]] for side in ("chosen", "rejected"))
    chosen, rejected = (vectors[side] for side in sides)
    same = pl.Series((chosen == rejected).all(axis=1), dtype=pl.Boolean)
    with_reasons = join_sides(pairs, read_reasons(work, RESPONSE_VECTORS, part), "reason")
    reason = pl.coalesce(
        pl.when(pl.col("num_empty") > 0).then(pl.lit("blank")),
        pl.min_horizontal("chosen_reason", "rejected_reason"),
        pl.when(same).then(pl.lit("same_vectors")),
    )
    return with_reasons.select(*pairs.columns, reason.alias("label_reason"))


def _labels(pairs: pl.DataFrame) -> Labels:
    first = (pairs["chosen_id"] < pairs["rejected_id"]).to_numpy()
    side = np.where(first, 1.0, -1.0)
    share = (pairs["agreement"] - pairs["disagreement"]).fill_null(0.0).to_numpy()
    prompts = pairs["prompt_id"].rank("dense").cast(pl.Int64).to_numpy()
    return Labels(prompts, side * share, side)


def _pair_vectors(work: Work, pairs: pl.DataFrame, part: int, weight: float) -> Vectors:
    """Return the vectors of pairs: the prompt's, and the direction between the responses by id."""
    names, responses = read_vectors(work, RESPONSE_VECTORS, part)
    prompt_names, prompts = read_vectors(work, PROMPT_VECTORS, part)
    row_of = {name: row for row, name in enumerate(names)}
    prompt_row_of = {name: row for row, name in enumerate(prompt_names)}
    columns = pairs.select("chosen_id", "rejected_id").iter_rows()
    sides = np.array([[row_of[name] for name in sorted(both)] for both in columns], int)
    direction = responses[sides[:, 0]] - responses[sides[:, 1]] if len(sides) else responses[:0]
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    prompt = prompts[[prompt_row_of[name] for name in pairs["prompt_id"]]]
    return np.concatenate([weight * prompt, direction], axis=1) / np.float32(1 + weight**2) ** 0.5


def _collect_votes(
    index: Index, labels: Labels, rows: Indices, config: LabelConsistency
) -> tuple[Votes, int]:
    """Collect the votes on some pairs; search wider for pairs with too few voters.

    Returns:
        The votes, and the number of pairs with too few voters although more pairs exist.
    """
    result = Votes(np.zeros(len(rows), int), np.zeros(len(rows), int), np.empty(len(rows)))
    pending, count = np.arange(len(rows)), config.neighbours
    while len(pending):
        candidates = _candidates(index, rows[pending], count + _EXTRA_NEIGHBOURS)
        short: list[Indices] = []
        for start in range(0, len(pending), _BLOCK):
            block = pending[start : start + _BLOCK]
            votes, num_voters = _votes(
                index, labels, rows[block], candidates[start : start + _BLOCK], config
            )
            for column, values in zip(result, votes, strict=True):
                column[block] = values
            short.append(block[num_voters < config.neighbours])
        count *= 2
        pending = np.concatenate(short)
        if count > min(config.neighbours * _MAX_FACTOR, len(labels.side) * 2):
            break
    return result, len(pending) if count <= len(labels.side) else 0


def _candidates(index: Index, rows: Indices, count: int) -> Indices:
    """Return the nearest pairs in either direction, each once, shape (pairs, 2 count)."""
    vectors = index.vectors(rows)
    reversed_ = vectors.copy()
    reversed_[:, vectors.shape[1] // 2 :] *= -1
    both = [index.search(queries, count).indices for queries in (vectors, reversed_)]
    candidates = np.sort(np.concatenate(both, axis=1), axis=1)
    return np.where(np.diff(candidates, axis=1, prepend=-1) == 0, -1, candidates)


def _votes(
    index: Index, labels: Labels, rows: Indices, candidates: Indices, config: LabelConsistency
) -> tuple[Votes, Indices]:
    """Return the votes of the nearest candidates of some pairs, and the number of voters."""
    own = index.vectors(rows)
    others = index.vectors(candidates.ravel()).reshape(*candidates.shape, -1)
    half = own.shape[1] // 2
    prompt_dot: Vectors = np.einsum("qkd,qd->qk", others[..., :half], own[:, :half])
    direction_dot: Vectors = np.einsum("qkd,qd->qk", others[..., half:], own[:, half:])
    similarity = (prompt_dot + np.abs(direction_dot)).astype(np.float64).round(6)
    excluded = (candidates < 0) | (labels.prompts[candidates] == labels.prompts[rows][:, None])
    excluded |= similarity >= config.copy_similarity
    order = np.lexsort((candidates, np.where(excluded, np.inf, -similarity)), axis=1)
    order = order[:, : config.neighbours]
    scale = 1 + config.prompt_weight**2
    votes = scale * direction_dot.astype(np.float64) * labels.balance[candidates] * ~excluded
    votes = np.take_along_axis(votes, order, axis=1) * labels.side[rows][:, None]
    num_voters = np.take_along_axis(~excluded, order, axis=1).sum(axis=1)
    return count_votes(votes, num_voters, config.prior), num_voters


def count_votes(votes: Values, num_voters: Indices, prior: float) -> Votes:
    """Count votes and turn them into a probability.

    Args:
        votes: Weighted votes, positive for the label and negative against it, shape (pairs, k).
        num_voters: Number of voters of each pair, shape (pairs,); the probability is NaN for 0.
        prior: Weight of the prior: half of it for the label, half against.
    """
    total = np.abs(votes).sum(axis=1)
    probability = (prior / 2 + np.where(votes > 0, votes, 0).sum(axis=1)) / (prior + total)
    return Votes(
        (votes > 0).sum(axis=1),
        (votes < 0).sum(axis=1),
        np.where(num_voters > 0, probability, np.nan),
    )


def _table(pairs: pl.DataFrame, usable: pl.DataFrame, rows: Indices, votes: Votes) -> pl.DataFrame:
    """Return the columns of one part, in the order of its pairs."""
    columns = usable.select(
        "pair_id",
        pl.Series("label_probability", votes.probability[rows], nan_to_null=True),
        pl.Series("label_agreeing", votes.agreeing[rows], pl.Int64),
        pl.Series("label_opposing", votes.opposing[rows], pl.Int64),
    )
    reason = pl.when(pl.col("label_probability").is_null()).then(
        pl.col("label_reason").fill_null("alone")
    )
    joined = pairs.join(columns, on="pair_id", how="left", maintain_order="left")
    return joined.with_columns(reason.alias("label_reason"))
