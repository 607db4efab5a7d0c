"""Rewards of responses by a reward model, and margins of pairs.

A response is scored once however many pairs hold it; a conversation is not truncated unless the
recipe says so, and then the reason says it.
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
    rewards_of,
    score_missing,
    tokenised,
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
    """What all ways of asking a reward model share: one raw reward a response, margins of pairs.

    A subclass says which model scores (``open``), and all else follows.
    """

    version: ClassVar[int] = 3
    rows_per_piece: ClassVar[int] = 256
    """Rewards that are kept together while a shard is scored; a server's are after each reply."""

    name: Name = "reward"
    weights: Weights
    """The reward model; its tokenizer and chat template come with it."""
    template: str | None = None
    """A chat template (Jinja) to use instead of the model's own."""
    max_tokens: int = Field(default=16_384, ge=8)
    """How long a conversation may be."""
    over_long: Literal["hold", "flag_and_cut", "error"] = "hold"
    """What is done with a longer one: no reward and the reason ``too_long``; a reward of its last
    tokens and the reason ``cut``; or an error that names it."""
    heads: tuple[Name, ...] = ()
    """A name for each output of a model that has several; each becomes the reward ``NAME_HEAD``."""
    dtype: FloatType = "float32"
    """The type in which the model computes; margins within one step of it are ties."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.heads)) < len(self.heads):
            raise ValueError("two heads have the same name")
        return self

    @property
    def rewards_table(self) -> str:
        """The table of the rewards, one row a response."""
        return f"reward_{self.name}"

    @property
    def num_heads(self) -> int:
        """How many outputs the model has."""
        return max(1, len(self.heads))

    def rewards(self) -> tuple[Reward, ...]:
        """Return the rewards that this measure gives a response, in the model's order."""
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
                *sides(reward.name, pa.float64(), "raw reward"),
                Column(
                    f"{reward.name}_margin",
                    pa.float64(),
                    "reward of chosen minus rejected",
                    Flip.NEGATE,
                ),
            )
        )
        return (
            *rewards,
            Column(
                f"{name}_reason",
                pa.large_string(),
                "too_long, template_refused: there is no margin; cut: it is that of cut texts; "
                "else null",
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
        """Return the schema of the rewards: raw logits, and the reason why there are none."""
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
        """Return the model, ready to score; note in the manifest what is known of it."""

    def keeps(self, conversations: Conversations) -> Conversations:
        """Return those of some conversations that ``check`` will read; none by default."""
        return {}

    def check(self, conversations: Conversations, journal: ValueJournal) -> None:
        """Compare the scores of kept conversations with a reference."""

    def run_rewards(self, work: Work) -> Counts:
        """Score all responses of a shard; those that an interrupted attempt scored are kept.

        Raises:
            DataError: A conversation is too long and the recipe wants an error.
            RecipeError: The model has another number of heads than the recipe names.
        """
        from prefine.serve.chat import chat_for

        chat = chat_for(work.model(self.weights), self.template)
        work.notes["chat"] = chat.facts()
        model = self.open(work)
        journal = ValueJournal(work, self.rows_per_piece)
        limit = Limit(self.max_tokens, self.over_long)
        responses = with_prompts(work)
        work.expect(responses.height)
        kept: Conversations = {}
        for conversations in tokenised(responses, chat, limit):
            score_missing(conversations, model, journal, limit)
            work.emit(self.rewards_table, rewards_of(conversations, journal, limit, self.rewards()))
            kept = self.keeps(kept | conversations)
        self.check(kept, journal)
        return Counts(responses.height, responses.height)

    def run(self, work: Work) -> Counts:
        """Lay the rewards beside the pairs of a shard."""
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
