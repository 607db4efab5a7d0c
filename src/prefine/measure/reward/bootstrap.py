"""The bootstrap reward: a cross-fitted preference model trained on the data's own labels.

The margin of a pair is computed by heads that were fitted without its prompt. It detects labels
that contradict the rest of the data and does not measure quality.

The model is Bradley-Terry: P(y+ beats y-) = sigma(w . (phi(x, y+) - phi(x, y-))). The features phi
are the unit vector of the response, its elementwise product with that of the prompt, and the
logarithm of the response length.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from pydantic import Field

from prefine.errors import DataError
from prefine.measure.base import Measure, RecipeView
from prefine.schema import Column, Flip, hash_unit
from prefine.settings import Name
from prefine.settings.json import Json
from prefine.step import Counts, StepSpec, Work
from prefine.tables.texts import join_sides
from prefine.tables.vectors import PROMPT_VECTORS, RESPONSE_VECTORS, read_reasons, read_vectors

HEADS = pa.schema(
    [
        pa.field("fold", pa.int64(), False),
        pa.field("head", pa.int64(), False),
        pa.field("weights", pa.large_list(pa.float64()), False),
    ]
)
"""One row per fitted head; it is fitted on all folds except ``fold``."""

_MIN_PROMPTS = 20
"""Minimum number of prompts to fit on; a resample of 20 is empty with a probability of 2e-9."""
_POISSON = np.cumsum(np.exp(-1) / np.cumprod([1, 1, 2, 3, 4, 5, 6, 7, 8]))
"""Cumulative probabilities of Poisson(1), the number of copies of a prompt in a resample."""

Matrix = npt.NDArray[np.float64]

_HEADS_VERSION = 3
_READ = ("pairs", "responses", *PROMPT_VECTORS.tables, *RESPONSE_VECTORS.tables)
_CARD = """\
## About the bootstrap reward

The bootstrap reward is computed by small models fitted on the labels and embeddings of this data
set; each pair is scored only by models that were fitted without its prompt. It shows which labels
contradict the rest of the data. It does not measure quality, and it has the biases that most of the
labels have."""


class BootstrapReward(Measure):
    """Margin of a cross-fitted ensemble of Bradley-Terry heads on embeddings.

    Use it to find label noise without a reward model. Needs embeddings; a pair is not scored if one
    of its responses has none, and a prompt without an embedding is ignored.
    """

    seeded: ClassVar = True
    version: ClassVar = 2

    kind: Literal["reward/bootstrap"]
    """Selects this measure."""
    name: Name = "bootstrap"
    """Name of the measure, and prefix of its columns."""
    folds: int = Field(default=5, ge=2, le=50)
    """Number of cross-fitting folds of prompts; the pairs of a prompt are scored only by heads that
    were fitted on the other folds."""
    heads: int = Field(default=8, ge=2, le=64)
    """Number of heads per fold, each fitted on a bootstrap resample of the prompts."""
    prior_scale: float = Field(default=0.8, gt=0)
    """Standard deviation of the Gaussian prior on the weights; smaller values regularize more."""
    max_pairs: int = Field(default=20_000, ge=100)
    """Maximum number of pairs that a head is fitted on."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name = self.name
        return (
            Column(
                f"{name}_margin",
                pa.float64(),
                "reward of chosen minus reward of rejected in log-odds, mean over the heads fitted "
                "without the prompt",
                Flip.NEGATE,
            ),
            Column(
                f"{name}_margin_std",
                pa.float64(),
                "standard deviation of the margin over these heads, in log-odds, at least 0",
            ),
            Column(
                f"{name}_probability",
                pa.float64(),
                "probability that chosen is better, mean over these heads, in [0, 1]",
                Flip.COMPLEMENT,
            ),
            Column(
                f"{name}_reason",
                pa.large_string(),
                "why a response has no embedding: blank, unknown_words; else null",
            ),
        )

    @property
    def _heads(self) -> str:
        return f"heads_{self.name}"

    def reads(self, recipe: RecipeView) -> tuple[str, ...]:
        """Return the tables that are read."""
        return (*_READ, self._heads)

    def helpers(self, recipe: RecipeView) -> Iterator[StepSpec]:
        """Yield the step that fits the heads."""
        yield StepSpec(
            name=self._heads,
            version=_HEADS_VERSION,
            run=self.run_heads,
            reads=_READ,
            writes={self._heads: HEADS},
            config=self.identity() | {"seed": recipe.seed},
            num_parts=1,
            scope="corpus",
        )

    def card(self, notes: Mapping[str, Json]) -> str | None:
        """Return the section that explains the bootstrap reward."""
        return _CARD

    def run_heads(self, work: Work) -> Counts:
        """Fit all heads of all folds.

        Raises:
            DataError: Too few prompts have labelled pairs with embeddings.
        """
        from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

        examples = _examples(work, self, work.seed)
        folds = np.array(
            [fold_of(prompt, self.folds, work.seed) for prompt in examples.prompts], int
        )
        rows: list[dict[str, Any]] = []
        with threadpool_limits(1):
            for fold in range(self.folds):
                training = np.flatnonzero(folds != fold)
                num_prompts = len({examples.prompts[i] for i in training})
                if num_prompts < _MIN_PROMPTS:
                    raise DataError(
                        f"reward/bootstrap: only {num_prompts} prompts outside fold {fold} have "
                        f"labelled pairs with embeddings; at least {_MIN_PROMPTS} are needed; use "
                        "fewer `folds` or more data, or remove the measure"
                    )
                for head in range(self.heads):
                    copies = _resample(
                        [examples.prompts[i] for i in training], work.seed, fold, head
                    )
                    sample_weights = examples.weights[training] * copies
                    weights = _fit_head(examples.features[training], sample_weights, self)
                    rows.append({"fold": fold, "head": head, "weights": weights})
        work.emit(self._heads, pa.Table.from_pylist(rows, schema=HEADS), part=0)
        work.notes["num_pairs_fitted"] = len(examples.prompts)
        return Counts(len(rows), len(rows))

    def run(self, work: Work) -> Counts:
        """Score the pairs of a shard with the heads that were fitted without their prompts."""
        pairs = work.read("pairs", ["pair_id", "prompt_id", "chosen_id", "rejected_id"])
        heads = work.read(self._heads, part=0).sort("fold", "head")
        by_fold = {
            fold[0]: np.array(group["weights"].to_list()) for fold, group in heads.group_by("fold")
        }
        margins = np.empty((pairs.height, self.heads))
        if pairs.height:
            differences = _differences(work, pairs, None)
            folds = np.array([fold_of(name, self.folds, work.seed) for name in pairs["prompt_id"]])
            for fold, weights in by_fold.items():
                rows = np.flatnonzero(folds == fold)
                margins[rows] = np.einsum("nf,hf->nh", differences[rows], weights)
        name = self.name
        values = {
            f"{name}_margin": margins.mean(axis=1),
            f"{name}_margin_std": margins.std(axis=1),
            f"{name}_probability": (1 / (1 + np.exp(-margins))).mean(axis=1),
        }
        reason = _reasons(work, pairs, None).alias(f"{name}_reason")
        result = (
            pairs.select("pair_id")
            .with_columns(reason, **_series(values))
            .with_columns(pl.when(reason.is_null()).then(column).alias(column) for column in values)
        )
        work.emit(self.table, result)
        return Counts(pairs.height, result.height)


class Examples(NamedTuple):
    """Training examples, in the order of pair ids."""

    prompts: list[str]
    """The prompt id of each pair."""
    features: Matrix
    """phi(x, y+) - phi(x, y-), shape (pairs, features)."""
    weights: Matrix
    """Share of votes for minus share against, in (0, 1], shape (pairs,)."""


def fold_of(prompt: str, folds: int, seed: int) -> int:
    """Return the fold of a prompt, in [0, folds); its pairs are scored by this fold's heads."""
    return int(hash_unit(seed, "fold", prompt) * folds)


def _resample(prompts: list[str], seed: int, fold: int, head: int) -> Matrix:
    """Return the number of copies of each prompt in the resample of one head."""
    purpose = f"resample/{fold}/{head}"
    draws = [hash_unit(seed, purpose, prompt) for prompt in prompts]
    return np.searchsorted(_POISSON, draws, side="right").astype(np.float64)


def _fit_head(features: Matrix, weights: Matrix, config: BootstrapReward) -> list[float]:
    """Fit one Bradley-Terry head: logistic regression on differences, without an intercept.

    Every second row is negated together with its label, which does not change the likelihood: the
    solver requires both classes.
    """
    from sklearn.linear_model import (  # pyright: ignore[reportMissingTypeStubs]
        LogisticRegression,
    )

    used = weights > 0
    signs = np.where(np.arange(int(used.sum())) % 2 == 0, 1.0, -1.0)
    model: Any = LogisticRegression(
        C=config.prior_scale**2, fit_intercept=False, solver="newton-cholesky", max_iter=100
    )
    model.fit(features[used] * signs[:, None], signs > 0, sample_weight=weights[used])
    return model.coef_[0].tolist()


def _examples(work: Work, config: BootstrapReward, seed: int) -> Examples:
    """Load the training pairs: labelled, with two different responses, a limited number."""
    columns = ["pair_id", "prompt_id", "is_tie", "is_identical", "num_empty"]
    all_pairs = work.read_all("pairs", columns)
    usable = all_pairs.filter(
        ~pl.col("is_tie") & ~pl.col("is_identical") & (pl.col("num_empty") == 0)
    )
    limit = config.max_pairs * config.folds // (config.folds - 1)
    if usable.height > limit:
        draws = pl.Series([hash_unit(seed, "pool", name) for name in usable["pair_id"]])
        usable = usable.with_columns(draw=draws).sort("draw", "pair_id").head(limit)
    pool = usable["pair_id"].implode()
    examples: list[tuple[str, str, Matrix, float]] = []
    for part in work.parts("pairs"):
        pairs = work.read("pairs", part=part).filter(pl.col("pair_id").is_in(pool))
        pairs = pairs.filter(_reasons(work, pairs, part).is_null())
        differences = _differences(work, pairs, part)
        share = (pairs["agreement"] - pairs["disagreement"]).to_list()
        examples += zip(pairs["pair_id"], pairs["prompt_id"], differences, share, strict=True)
    examples.sort(key=lambda example: example[0])
    if not examples:
        return Examples([], np.empty((0, 1)), np.empty(0))
    features = np.stack([example[2] for example in examples])
    return Examples([e[1] for e in examples], features, np.array([e[3] for e in examples]))


def _differences(work: Work, pairs: pl.DataFrame, part: int | None) -> Matrix:
    """Return phi(x, y+) - phi(x, y-) of each pair, shape (pairs, features), float64."""
    names, responses = read_vectors(work, RESPONSE_VECTORS, part, center=False)
    prompt_names, prompts = read_vectors(work, PROMPT_VECTORS, part, center=False)
    row_of = {name: row for row, name in enumerate(names)}
    prompt_row_of = {name: row for row, name in enumerate(prompt_names)}
    chars = _log_chars(work, part)
    sides = [[row_of[name] for name in pairs[f"{side}_id"]] for side in ("chosen", "rejected")]
    prompt = prompts[[prompt_row_of[name] for name in pairs["prompt_id"]]].astype(np.float64)
    vector = responses[sides[0]].astype(np.float64) - responses[sides[1]].astype(np.float64)
    length = chars[sides[0]] - chars[sides[1]]
    scale = np.sqrt(vector.shape[1]) / 2
    return np.concatenate([vector, scale * prompt * vector, length[:, None]], axis=1)


def _reasons(work: Work, pairs: pl.DataFrame, part: int | None) -> pl.Series:
    """Return why a response of each pair has no embedding; null if both have one."""
    joined = join_sides(pairs, read_reasons(work, RESPONSE_VECTORS, part), "reason")
    return joined.select(pl.min_horizontal("chosen_reason", "rejected_reason"))["chosen_reason"]


def _series(values: Mapping[str, Matrix]) -> dict[str, pl.Series]:
    return {name: pl.Series(name, array) for name, array in values.items()}


def _log_chars(work: Work, part: int | None) -> Matrix:
    """Return log(1 + number of characters) of each response, shape (responses,)."""
    frame = work.read("responses", ["response_id", "messages"], part=part)
    lengths = pl.element().struct.field("content").str.len_chars()
    chars = frame.select(pl.col("messages").list.eval(lengths).list.sum())["messages"]
    return np.log1p(chars.cast(pl.Float64).to_numpy())
