"""OpenAI's data for preference fine-tuning: an input, a preferred and another output."""

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
    """``input`` with ``messages``, ``preferred_output`` and ``non_preferred_output``."""

    reads_beside: ClassVar = ("input", "messages", "tools")
    keys: ClassVar = ("input", "preferred_output", "non_preferred_output")
    because: ClassVar = "`input`, `preferred_output` and `non_preferred_output`"
    aspects: ClassVar = ("overall",)

    format: Literal["openai_dpo"] = "openai_dpo"

    def prompt_objects(self, row: Json) -> Iterable[Json]:
        """Return the input, which may hold more than messages and tools."""
        asked = row.get("input")
        return (asked,) if is_object(asked) else ()

    def parse(self, row: Json, context: Context) -> Record:
        """Read the messages and the tools of the input, and both outputs."""
        asked = item_object(required(row, "input"), "input")
        prompt = messages(asked.get("messages"), "input.messages")
        sides = (
            response_of(row.get(key), key) for key in ("preferred_output", "non_preferred_output")
        )
        record = pair_record(row, prompt, *sides)
        return replace(record, tools=tools_of(asked.get("tools"), "input.tools"))
