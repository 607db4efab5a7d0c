"""RewardBench 2: lists of correct and incorrect responses."""

from typing import ClassVar, Literal

from prefine.ingest.layout import Context, Layout
from prefine.ingest.pairs import SIDES, listed_pairs
from prefine.ingest.record import Record
from prefine.ingest.values import nonempty_list
from prefine.settings.json import Json


class RewardBench2(Layout):
    """RewardBench 2: lists ``chosen`` and ``rejected``; each chosen wins against each rejected."""

    version: ClassVar = 2
    keys: ClassVar = ("prompt", "chosen", "rejected", "num_correct", "total_completions")
    because: ClassVar = "lists `chosen` and `rejected`, with `num_correct` and `total_completions`"

    format: Literal["reward_bench_2"] = "reward_bench_2"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse each correct response as better than each incorrect one."""
        correct, wrong = (nonempty_list(row, side) for side in SIDES)
        pairs = [(a, len(correct) + b) for a in range(len(correct)) for b in range(len(wrong))]
        return listed_pairs(row, [*correct, *wrong], pairs)
