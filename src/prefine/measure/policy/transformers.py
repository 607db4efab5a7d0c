"""How likely the policy finds responses, and by how much it prefers the chosen ones.

A response is read once however many pairs hold it, and none is truncated.
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
from prefine.tables.conversations import conversations, fitting, tokenised
from prefine.tables.texts import beside


class PolicyLikelihood(Measure):
    """How likely the policy finds both responses.

    Where a ``ches/transformers`` of the same model is measured too, both come from one pass.
    """

    version: ClassVar[int] = 3

    kind: Literal["policy/transformers"]
    name: Name = "policy"
    weights: Weights
    """The policy at the start of preference tuning."""
    template: str | None = None
    """A chat template (Jinja) to use instead of the model's own."""
    dtype: FloatType = "float32"
    max_tokens: int = Field(default=16_384, ge=8)
    """A longer prompt and response gets no values and the reason ``too_long``."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name = self.name
        return (
            *sides(f"{name}_logp", pa.float64(), "log-probability in nats, summed over the tokens"),
            *sides(
                f"{name}_tokens", pa.int64(), "number of tokens, the end included", within=COUNT
            ),
            *sides(f"{name}_entropy", pa.float64(), "mean next-token entropy in nats"),
            Column(
                f"{name}_logp_margin",
                pa.float64(),
                "log-probability of chosen minus that of rejected, in nats",
                Flip.NEGATE,
            ),
            Column(
                f"{name}_reason",
                pa.large_string(),
                "why there are no values: too_long, template_refused; else null",
            ),
        )

    @property
    def _table_of_likelihoods(self) -> str:
        return f"policy_{self.name}"

    def reads(self, recipe: RecipeView) -> tuple[str, ...]:
        """Return the tables that are read."""
        return ("pairs", self._table_of_likelihoods)

    def likelihoods(self) -> tuple[ForwardPass, str] | None:
        """Return the pass that the likelihoods can be read in, and the table for them."""
        forward = ForwardPass(self.weights.key, self.template, self.dtype, self.max_tokens)
        return forward, self._table_of_likelihoods

    def helpers(self, recipe: RecipeView) -> Iterator[StepSpec]:
        """Yield the step that reads likelihoods, unless another measure's pass gives them."""
        if any(self._table_of_likelihoods in other.writes(recipe) for other in recipe.measures):
            return
        yield StepSpec(
            name=self._table_of_likelihoods,
            version=self.version,
            run=self.run_likelihoods,
            reads=("pairs", "prompts", "responses"),
            writes={self._table_of_likelihoods: LIKELIHOODS},
            config=self.identity(recipe.inputs),
            uses="model",
            needs=(Need("local", self.kind_name()),),
            rows_of="pairs",
        )

    def run_likelihoods(self, work: Work) -> Counts:
        """Read all responses that stand in pairs of a shard."""
        from prefine.serve.chat import chat_for
        from prefine.serve.local.hidden import LocalHiddenStates

        chat = chat_for(work.model(self.weights), self.template)
        work.notes["chat"] = chat.facts()
        model = LocalHiddenStates(
            work.model(self.weights), work.runtime, dtype=self.dtype, likelihoods=True
        )
        work.expect(work.read("pairs", ["pair_id"]).height)
        count = 0
        for pairs in conversations(work):
            ids = tokenised(pairs, chat)
            fits = fitting(ids, self.max_tokens)
            reading = model.read(list(fits.values()))
            work.emit(self._table_of_likelihoods, likelihoods(ids, list(fits), reading))
            count += pairs.height
            work.progress(pairs.height)
        return Counts(count, count)

    def run(self, work: Work) -> Counts:
        """Lay the values of both responses beside the pairs of a shard."""
        name = self.name
        pairs = work.read("pairs", ["pair_id", "chosen_id", "rejected_id"])
        stems = {
            "logp": f"{name}_logp",
            "num_tokens": f"{name}_tokens",
            "entropy": f"{name}_entropy",
        }
        read = work.read(self._table_of_likelihoods).rename(stems)
        result = beside(pairs, read, *stems.values(), "reason").with_columns(
            (pl.col(f"chosen_{name}_logp") - pl.col(f"rejected_{name}_logp")).alias(
                f"{name}_logp_margin"
            ),
            pl.coalesce("chosen_reason", "rejected_reason").alias(f"{name}_reason"),
        )
        work.emit(self.table, result)
        return Counts(pairs.height, result.height)
