"""TRL unpaired preference format: single completions with a thumbs up or down."""

from typing import ClassVar, Literal

from prefine.ingest.aliases import PROMPTS, prompt_column, read_prompt
from prefine.ingest.labels import thumb_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import response_of
from prefine.ingest.pairs import group_of
from prefine.ingest.record import Candidate, Reason, Record, RowError
from prefine.ingest.values import optional
from prefine.settings.json import Json

_NAMES = (("completion", "label"), ("output", "kto_tag"), ("response", "kto_tag"))
"""Columns with a response and its thumb, of TRL and of LLaMA-Factory's Alpaca format."""


class TrlUnpaired(Layout):
    """TRL unpaired preference format (KTO): ``label`` of a ``completion`` is a thumbs up or down.

    LLaMA-Factory's Alpaca format with ``kto_tag`` also has this layout.
    """

    aspects: ClassVar = ("thumb",)

    format: Literal["trl_unpaired"] = "trl_unpaired"
    """Name of the layout."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect one response with a thumb, and a prompt under any known name."""
        response = next((names for names in _NAMES if set(names) <= row.keys()), None)
        if response is None or not row.keys() & set(PROMPTS):
            return None
        return f"`{response[0]}` and `{response[1]}`, one response per row"

    def parse(self, row: Json, context: Context) -> Record:
        """Parse one response with its thumb."""
        column = prompt_column(row)
        if column is None:
            raise RowError(Reason.PROMPT_EMPTY, "no column with a known name has a prompt")
        prompt = read_prompt(row, column)
        response, thumb = next((n for n in _NAMES if set(n) <= row.keys()), _NAMES[0])
        turns = response_of(row.get(response), response)
        candidate = Candidate(turns, optional(row, "model"))
        return Record(
            prompt, [candidate], [thumb_label(row.get(thumb), thumb)], group=group_of(row)
        )
