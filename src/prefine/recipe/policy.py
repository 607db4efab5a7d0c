"""What the policy itself says of a pair: CHES, and how likely it finds both responses.

What comes in: entries of a recipe's ``measures``. What goes out: frozen settings and their columns.
What never happens: a threshold; those live in rules.
"""

from typing import Literal

import pyarrow as pa
from pydantic import Field

from prefine.recipe.base import Name, Part
from prefine.recipe.models import FloatType, Weights
from prefine.schema import Column, Flip
from prefine.schema.columns import sides

_F64 = pa.float64()
_TEXT = pa.large_string()


class _ChesPart(Part):
    """What both ways of measuring CHES share."""

    name: Name = "ches"
    weights: Weights
    """The policy at the start of preference tuning."""
    template: str | None = None
    """A chat template (Jinja) to use instead of the model's own."""
    max_tokens: int = Field(default=16_384, ge=8)
    """A pair with a longer side gets no score and the reason ``too_long``; nothing is cut."""
    store: Literal["float16", "float32"] | None = None
    """Keep each response's mean hidden state and its number of states, in this precision, as the
    table ``sums_NAME``: for work across pairs."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name = self.name
        return (
            *_both_ways(name, "centered hidden embedding similarity; higher displaces more"),
            *_both_ways(f"{name}_normalized", "the same, divided by the lengths in tokens"),
            *_both_ways(f"{name}_ln_div", "the last, from the first differing token on"),
            Column(f"{name}_shared_tokens", pa.int64(), "first tokens that both responses share"),
            Column(f"{name}_reason", _TEXT, "why there is no score: too_long; else null"),
        )


class TransformersChes(_ChesPart):
    """CHES of each pair in the hidden space of the policy, which transformers runs in process."""

    kind: Literal["ches/transformers"]
    dtype: FloatType = "float32"


class VllmChes(_ChesPart):
    """The same from vLLM servers that give the hidden states of all tokens."""

    kind: Literal["ches/vllm"]
    served_model: str
    """The name under which the server serves the model; another answer is an error."""
    dtype: FloatType = "bfloat16"
    """The type in which the server computes."""


Ches = TransformersChes | VllmChes


class PolicyLikelihood(Part):
    """How likely the policy finds both responses.

    Where a ``ches/transformers`` of the same model is measured too, both come from one pass.
    """

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
            *sides(f"{name}_logp", _F64, "log-probability in nats, summed over the tokens"),
            *sides(f"{name}_tokens", pa.int64(), "number of tokens, the end included"),
            *sides(f"{name}_entropy", _F64, "mean next-token entropy in nats"),
            Column(
                f"{name}_logp_margin",
                _F64,
                "log-probability of chosen minus that of rejected, in nats",
                Flip.NEGATE,
            ),
            Column(f"{name}_reason", _TEXT, "why there are no values: too_long; else null"),
        )

    def shares_pass_with(self, other: Part) -> bool:
        """Tell whether another measure runs the same model on the same tokens."""
        return isinstance(other, TransformersChes) and (
            (other.weights, other.template, other.dtype, other.max_tokens)
            == (self.weights, self.template, self.dtype, self.max_tokens)
        )


def _both_ways(name: str, about: str) -> tuple[Column, Column]:
    reverse = f"{name}_reversed"
    return (
        Column(name, _F64, about, Flip.SWAP, reverse),
        Column(reverse, _F64, f"{name} of the swapped pair", Flip.SWAP, name),
    )
