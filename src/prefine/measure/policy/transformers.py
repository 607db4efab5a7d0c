"""Log-probabilities of responses under the policy, and their margin.

Each response is scored once however many pairs it is in, and none is truncated.
"""

from collections.abc import Iterator
from typing import ClassVar, Literal

import polars as pl
import pyarrow as pa
from pydantic import Field

from prefine.measure.base import ForwardPass, Measure, RecipeView
from prefine.measure.policy.likelihoods import LIKELIHOODS, likelihoods
from prefine.schema import COUNT, Column, Flip
from prefine.schema.columns import sides
from prefine.settings import FloatType, Name, Need, Weights
from prefine.step import Counts, StepSpec, Work
from prefine.tables.conversations import read_conversations, tokenize_responses, within_limit
from prefine.tables.texts import join_sides


class PolicyLikelihood(Measure):
    """Log-probability and token entropy of both responses under the policy.

    Use it for implicit rewards and to find off-policy responses. Needs the policy's weights, which
    run in process; a ``ches/transformers`` measure of the same model shares its forward pass.
    """

    version: ClassVar[int] = 3

    kind: Literal["policy/transformers"]
    """Selects this measure."""
    name: Name = "policy"
    """Name of the measure, and part of the names of its columns."""
    weights: Weights
    """The policy at the start of preference tuning."""
    template: str | None = None
    """A chat template (Jinja) to use instead of the model's own."""
    dtype: FloatType = "float32"
    """The floating-point type in which the model computes."""
    max_tokens: int = Field(default=16_384, ge=8)
    """Maximum number of tokens of prompt and response; a longer one gets no values and the reason
    ``too_long``."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name = self.name
        return (
            *sides(
                f"{name}_logp",
                pa.float64(),
                "log-probability in nats, at most 0, summed over the tokens",
            ),
            *sides(
                f"{name}_tokens",
                pa.int64(),
                "number of tokens, including the end-of-turn token,",
                within=COUNT,
            ),
            *sides(
                f"{name}_entropy", pa.float64(), "mean next-token entropy (in nats, at least 0)"
            ),
            Column(
                f"{name}_logp_margin",
                pa.float64(),
                "log-probability of chosen minus log-probability of rejected, in nats",
                Flip.NEGATE,
            ),
            Column(
                f"{name}_reason",
                pa.large_string(),
                "why there are no values: too_long, template_refused; else null",
            ),
        )

    @property
    def _likelihoods_table(self) -> str:
        return f"policy_{self.name}"

    def reads(self, recipe: RecipeView) -> tuple[str, ...]:
        """Return the tables that are read."""
        return ("pairs", self._likelihoods_table)

    def likelihoods(self) -> tuple[ForwardPass, str] | None:
        """Return the forward pass that computes the log-probabilities, and their table."""
        forward = ForwardPass(self.weights.key, self.template, self.dtype, self.max_tokens)
        return forward, self._likelihoods_table

    def helpers(self, recipe: RecipeView) -> Iterator[StepSpec]:
        """Yield the step that computes log-probabilities, unless another measure's pass does."""
        if any(self._likelihoods_table in other.writes(recipe) for other in recipe.measures):
            return
        yield StepSpec(
            name=self._likelihoods_table,
            version=self.version,
            run=self.run_likelihoods,
            reads=("pairs", "prompts", "responses"),
            writes={self._likelihoods_table: LIKELIHOODS},
            config=self.identity(recipe.inputs),
            uses="model",
            needs=(Need("local", self.kind_name()),),
            rows_of="pairs",
        )

    def run_likelihoods(self, work: Work) -> Counts:
        """Compute the log-probabilities of all responses in the pairs of a shard."""
        from prefine.serve.chat import chat_for
        from prefine.serve.local.hidden import LocalHiddenStates

        chat = chat_for(work.model(self.weights), self.template)
        work.notes["chat"] = chat.facts()
        model = LocalHiddenStates(
            work.model(self.weights), work.runtime, dtype=self.dtype, likelihoods=True
        )
        work.expect(work.read("pairs", ["pair_id"]).height)
        count = 0
        for pairs in read_conversations(work):
            ids = tokenize_responses(pairs, chat)
            fitting = within_limit(ids, self.max_tokens)
            reading = model.read(list(fitting.values()))
            work.emit(self._likelihoods_table, likelihoods(ids, list(fitting), reading))
            count += pairs.height
            work.progress(pairs.height)
        return Counts(count, count)

    def run(self, work: Work) -> Counts:
        """Join the values of both responses to the pairs of a shard."""
        name = self.name
        pairs = work.read("pairs", ["pair_id", "chosen_id", "rejected_id"])
        stems = {
            "logp": f"{name}_logp",
            "num_tokens": f"{name}_tokens",
            "entropy": f"{name}_entropy",
        }
        read = work.read(self._likelihoods_table).rename(stems)
        result = join_sides(pairs, read, *stems.values(), "reason").with_columns(
            (pl.col(f"chosen_{name}_logp") - pl.col(f"rejected_{name}_logp")).alias(
                f"{name}_logp_margin"
            ),
            pl.coalesce("chosen_reason", "rejected_reason").alias(f"{name}_reason"),
        )
        work.emit(self.table, result)
        return Counts(pairs.height, result.height)
