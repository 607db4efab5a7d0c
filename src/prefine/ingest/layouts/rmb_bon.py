"""RMB best-of-n data set: the best answer and all other answers."""

from typing import ClassVar, Literal

from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import messages
from prefine.ingest.pairs import named_candidate
from prefine.ingest.record import Label, Record
from prefine.ingest.values import nonempty_list, optional, required
from prefine.schema import Kind, Winner
from prefine.settings.json import Json


class RmbBon(Layout):
    """RMB best-of-n: ``bon_best`` wins against each answer of ``loser_list``."""

    version: ClassVar = 2
    keys: ClassVar = ("conversation_input", "bon_best", "loser_list")
    because: ClassVar = "`bon_best` against `loser_list`"

    format: Literal["rmb_bon"] = "rmb_bon"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse the best answer as better than each other answer."""
        best, losers = required(row, "bon_best"), nonempty_list(row, "loser_list")
        prompt = messages(required(row, "conversation_input"), "conversation_input")
        candidates = [named_candidate(value, "loser_list") for value in [best, *losers]]
        labels = [
            Label(Kind.PAIR, 0, index, Winner.A, label="bon_best")
            for index in range(1, len(candidates))
        ]
        return Record(prompt, candidates, labels, group=optional(row, "category_path"))
