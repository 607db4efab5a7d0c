"""OpenAI data for preference fine-tuning: an input, a preferred and a non-preferred output."""

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar, Literal

from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import messages, response_of
from prefine.ingest.pairs import pair_record
from prefine.ingest.record import Record
from prefine.ingest.tools import tools_of
from prefine.ingest.values import item_object, required
from prefine.settings.json import Json, is_object


class OpenAiDpo(Layout):
    """OpenAI preference fine-tuning: ``preferred_output`` and ``non_preferred_output``."""

    reads_beside: ClassVar = ("input", "messages", "tools")
    keys: ClassVar = ("input", "preferred_output", "non_preferred_output")
    because: ClassVar = "`input`, `preferred_output` and `non_preferred_output`"
    aspects: ClassVar = ("overall",)

    format: Literal["openai_dpo"] = "openai_dpo"
    """Name of the layout."""

    def prompt_objects(self, row: Json) -> Iterable[Json]:
        """Return the input, which may contain more than messages and tools."""
        task = row.get("input")
        return (task,) if is_object(task) else ()

    def parse(self, row: Json, context: Context) -> Record:
        """Parse the messages and tools of the input, and both outputs."""
        task = item_object(required(row, "input"), "input")
        prompt = messages(task.get("messages"), "input.messages")
        sides = (
            response_of(row.get(key), key) for key in ("preferred_output", "non_preferred_output")
        )
        record = pair_record(row, prompt, *sides)
        return replace(record, tools=tools_of(task.get("tools"), "input.tools"))
