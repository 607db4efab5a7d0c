"""Several reward models on one pair: how many side with its label, and by how much.

What comes in: raw rewards of responses by several models. What goes out: rewards on a scale that
models share, and the models' agreement about each pair. What never happens: a raw margin of one
model that is added to that of another; each is first put on its own scale, source by source.

The scale of a model in a source is the mean and the standard deviation of its rewards over the
distinct responses to the source's prompts. A margin is a tie when it is not larger than one step of
the type in which the model computed the reward: two runs of the model differ by as much.
"""

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from prefine.measure.texts import beside
from prefine.recipe import RewardAgreement, Scored
from prefine.step import Counts, Work

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


def calibrate(work: Work, config: RewardAgreement, models: tuple[Scored, ...]) -> Counts:
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
    table = pa.Table.from_pylist(rows, schema=CALIBRATION)
    work.emit(f"calibration_{config.name}", table, part=0)
    return Counts(table.num_rows, table.num_rows)


def _rewards(work: Work, model: Scored, part: int | None) -> pl.DataFrame:
    """Return the rewards of one part with the source of their prompts."""
    rewards = work.read(model.table, ["response_id", model.column], part=part)
    responses = work.read("responses", ["response_id", "prompt_id"], part=part)
    prompts = work.read("prompts", ["prompt_id", "source"], part=part)
    return (
        responses.join(prompts, on="prompt_id")
        .join(rewards, on="response_id")
        .select("response_id", "source", reward=pl.col(model.column).cast(pl.Float64))
    )


def measure(work: Work, config: RewardAgreement, models: tuple[Scored, ...]) -> Counts:
    """Compare the models on all pairs of a shard."""
    pairs = work.read("pairs", ["pair_id", "chosen_id", "rejected_id"])
    known = work.read(f"calibration_{config.name}", part=0)
    result = pairs.select("pair_id")
    sides: list[Values] = []
    scaled: list[Values] = []
    for model in models:
        rewards = _calibrated(_rewards(work, model, None), known.filter(model=model.name))
        found = beside(pairs, rewards, "reward", "scaled", "percentile")
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
    name = config.name
    result = result.with_columns(
        pl.Series(f"{name}_agreement", agreement, nan_to_null=True),
        pl.Series(f"{name}_margin_mean", mean, nan_to_null=True),
        pl.Series(f"{name}_margin_std", spread, nan_to_null=True),
    )
    work.emit(f"measure_{name}", result)
    return Counts(pairs.height, result.height)


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
