"""A target from outside the package: two rows per pair, one per response."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import polars as pl
import pyarrow as pa

from prefine.export.target import MESSAGES, Target
from prefine.schema import Column


class Thumbs(Target):
    """One response per row, with ``label`` true for the chosen one."""

    version: ClassVar[int] = 1
    rows_per_pair: ClassVar[int] = 2

    kind: Literal["thumbs"]

    def arrow_schema(self, facts: Mapping[str, Column]) -> pa.Schema:
        texts = [pa.field(name, MESSAGES, False) for name in ("prompt", "completion")]
        return pa.schema([*texts, pa.field("label", pa.bool_(), False)])

    def rows(self, pairs: pl.DataFrame) -> pl.DataFrame:
        numbered = pairs.with_row_index("_pair")
        sides = [
            numbered.select("_pair", "prompt", completion=side, label=pl.lit(side == "chosen"))
            for side in ("chosen", "rejected")
        ]
        return pl.concat(sides).sort("_pair", "label", descending=[False, True])

    def meanings(self) -> Mapping[str, str]:
        return {
            "prompt": "the conversation so far",
            "completion": "one response",
            "label": "whether it is the preferred one",
        }

    def summary(self) -> str:
        return "Each response has a row of its own, with `label` true for the preferred one"
