"""Agreement of several reward models with the label of a pair.

The rewards of each model are standardized within each source before margins of different models are
averaged: by the mean and the standard deviation over the distinct responses to the source's
prompts. A margin counts as a tie if it is at most one rounding step of the floating-point type in
which the model computed the reward, because two runs of the model can differ by as much.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from pydantic import Field

from prefine.measure.base import Measure, RecipeView
from prefine.schema import SHARE, Column, Flip
from prefine.schema.columns import sides
from prefine.settings import Name, Problem
from prefine.step import Counts, StepSpec, Work
from prefine.tables.rewards import Reward
from prefine.tables.texts import join_sides

CALIBRATION = pa.schema(
    [
        pa.field("model", pa.large_string(), False),
        pa.field("source", pa.large_string(), False),
        pa.field("num_responses", pa.int64(), False),
        pa.field("offset", pa.float64(), False),
        pa.field("scale", pa.float64(), False),
        pa.field("quantiles", pa.large_list(pa.float64()), False),
    ]
)
"""One row per model and source: mean (``offset``), standard deviation (``scale``) and quantiles of
its rewards."""

_GRID = np.linspace(0, 1, 1001)
_BITS = {"float32": 23, "float16": 10, "bfloat16": 7}
"""Explicit bits b of the significand: rewards in [1, 2) have a rounding step of 2^-b."""

Values = npt.NDArray[np.float64]
_CALIBRATION_VERSION = 2


class RewardAgreement(Measure):
    """Agreement of several reward models with the label, and their mean standardized margin.

    Use it to find labels that reward models disagree with. Needs at least two reward measures in
    the recipe.
    """

    kind: Literal["reward/agreement"]
    """Selects this measure."""
    name: Name = "rewards"
    """Name of the measure, and prefix of its columns."""
    models: tuple[Name, ...] = Field(min_length=2)
    """Names of the response rewards to compare: the name of a reward measure, or ``NAME_HEAD`` for
    a model with several heads."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name = self.name
        calibrated = (
            column
            for model in self.models
            for column in (
                *sides(
                    f"{model}_scaled",
                    pa.float64(),
                    "standardized reward (mean 0, standard deviation 1 in the source)",
                ),
                *sides(
                    f"{model}_percentile",
                    pa.float64(),
                    "quantile rank (in [0, 1], among all rewards of the source) of the reward",
                    within=SHARE,
                ),
            )
        )
        return (
            *calibrated,
            Column(
                f"{name}_agreement",
                pa.float64(),
                "share of the reward models that agree with the label, in [0, 1]; a tie counts as "
                "0.5",
                Flip.COMPLEMENT,
            ),
            Column(
                f"{name}_margin_mean",
                pa.float64(),
                "mean over models of the margin, in standard deviations of the model's rewards in "
                "the source",
                Flip.NEGATE,
            ),
            Column(
                f"{name}_margin_std",
                pa.float64(),
                "standard deviation over models of the margin, in standard deviations of the "
                "model's rewards in the source, at least 0",
            ),
        )

    @property
    def _calibration(self) -> str:
        return f"calibration_{self.name}"

    def _compared(self, recipe: RecipeView) -> tuple[Reward, ...]:
        known = recipe.rewards
        return tuple(known[name] for name in self.models)

    def problems(self, recipe: RecipeView) -> Iterator[Problem]:
        """Yield an error for each reward that does not exist or is listed twice."""
        known = recipe.rewards
        for name in self.models:
            if name not in known:
                listed = ", ".join(known) or "none"
                text = f"no response reward `{name}`; the response rewards are: {listed}"
                yield ("models",), text
        for name in sorted({name for name in self.models if self.models.count(name) > 1}):
            yield ("models",), f"`{name}` is listed twice; remove one"

    def reads(self, recipe: RecipeView) -> tuple[str, ...]:
        """Return the tables that are read."""
        tables = (reward.table for reward in self._compared(recipe))
        return ("prompts", "responses", "pairs", self._calibration, *dict.fromkeys(tables))

    def helpers(self, recipe: RecipeView) -> Iterator[StepSpec]:
        """Yield the step that computes the mean and the standard deviation of each reward."""
        models = self._compared(recipe)
        yield StepSpec(
            name=self._calibration,
            version=_CALIBRATION_VERSION,
            run=partial(_run_calibration, table=self._calibration, models=models),
            reads=("prompts", "responses", *dict.fromkeys(reward.table for reward in models)),
            writes={self._calibration: CALIBRATION},
            config={"models": list(self.models)},
            num_parts=1,
            scope="corpus",
        )

    def prepared(self, recipe: RecipeView) -> Callable[[Work], Counts]:
        """Return ``run`` with the compared rewards, which the recipe defines, bound to it."""
        return partial(self.run, models=self._compared(recipe))

    def run(self, work: Work, models: tuple[Reward, ...] = ()) -> Counts:
        """Compare the models on all pairs of a shard.

        Args:
            work: The shard.
            models: The rewards to compare, in the order of the settings.
        """
        pairs = work.read("pairs", ["pair_id", "chosen_id", "rejected_id"])
        calibration = work.read(self._calibration, part=0)
        result = pairs.select("pair_id")
        votes: list[Values] = []
        margins: list[Values] = []
        for model in models:
            rewards = _standardize(
                _read_rewards(work, model, None), calibration.filter(model=model.name)
            )
            joined = join_sides(pairs, rewards, "reward", "scaled", "percentile")
            chosen, rejected = (joined[f"{s}_reward"].to_numpy() for s in ("chosen", "rejected"))
            votes.append(_votes(chosen, rejected, model.dtype))
            margins.append((joined["chosen_scaled"] - joined["rejected_scaled"]).to_numpy())
            names = {
                f"{side}_{kind}": f"{side}_{model.name}_{kind}"
                for side in ("chosen", "rejected")
                for kind in ("scaled", "percentile")
            }
            result = result.with_columns(joined.select(names.keys()).rename(names))
        agreement, mean, std = combine_models(np.array(votes), np.array(margins))
        name = self.name
        result = result.with_columns(
            pl.Series(f"{name}_agreement", agreement, nan_to_null=True),
            pl.Series(f"{name}_margin_mean", mean, nan_to_null=True),
            pl.Series(f"{name}_margin_std", std, nan_to_null=True),
        )
        work.emit(self.table, result)
        return Counts(pairs.height, result.height)


def rounding_step(magnitude: Values, dtype: str) -> Values:
    """Return the rounding step of a floating-point type at the magnitude of rewards.

    Args:
        magnitude: The larger absolute value of each pair of rewards, shape (pairs,).
        dtype: ``float32``, ``bfloat16`` or ``float16``.

    Source:
        IEEE 754: values in [2^e, 2^(e+1)) have a rounding step of 2^(e - bits). Published rewards
        of one model by two engines in bfloat16 differ by exactly one step (23.0 and 23.125).
    """
    exponent = np.floor(np.log2(np.maximum(magnitude, np.finfo(np.float32).tiny)))
    return np.exp2(exponent - _BITS[dtype])


def _run_calibration(work: Work, table: str, models: tuple[Reward, ...]) -> Counts:
    """Compute the statistics of each model's rewards in each source, over all shards."""
    rows: list[dict[str, object]] = []
    for model in models:
        rewards = pl.concat(_read_rewards(work, model, part) for part in work.parts("responses"))
        for (source,), group in (
            rewards.drop_nulls("reward").sort("source").group_by("source", maintain_order=True)
        ):
            values = np.sort(group["reward"].to_numpy())
            rows.append(
                {
                    "model": model.name,
                    "source": source,
                    "num_responses": len(values),
                    "offset": values.mean(),
                    "scale": values.std(),
                    "quantiles": np.quantile(values, _GRID).tolist(),
                }
            )
    work.emit(table, pa.Table.from_pylist(rows, schema=CALIBRATION), part=0)
    return Counts(len(rows), len(rows))


def _read_rewards(work: Work, model: Reward, part: int | None) -> pl.DataFrame:
    """Return the rewards of one part with the source of their prompts."""
    rewards = work.read(model.table, ["response_id", model.column], part=part)
    responses = work.read("responses", ["response_id", "prompt_id"], part=part)
    prompts = work.read("prompts", ["prompt_id", "source"], part=part)
    return (
        responses.join(prompts, on="prompt_id")
        .join(rewards, on="response_id")
        .select("response_id", "source", reward=pl.col(model.column).cast(pl.Float64))
    )


def _votes(chosen: Values, rejected: Values, dtype: str) -> Values:
    """Return 1 if the model agrees with the label, 0 if not, 0.5 for a tie, NaN without rewards."""
    margin = chosen - rejected
    step = rounding_step(np.maximum(np.abs(chosen), np.abs(rejected)), dtype)
    agrees = np.where(margin > 0, 1.0, 0.0)
    with_ties = np.where(np.abs(margin) <= step, 0.5, agrees)
    return np.where(np.isnan(margin), np.nan, with_ties)


def combine_models(votes: Values, margins: Values) -> tuple[Values, Values, Values]:
    """Combine the votes and margins of several models.

    Args:
        votes: 1 for the label, 0 against it, 0.5 for a tie, or NaN; shape (models, pairs).
        margins: Standardized margins, NaN if the model has no reward; shape (models, pairs).

    Returns:
        The mean of the votes, and the mean and the standard deviation of the margins, ignoring NaN;
        shape (pairs,) each; NaN for a pair without values.
    """
    return (_mean(votes), *_mean_and_std(margins))


def _mean(values: Values) -> Values:
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _mean_and_std(values: Values) -> tuple[Values, Values]:
    mean = _mean(values)
    return mean, np.sqrt(_mean((values - mean) ** 2))


def _standardize(rewards: pl.DataFrame, calibration: pl.DataFrame) -> pl.DataFrame:
    """Add ``scaled``, the standardized reward in its source, and ``percentile``."""
    frames: list[pl.DataFrame] = [
        rewards.clear().with_columns(scaled=pl.lit(0.0), percentile=pl.lit(0.0))
    ]
    for source, offset, scale, quantiles in calibration.select(
        "source", "offset", "scale", "quantiles"
    ).iter_rows():
        of_source = rewards.filter(pl.col("source") == source)
        values, grid = of_source["reward"].to_numpy(), np.array(quantiles)
        left, right = (np.searchsorted(grid, values, side) for side in ("left", "right"))
        percentile = (left + np.maximum(right - 1, left)) / 2 / (len(grid) - 1)
        percentile = np.where(np.isnan(values), np.nan, np.clip(percentile, 0, 1))
        scaled = (values - offset) / scale if scale > 0 else np.full(len(values), np.nan)
        frames.append(
            of_source.with_columns(
                pl.Series("scaled", scaled, nan_to_null=True),
                pl.Series("percentile", percentile, nan_to_null=True),
            )
        )
    return pl.concat(frames)
