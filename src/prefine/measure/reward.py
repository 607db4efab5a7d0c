"""Rewards of responses, and margins of pairs.

What comes in: responses with their prompts. What goes out: one raw reward a response, and per pair
the two rewards and their difference. What never happens: a response scored twice, a conversation
that is cut, a missing reward that looks like a number.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa

from prefine.errors import DataError
from prefine.measure.texts import beside
from prefine.recipe import Reward, VllmReward
from prefine.schema import Message
from prefine.step import Counts, Work

REWARDS = pa.schema(
    [
        pa.field("response_id", pa.large_string(), False),
        pa.field("reward", pa.float32()),
        pa.field("num_tokens", pa.int64(), False),
        pa.field("reason", pa.large_string()),
    ]
)
"""One row a response: its raw logit, or the reason why it has none."""

_CHUNK = 1024
"""Responses that are tokenised and scored before the next are read."""


def measure(work: Work, config: Reward) -> Counts:
    """Score all responses of a shard.

    Raises:
        DataError: The model has several heads, so that there is no one reward.
    """
    from prefine.serve.chat import chat_for
    from prefine.serve.reward import InProcessReward, RewardModel
    from prefine.serve.vllm import VllmServers

    chat = chat_for(config.weights, config.template)
    model: RewardModel
    if isinstance(config, VllmReward):
        model = servers = VllmServers(config, work.runtime)
        servers.check()
    else:
        model = InProcessReward(config, work.runtime)
    table = f"reward_{config.name}"
    count = 0
    for rows in _conversations(work).iter_slices(_CHUNK):
        conversations = [
            chat.conversation(cast("Sequence[Message]", [*asked, *said]))
            for asked, said in zip(rows["asked"], rows["messages"], strict=True)
        ]
        lengths = [len(ids) for ids in conversations]
        fits = [index for index, n in enumerate(lengths) if n <= config.max_tokens]
        scores = model.score([conversations[index] for index in fits])
        if scores.shape[1] != 1:
            text = f"{config.weights.model} has {scores.shape[1]} heads; one is supported"
            raise DataError(text)
        rewards = np.full(len(lengths), np.nan, np.float32)
        rewards[fits] = scores[:, 0]
        work.emit(table, _table(rows["response_id"], rewards, lengths))
        count += rows.height
        work.progress(rows.height)
    return Counts(count, count)


def _conversations(work: Work) -> pl.DataFrame:
    """Return all responses with their prompts, those of one prompt side by side."""
    prompts = work.read("prompts", ["prompt_id", "messages"]).rename({"messages": "asked"})
    responses = work.read("responses", ["response_id", "prompt_id", "messages"])
    return responses.join(prompts, on="prompt_id", how="left").sort("prompt_id", "response_id")


def _table(names: pl.Series, rewards: np.ndarray, lengths: list[int]) -> pl.DataFrame:
    frame = pl.DataFrame({"response_id": names, "reward": rewards, "num_tokens": lengths})
    return frame.with_columns(
        pl.col("reward").fill_nan(None),
        pl.when(pl.col("reward").is_nan()).then(pl.lit("too_long")).alias("reason"),
    )


def margins(work: Work, config: Reward) -> Counts:
    """Lay the rewards beside the pairs of a shard."""
    name = config.name
    pairs = work.read("pairs", ["pair_id", "chosen_id", "rejected_id"])
    rewards = work.read(f"reward_{name}", ["response_id", "reward", "reason"]).select(
        "response_id", "reason", pl.col("reward").cast(pl.Float64).alias(name)
    )
    result = beside(pairs, rewards, name, "reason").with_columns(
        (pl.col(f"chosen_{name}") - pl.col(f"rejected_{name}")).alias(f"{name}_margin"),
        pl.coalesce("chosen_reason", "rejected_reason").alias(f"{name}_reason"),
    )
    work.emit(f"measure_{name}", result)
    return Counts(pairs.height, result.height)
