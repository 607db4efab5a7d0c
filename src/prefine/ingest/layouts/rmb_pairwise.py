"""RMB pairwise data set: a chosen and a rejected answer of named models."""

from typing import ClassVar, Literal

from prefine.ingest.labels import pair_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import messages
from prefine.ingest.pairs import named_candidate
from prefine.ingest.record import Record
from prefine.ingest.values import optional, required
from prefine.schema import Winner
from prefine.settings.json import Json


class RmbPairwise(Layout):
    """RMB pairwise: a ``chosen`` and a ``reject`` answer of named models."""

    keys: ClassVar = ("conversation_input", "chosen", "reject")
    because: ClassVar = "`conversation_input` with `chosen` and `reject`"

    format: Literal["rmb_pairwise"] = "rmb_pairwise"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse a pair of answers with their models."""
        prompt = messages(required(row, "conversation_input"), "conversation_input")
        candidates = [named_candidate(required(row, side), side) for side in ("chosen", "reject")]
        labels = [pair_label(Winner.A, label="chosen")]
        return Record(prompt, candidates, labels, group=optional(row, "category_path"))
