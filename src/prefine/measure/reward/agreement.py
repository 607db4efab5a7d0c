"""Several reward models on one pair: how many side with its label, and by how much.

Rewards are put on a scale that models share, each model's own in each source, before margins of
different models are averaged.

The scale of a model in a source is the mean and the standard deviation of its rewards over the
distinct responses to the source's prompts. A margin is a tie when it is not larger than one step of
the type in which the model computed the reward: two runs of the model differ by as much.
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
"""One row a model and source: mean and standard deviation of its rewards, and their quantiles."""

_GRID = np.linspace(0, 1, 1001)
_BITS = {"float32": 23, "float16": 10, "bfloat16": 7}
"""Explicit bits of the significand: a reward in [1, 2) has steps of 2 to the minus that."""

Values = npt.NDArray[np.float64]
_CALIBRATION_VERSION = 2


class RewardAgreement(Measure):
    """What several reward models say of one pair, each on its own scale."""

    kind: Literal["reward/agreement"]
    name: Name = "rewards"
    models: tuple[Name, ...] = Field(min_length=2)
    """Names of rewards of this recipe: of measures that score responses, or ``NAME_HEAD``."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name = self.name
        calibrated = (
            column
            for model in self.models
            for column in (
                *sides(
                    f"{model}_scaled", pa.float64(), "reward in standard deviations from the mean"
                ),
                *sides(
                    f"{model}_percentile",
                    pa.float64(),
                    "place among the source's rewards, in [0, 1],",
                    within=SHARE,
                ),
            )
        )
        return (
            *calibrated,
            Column(
                f"{name}_agreement",
                pa.float64(),
                "share of the reward models that side with the label; a tie counts half",
                Flip.COMPLEMENT,
            ),
            Column(
                f"{name}_margin_mean",
                pa.float64(),
                "mean margin, in standard deviations of each model's rewards in the source",
                Flip.NEGATE,
            ),
            Column(
                f"{name}_margin_std",
                pa.float64(),
                "standard deviation of those margins over models",
            ),
        )

    @property
    def _calibration(self) -> str:
        return f"calibration_{self.name}"

    def _compared(self, recipe: RecipeView) -> tuple[Reward, ...]:
        known = recipe.rewards
        return tuple(known[name] for name in self.models)

    def problems(self, recipe: RecipeView) -> Iterator[Problem]:
        """Yield which rewards do not exist, and which are named twice."""
        known = recipe.rewards
        for name in self.models:
            if name not in known:
                listed = ", ".join(known) or "none"
                text = f"no reward measure `{name}`; the response rewards are: {listed}"
                yield ("models",), text
        for name in sorted({name for name in self.models if self.models.count(name) > 1}):
            yield ("models",), f"`{name}` is named twice"

    def reads(self, recipe: RecipeView) -> tuple[str, ...]:
        """Return the tables that are read."""
        tables = (reward.table for reward in self._compared(recipe))
        return ("prompts", "responses", "pairs", self._calibration, *dict.fromkeys(tables))

    def helpers(self, recipe: RecipeView) -> Iterator[StepSpec]:
        """Yield the step that finds each reward's scale."""
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
        """Return ``run`` with the rewards that are compared: the recipe says where they are."""
        return partial(self.run, models=self._compared(recipe))

    def run(self, work: Work, models: tuple[Reward, ...] = ()) -> Counts:
        """Compare the models on all pairs of a shard.

        Args:
            work: The shard.
            models: Their rewards, in the order of the settings.
        """
        pairs = work.read("pairs", ["pair_id", "chosen_id", "rejected_id"])
        known = work.read(self._calibration, part=0)
        result = pairs.select("pair_id")
        sides: list[Values] = []
        scaled: list[Values] = []
        for model in models:
            rewards = _calibrated(_rewards(work, model, None), known.filter(model=model.name))
            found = join_sides(pairs, rewards, "reward", "scaled", "percentile")
            chosen, rejected = (found[f"{s}_reward"].to_numpy() for s in ("chosen", "rejected"))
            sides.append(_side(chosen, rejected, model.dtype))
            scaled.append((found["chosen_scaled"] - found["rejected_scaled"]).to_numpy())
            names = {
                f"{side}_{kind}": f"{side}_{model.name}_{kind}"
                for side in ("chosen", "rejected")
                for kind in ("scaled", "percentile")
            }
            result = result.with_columns(found.select(names.keys()).rename(names))
        agreement, mean, spread = together(np.array(sides), np.array(scaled))
        name = self.name
        result = result.with_columns(
            pl.Series(f"{name}_agreement", agreement, nan_to_null=True),
            pl.Series(f"{name}_margin_mean", mean, nan_to_null=True),
            pl.Series(f"{name}_margin_std", spread, nan_to_null=True),
        )
        work.emit(self.table, result)
        return Counts(pairs.height, result.height)


def noise_floor(larger: Values, dtype: str) -> Values:
    """Return one step of a type at the magnitude of rewards.

    Args:
        larger: The larger magnitude of each couple of rewards.
        dtype: ``float32``, ``bfloat16`` or ``float16``.

    Source:
        IEEE 754: a value in [2^e, 2^(e+1)) has steps of 2^(e - bits). Published rewards of one
        model by two engines in bfloat16 differ by exactly one step (23.0 and 23.125).
    """
    exponent = np.floor(np.log2(np.maximum(larger, np.finfo(np.float32).tiny)))
    return np.exp2(exponent - _BITS[dtype])


def _run_calibration(work: Work, table: str, models: tuple[Reward, ...]) -> Counts:
    """Find each model's scale in each source, over the responses of all shards."""
    rows: list[dict[str, object]] = []
    for model in models:
        rewards = pl.concat(_rewards(work, model, part) for part in work.parts("responses"))
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


def _rewards(work: Work, model: Reward, part: int | None) -> pl.DataFrame:
    """Return the rewards of one part with the source of their prompts."""
    rewards = work.read(model.table, ["response_id", model.column], part=part)
    responses = work.read("responses", ["response_id", "prompt_id"], part=part)
    prompts = work.read("prompts", ["prompt_id", "source"], part=part)
    return (
        responses.join(prompts, on="prompt_id")
        .join(rewards, on="response_id")
        .select("response_id", "source", reward=pl.col(model.column).cast(pl.Float64))
    )


def _side(chosen: Values, rejected: Values, dtype: str) -> Values:
    """Return 1 where a model sides with the label, 0 against it, a half for a tie, else NaN."""
    margin = chosen - rejected
    floor = noise_floor(np.maximum(np.abs(chosen), np.abs(rejected)), dtype)
    decided = np.where(margin > 0, 1.0, 0.0)
    sided = np.where(np.abs(margin) <= floor, 0.5, decided)
    return np.where(np.isnan(margin), np.nan, sided)


def together(sides: Values, margins: Values) -> tuple[Values, Values, Values]:
    """Combine what several models say.

    Args:
        sides: 1, 0, a half or NaN, shape (models, pairs).
        margins: Margins on each model's own scale, NaN where it has none, shape (models, pairs).

    Returns:
        The share of models that side with the label (a tie counts half), and mean and standard
        deviation of the margins, each of shape (pairs,); NaN where no model says anything.
    """
    return (_mean(sides), *_mean_and_spread(margins))


def _mean(values: Values) -> Values:
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _mean_and_spread(values: Values) -> tuple[Values, Values]:
    mean = _mean(values)
    return mean, np.sqrt(_mean((values - mean) ** 2))


def _calibrated(rewards: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Add the rewards on the model's scale in their source, and their percentiles there."""
    found: list[pl.DataFrame] = [
        rewards.clear().with_columns(scaled=pl.lit(0.0), percentile=pl.lit(0.0))
    ]
    for source, offset, scale, quantiles in known.select(
        "source", "offset", "scale", "quantiles"
    ).iter_rows():
        mine = rewards.filter(pl.col("source") == source)
        values, grid = mine["reward"].to_numpy(), np.array(quantiles)
        below, upto = (np.searchsorted(grid, values, side) for side in ("left", "right"))
        percentile = (below + np.maximum(upto - 1, below)) / 2 / (len(grid) - 1)
        percentile = np.where(np.isnan(values), np.nan, np.clip(percentile, 0, 1))
        apart = (values - offset) / scale if scale > 0 else np.full(len(values), np.nan)
        found.append(
            mine.with_columns(
                pl.Series("scaled", apart, nan_to_null=True),
                pl.Series("percentile", percentile, nan_to_null=True),
            )
        )
    return pl.concat(found)
