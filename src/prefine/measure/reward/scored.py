"""The base class of measures that score responses with a reward model.

Each response is scored once however many pairs it is in.
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import polars as pl
import pyarrow as pa
from pydantic import Field, model_validator

from prefine.measure.base import Measure, RecipeView
from prefine.measure.reward.scoring import (
    Conversations,
    Limit,
    reward_rows,
    score_missing,
    tokenize_chunks,
    with_prompts,
)
from prefine.schema import Column, Flip
from prefine.schema.columns import sides
from prefine.settings import FloatType, Name, Need, Weights
from prefine.step import Counts, StepSpec, ValueJournal, Work
from prefine.tables.rewards import Reward
from prefine.tables.texts import join_sides

if TYPE_CHECKING:
    from prefine.serve.scores import RewardModel


class ScoredReward(Measure):
    """The base of the reward measures: one raw reward per response, and the margin of each pair.

    A subclass returns the model that scores (``open``).
    """

    version: ClassVar[int] = 3
    rows_per_piece: ClassVar[int] = 256
    """Rewards in one piece of the journal of a shard."""

    name: Name = "reward"
    """Name of the reward, used in the names of its columns."""
    weights: Weights
    """The reward model, with its tokenizer and chat template."""
    template: str | None = None
    """A chat template (Jinja) to use instead of the model's own."""
    max_tokens: int = Field(default=16_384, ge=8)
    """Maximum number of tokens of a conversation: prompt and response."""
    over_long: Literal["hold", "flag_and_cut", "error"] = "hold"
    """What to do with a longer conversation: ``hold`` gives no reward and the reason ``too_long``,
    ``flag_and_cut`` scores its last tokens and gives the reason ``cut``, ``error`` stops."""
    heads: tuple[Name, ...] = ()
    """Names of the outputs of a model with several; each becomes the reward ``NAME_HEAD``."""
    dtype: FloatType = "float32"
    """The floating-point type in which the model computes; margins of at most one of its rounding
    steps count as ties in ``reward/agreement``."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.heads)) < len(self.heads):
            raise ValueError(f"`heads` has a name twice: {', '.join(self.heads)}")
        return self

    @property
    def rewards_table(self) -> str:
        """The table of the rewards, one row per response."""
        return f"reward_{self.name}"

    @property
    def num_heads(self) -> int:
        """Number of outputs of the model."""
        return max(1, len(self.heads))

    def rewards(self) -> tuple[Reward, ...]:
        """Return the rewards of a response, in the order of the model's outputs."""
        if not self.heads:
            return (Reward(self.name, self.rewards_table, "reward", self.dtype),)
        return tuple(
            Reward(f"{self.name}_{head}", self.rewards_table, f"reward_{head}", self.dtype)
            for head in self.heads
        )

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name = self.name
        rewards = (
            column
            for reward in self.rewards()
            for column in (
                *sides(reward.name, pa.float64(), "raw reward (logit)"),
                Column(
                    f"{reward.name}_margin",
                    pa.float64(),
                    "raw reward of chosen minus raw reward of rejected",
                    Flip.NEGATE,
                ),
            )
        )
        return (
            *rewards,
            Column(
                f"{name}_reason",
                pa.large_string(),
                "why there is no margin: too_long, template_refused; cut for the margin of "
                "truncated conversations; else null",
            ),
        )

    def reads(self, recipe: RecipeView) -> tuple[str, ...]:
        """Return the tables that are read."""
        return ("pairs", self.rewards_table)

    def helpers(self, recipe: RecipeView) -> Iterator[StepSpec]:
        """Yield the step that scores responses."""
        served = self.server(recipe.inputs)
        yield StepSpec(
            name=self.rewards_table,
            version=self.version,
            run=self.run_rewards,
            reads=("prompts", "responses"),
            writes={self.rewards_table: self._schema()},
            config=self.identity(recipe.inputs),
            uses="model",
            rows_of="responses",
            rows_to=self.rewards_table,
            server=None if served is None else served.name,
            needs=self.model_needs(),
        )

    def model_needs(self) -> tuple[Need, ...]:
        """Return the extras that scoring needs; a tokenizer by default."""
        return (Need("tokenizer", self.kind_name()),)

    def _schema(self) -> pa.Schema:
        """Return the schema of the rewards: raw logits, or the reason why there are none."""
        return pa.schema(
            [
                pa.field("response_id", pa.large_string(), False),
                *(pa.field(reward.column, pa.float32()) for reward in self.rewards()),
                pa.field("num_tokens", pa.int64()),
                pa.field("reason", pa.large_string()),
            ]
        )

    @abstractmethod
    def open(self, work: Work) -> "RewardModel":
        """Load or connect to the model, and record its properties in the manifest."""

    def select_checked(self, conversations: Conversations) -> Conversations:
        """Return the conversations that ``check`` compares; none by default."""
        return {}

    def check(self, conversations: Conversations, journal: ValueJournal) -> None:
        """Compare the scores of the selected conversations with a reference model."""

    def run_rewards(self, work: Work) -> Counts:
        """Score all responses of a shard, and reuse the scores of an interrupted attempt.

        Raises:
            DataError: A conversation is too long and ``over_long`` is ``error``.
            RecipeError: The number of the model's outputs differs from the number of ``heads``.
        """
        from prefine.serve.chat import chat_for

        chat = chat_for(work.model(self.weights), self.template)
        work.notes["chat"] = chat.facts()
        model = self.open(work)
        journal = ValueJournal(work, self.rows_per_piece)
        limit = Limit(self.max_tokens, self.over_long)
        responses = with_prompts(work)
        work.expect(responses.height)
        checked: Conversations = {}
        for conversations in tokenize_chunks(responses, chat, limit):
            score_missing(conversations, model, journal, limit)
            rows = reward_rows(conversations, journal, limit, self.rewards())
            work.emit(self.rewards_table, rows)
            checked = self.select_checked(checked | conversations)
        self.check(checked, journal)
        return Counts(responses.height, responses.height)

    def run(self, work: Work) -> Counts:
        """Join the rewards to the pairs of a shard."""
        name, rewards = self.name, self.rewards()
        pairs = work.read("pairs", ["pair_id", "chosen_id", "rejected_id"])
        read = work.read(self.rewards_table).select(
            "response_id",
            "reason",
            *(pl.col(r.column).cast(pl.Float64).alias(r.name) for r in rewards),
        )
        result = join_sides(pairs, read, *(r.name for r in rewards), "reason").with_columns(
            *(
                (pl.col(f"chosen_{r.name}") - pl.col(f"rejected_{r.name}")).alias(
                    f"{r.name}_margin"
                )
                for r in rewards
            ),
            pl.coalesce("chosen_reason", "rejected_reason").alias(f"{name}_reason"),
        )
        work.emit(self.table, result)
        return Counts(pairs.height, result.height)
