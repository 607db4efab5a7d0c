"""Descriptions of stored response rewards."""

from typing import NamedTuple

from prefine.settings import FloatType


class Reward(NamedTuple):
    """One reward of every response."""

    name: str
    """The name of the reward in rules, ``pairs`` and ``reward/agreement``."""
    table: str
    """The table with the reward, one row per response."""
    column: str
    """The column of the reward in the table."""
    dtype: FloatType
    """The floating-point type in which the model computes it."""
