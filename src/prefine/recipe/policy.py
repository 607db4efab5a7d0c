"""What the policy itself says of a pair: CHES.

What comes in: entries of a recipe's ``measures``. What goes out: frozen settings and their columns.
What never happens: a threshold; those live in rules.
"""

from typing import Literal

import pyarrow as pa
from pydantic import Field

from prefine.recipe.base import Name, Part
from prefine.recipe.models import Weights
from prefine.schema import Column, Flip

_F64 = pa.float64()
_TEXT = pa.large_string()


class Ches(Part):
    """CHES of each pair in the hidden space of the policy (``transformers``, in process)."""

    kind: Literal["ches/transformers"]
    name: Name = "ches"
    weights: Weights
    """The policy at the start of preference tuning."""
    template: str | None = None
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
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


def _both_ways(name: str, about: str) -> tuple[Column, Column]:
    reverse = f"{name}_reversed"
    return (
        Column(name, _F64, about, Flip.SWAP, reverse),
        Column(reverse, _F64, f"{name} of the swapped pair", Flip.SWAP, name),
    )
