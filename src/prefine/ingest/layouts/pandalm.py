"""PandaLM test set: choices of several annotators between two responses."""

from typing import ClassVar, Literal

from prefine.ingest.labels import CHOICES, pair_label, winner_of
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of, response_of
from prefine.ingest.record import Candidate, Record
from prefine.ingest.values import optional, required, text
from prefine.settings.json import Json


class PandaLm(Layout):
    """PandaLM test set: two responses; each ``annotatorN`` is 0 (tie), 1 or 2."""

    reads_beside: ClassVar = ("input",)
    keys: ClassVar = ("response1", "response2", "annotator1", "cmp_key")
    because: ClassVar = "`response1`, `response2` and `annotator1`, ..."
    aspects: ClassVar = ("overall",)

    format: Literal["pandalm"] = "pandalm"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse the choice of each annotator: 0 (tie), 1 or 2."""
        instruction, context_text = required(row, "instruction"), optional(row, "input")
        instruction = text(instruction, "instruction")
        models = (optional(row, "cmp_key") or "").split("_")
        names = models if len(models) == 2 else [None, None]  # noqa: PLR2004 - MODEL_MODEL
        candidates = [
            Candidate(response_of(row.get(f"response{i + 1}"), f"response{i + 1}"), names[i])
            for i in (0, 1)
        ]
        labels = [
            pair_label(winner_of(row[key], CHOICES, key), label=str(row[key]), annotator=key)
            for key in sorted(row)
            if key.startswith("annotator")
        ]
        whole = f"{instruction}\n\n{context_text}" if context_text else instruction
        prompt = prompt_of(whole, "instruction")
        return Record(prompt, candidates, labels, group=optional(row, "motivation_app"))
