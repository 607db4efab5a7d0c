"""Whether a pair's label points the way that the labels of like pairs point.

For each pair, how many of its nearest pairs agree with its label, and a probability made of their
votes. The pair itself, other pairs of its prompt and copies of it do not vote.

A pair lies where its prompt is and where its responses differ: with p the prompt's unit vector and
u the unit vector from one response to the other, the likeness of two pairs is

    (a^2 p.p' + |u.u'|) / (1 + a^2),        a = prompt_weight

The absolute value makes neighbours a matter of content: u runs from the response with the larger id
to the one with the smaller, whatever the label says, and both u and -u are searched. A neighbour
then votes for or against the pair's label by the sign of u.u' and its own label, with the weight
|u.u'| times its share of votes for minus against. So a flipped label changes its own probability v
to 1 - v and leaves all neighbours where they were.
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
from prefine.search.index import Index, built, ranked
from prefine.search.settings import Search
from prefine.search.storage import Places, Vectors
from prefine.step import Counts, Work
from prefine.tables.texts import beside
from prefine.tables.vectors import PROMPT_VECTORS, RESPONSE_VECTORS, read_reasons, read_vectors

_MORE = 32
"""Neighbours looked at beyond those wanted, for those that may not vote."""
_DEEPEST = 8
"""How many times as many are looked at, at most, for pairs that have too few."""
_VOTED = 128
"""Pairs whose neighbours' vectors are in memory at once."""

Values = npt.NDArray[np.float64]


class Labels(NamedTuple):
    """What is known of the pairs of the index, by place."""

    prompts: Places
    """A number for each prompt, shape (pairs,)."""
    lean: Values
    """Share of votes for the response with the smaller id minus share against, shape (pairs,)."""
    side: Values
    """1 where the response with the smaller id is the chosen one, else -1, shape (pairs,)."""


class Ballot(NamedTuple):
    """What the neighbours of some pairs say, each of shape (pairs,)."""

    agreeing: Places
    opposing: Places
    probability: Values


class LabelConsistency(Measure):
    """Whether a pair's label points the way that the labels of like pairs point."""

    tables: ClassVar = ("pairs", *PROMPT_VECTORS.tables, *RESPONSE_VECTORS.tables)
    scope: ClassVar = "corpus"
    seeded: ClassVar = True
    version: ClassVar = 3

    kind: Literal["label_consistency"]
    neighbours: int = Field(default=64, ge=1, le=1024)
    """How many like pairs are asked. With 20 % of the labels flipped, 8, 16, 32, 64 and 128 found
    flips with an AUROC of 0.56, 0.57, 0.60, 0.62, 0.63 (HH-RLHF) and 0.86, 0.88, 0.89, 0.89, 0.89
    (4,000 pairs of alpaca_eval); means of three seeds."""
    prompt_weight: float = Field(default=0.5, ge=0, le=10)
    """What the likeness of prompts counts beside that of the responses' difference."""
    copy_similarity: float = Field(default=0.98, gt=0, le=2)
    """A pair at least so alike is a copy and has no vote; nor has a pair of the same prompt."""
    prior: float = Field(default=1.0, gt=0)
    """The weight of even odds beside the neighbours' votes, of which each weighs 1 at most."""
    search: Search = Search()

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        return (
            Column(
                "label_probability",
                pa.float64(),
                "probability of the label by the votes of like pairs, its own left out, in [0, 1]",
                Flip.COMPLEMENT,
            ),
            Column(
                "label_agreeing",
                pa.int64(),
                "like pairs whose label points the same way",
                Flip.SWAP,
                "label_opposing",
                range=COUNT,
            ),
            Column(
                "label_opposing",
                pa.int64(),
                "like pairs whose label points the other way",
                Flip.SWAP,
                "label_agreeing",
                range=COUNT,
            ),
            Column(
                "label_reason",
                pa.large_string(),
                "why there is no probability: blank, unknown_words, same_vectors, alone; else null",
            ),
        )

    def run(self, work: Work) -> Counts:
        """Let the neighbours of all pairs of all shards vote."""
        parts = [_pairs(work, part) for part in work.parts("pairs")]
        directed = [pairs.filter(pl.col("label_reason").is_null()) for pairs in parts]
        ids, places = ranked(pairs["pair_id"].to_list() for pairs in directed)
        labels = _labels(pl.concat(directed).sort("pair_id"))

        def blocks() -> Iterator[tuple[Places, Vectors]]:
            for part, pairs, at in zip(work.parts("pairs"), directed, places, strict=True):
                yield at, _keys(work, pairs, part, self.prompt_weight)

        votes = Ballot(np.zeros(len(ids), int), np.zeros(len(ids), int), np.empty(len(ids)))
        num_short = 0
        count, search, runtime = self.neighbours, self.search, work.runtime
        with built(ids, blocks, count=count, config=search, runtime=runtime, seed=work.seed) as (
            index,
            notes,
        ):
            work.notes.update(notes)
            for mine in index.chunks():
                found, short = _vote(index, labels, mine, self)
                num_short += short
                for column, values in zip(votes, found, strict=True):
                    column[mine] = values
                work.progress(len(mine))
        for part, pairs, of_part, at in zip(
            work.parts("pairs"), parts, directed, places, strict=True
        ):
            work.emit(self.table, _table(pairs, of_part, at, votes), part=part)
        work.notes["short_lists"] = num_short
        if num_short:
            remark = (
                f"{num_short:,} pairs have fewer than {self.neighbours} voters among their "
                f"{self.neighbours * _DEEPEST:,} nearest pairs; the others there are copies or "
                "share the prompt"
            )
            work.notes.setdefault("remarks", []).append(remark)
        count = sum(pairs.height for pairs in parts)
        return Counts(count, count)


def _pairs(work: Work, part: int) -> pl.DataFrame:
    """Return the pairs of a part, with the reason why one has no direction to compare."""
    columns = ["pair_id", "prompt_id", "chosen_id", "rejected_id", "agreement", "disagreement"]
    pairs = work.read("pairs", [*columns, "num_empty"], part=part)
    ids, vectors = read_vectors(work, RESPONSE_VECTORS, part)
    place = {name: index for index, name in enumerate(ids)}
    sides = ([place[name] for name in pairs[f"{side}_id"]] for side in ("chosen", "rejected"))
    chosen, rejected = (vectors[side] for side in sides)
    same = pl.Series((chosen == rejected).all(axis=1), dtype=pl.Boolean)
    told = beside(pairs, read_reasons(work, RESPONSE_VECTORS, part), "reason")
    reason = pl.coalesce(
        pl.when(pl.col("num_empty") > 0).then(pl.lit("blank")),
        pl.min_horizontal("chosen_reason", "rejected_reason"),
        pl.when(same).then(pl.lit("same_vectors")),
    )
    return told.select(*pairs.columns, reason.alias("label_reason"))


def _labels(pairs: pl.DataFrame) -> Labels:
    first = (pairs["chosen_id"] < pairs["rejected_id"]).to_numpy()
    side = np.where(first, 1.0, -1.0)
    share = (pairs["agreement"] - pairs["disagreement"]).fill_null(0.0).to_numpy()
    prompts = pairs["prompt_id"].rank("dense").cast(pl.Int64).to_numpy()
    return Labels(prompts, side * share, side)


def _keys(work: Work, pairs: pl.DataFrame, part: int, weight: float) -> Vectors:
    """Return where pairs lie: the prompt, and the direction between the responses by their ids."""
    names, responses = read_vectors(work, RESPONSE_VECTORS, part)
    prompt_names, prompts = read_vectors(work, PROMPT_VECTORS, part)
    place = {name: index for index, name in enumerate(names)}
    prompt_place = {name: index for index, name in enumerate(prompt_names)}
    columns = pairs.select("chosen_id", "rejected_id").iter_rows()
    sides = np.array([[place[name] for name in sorted(both)] for both in columns], int)
    apart = responses[sides[:, 0]] - responses[sides[:, 1]] if len(sides) else responses[:0]
    apart /= np.linalg.norm(apart, axis=1, keepdims=True)
    asked = prompts[[prompt_place[name] for name in pairs["prompt_id"]]]
    return np.concatenate([weight * asked, apart], axis=1) / np.float32(1 + weight**2) ** 0.5


def _vote(
    index: Index, labels: Labels, places: Places, config: LabelConsistency
) -> tuple[Ballot, int]:
    """Count the votes about some pairs; look farther where too few may vote.

    Returns:
        The votes, and how many pairs got too few though there are more pairs to look at.
    """
    found = Ballot(np.zeros(len(places), int), np.zeros(len(places), int), np.empty(len(places)))
    left, count = np.arange(len(places)), config.neighbours
    while len(left):
        near = _near(index, places[left], count + _MORE)
        short: list[Places] = []
        for start in range(0, len(left), _VOTED):
            mine, block = left[start : start + _VOTED], near[start : start + _VOTED]
            votes, num_voters = _votes(index, labels, places[mine], block, config)
            for column, values in zip(found, votes, strict=True):
                column[mine] = values
            short.append(mine[num_voters < config.neighbours])
        count *= 2
        left = np.concatenate(short)
        if count > min(config.neighbours * _DEEPEST, len(labels.side) * 2):
            break
    return found, len(left) if count <= len(labels.side) else 0


def _near(index: Index, places: Places, count: int) -> Places:
    """Return the nearest pairs whichever way they point, each once, shape (pairs, 2 count)."""
    keys = index.vectors(places)
    turned = keys.copy()
    turned[:, keys.shape[1] // 2 :] *= -1
    both = [index.search(queries, count).places for queries in (keys, turned)]
    near = np.sort(np.concatenate(both, axis=1), axis=1)
    return np.where(np.diff(near, axis=1, prepend=-1) == 0, -1, near)


def _votes(
    index: Index, labels: Labels, places: Places, near: Places, config: LabelConsistency
) -> tuple[Ballot, Places]:
    """Return what the nearest of some candidates say, and how many of them may say something."""
    own = index.vectors(places)
    others = index.vectors(near.ravel()).reshape(*near.shape, -1)
    half = own.shape[1] // 2
    asked: Vectors = np.einsum("qkd,qd->qk", others[..., :half], own[:, :half])
    along: Vectors = np.einsum("qkd,qd->qk", others[..., half:], own[:, half:])
    likeness = (asked + np.abs(along)).astype(np.float64).round(6)
    barred = (near < 0) | (labels.prompts[near] == labels.prompts[places][:, None])
    barred |= likeness >= config.copy_similarity
    order = np.lexsort((near, np.where(barred, np.inf, -likeness)), axis=1)
    order = order[:, : config.neighbours]
    votes = (1 + config.prompt_weight**2) * along.astype(np.float64) * labels.lean[near] * ~barred
    votes = np.take_along_axis(votes, order, axis=1) * labels.side[places][:, None]
    voters = np.take_along_axis(~barred, order, axis=1).sum(axis=1)
    return tallied(votes, voters, config.prior), voters


def tallied(votes: Values, voters: Places, prior: float) -> Ballot:
    """Sum votes up.

    Args:
        votes: For a label where positive, against it where negative, shape (pairs, k).
        voters: How many neighbours each pair has; without any there is no probability, but NaN.
        prior: The weight of even odds: half of it for the label, half against.
    """
    total = np.abs(votes).sum(axis=1)
    probability = (prior / 2 + np.where(votes > 0, votes, 0).sum(axis=1)) / (prior + total)
    return Ballot(
        (votes > 0).sum(axis=1),
        (votes < 0).sum(axis=1),
        np.where(voters > 0, probability, np.nan),
    )


def _table(pairs: pl.DataFrame, directed: pl.DataFrame, at: Places, found: Ballot) -> pl.DataFrame:
    """Return the columns of one part, in the order of its pairs."""
    votes = directed.select(
        "pair_id",
        pl.Series("label_probability", found.probability[at], nan_to_null=True),
        pl.Series("label_agreeing", found.agreeing[at], pl.Int64),
        pl.Series("label_opposing", found.opposing[at], pl.Int64),
    )
    reason = pl.when(pl.col("label_probability").is_null()).then(
        pl.col("label_reason").fill_null("alone")
    )
    joined = pairs.join(votes, on="pair_id", how="left", maintain_order="left")
    return joined.with_columns(reason.alias("label_reason"))
