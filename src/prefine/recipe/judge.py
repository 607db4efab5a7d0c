"""A language model that compares two responses in words.

What comes in: an entry of a recipe's ``measures``. What goes out: frozen settings and their
columns. What never happens: a threshold; those live in rules.
"""

from typing import Annotated, Literal, Self

import pyarrow as pa
from pydantic import AfterValidator, Field, model_validator

from prefine.recipe.base import Name, Part
from prefine.recipe.models import FloatType, Weights
from prefine.schema import Column, Flip

_F64 = pa.float64()
MARKS = ("{principle}", "{conversation}", "{first}", "{second}")
"""What a wording must hold; each is replaced by what it names."""


def _marked(wording: str) -> str:
    missing = [mark for mark in MARKS if mark not in wording]
    if missing:
        raise ValueError(f"the wording lacks {', '.join(missing)}")
    return wording


class VllmJudge(Part):
    """A generative judge behind vLLM servers: every pair in both orders, A or B as the answer."""

    kind: Literal["judge/vllm"]
    name: Name = "judge"
    weights: Weights
    """The judge; its tokenizer says which tokens are the answers."""
    served_model: str
    """The name under which the server serves the model; another answer is an error."""
    dtype: FloatType = "bfloat16"
    """The type in which the server computes."""
    principle: str = (
        "The better response does what was asked, is true, and harms nobody; of two that are "
        "equal in this, the clearer one is better."
    )
    """What makes a response better, in words that the judge is told."""
    wording: Annotated[str, AfterValidator(_marked)] | None = None
    """The whole question, with ``{principle}``, ``{conversation}``, ``{first}`` and ``{second}``
    where they belong; null takes one of prefine's."""
    reasoning_tokens: int = Field(default=0, ge=0)
    """How long the judge may think aloud before it ends with ``Verdict: A`` or ``Verdict: B``; with
    0 it can say nothing but A or B."""
    samples: int = Field(default=1, ge=1, le=64)
    """Answers to each question."""
    temperature: float = Field(default=0.0, ge=0, le=2)
    max_tokens: int = Field(default=16_384, ge=8)
    """How long a question and its answer may be; a pair with a longer one is not judged."""

    @model_validator(mode="after")
    def _varied(self) -> Self:
        if self.samples > 1 and not self.temperature:
            raise ValueError("several samples are all alike at a temperature of 0; raise it")
        return self

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name = self.name
        return (
            Column(
                f"{name}_probability",
                _F64,
                "probability that chosen is better, the mean of both orders, in [0, 1]",
                Flip.COMPLEMENT,
            ),
            Column(
                f"{name}_position_bias",
                _F64,
                "half of what being shown first adds to that probability, in [-0.5, 0.5]",
            ),
            Column(
                f"{name}_position_consistent",
                pa.bool_(),
                "both orders name the same response as the better one",
            ),
            Column(
                f"{name}_self_consistency",
                _F64,
                "share of an order's answers that agree with most of them, the mean of both orders",
            ),
            Column(f"{name}_num_answers", pa.int64(), "answers that could be read, of both orders"),
            Column(
                f"{name}_reason",
                pa.large_string(),
                "why there is no probability: too_long, unparsable; else null",
            ),
        )
