"""Rewards of responses, as tables hold them."""

from typing import NamedTuple

from prefine.settings import FloatType


class Reward(NamedTuple):
    """One reward of every response."""

    name: str
    """What rules, pairs and comparisons call it."""
    table: str
    column: str
    dtype: FloatType
    """The type in which the model computes it."""
