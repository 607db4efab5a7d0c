"""On-policy sets: all samples of a policy beside their rewards."""

from typing import ClassVar, Literal

from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of
from prefine.ingest.pairs import sampled_record
from prefine.ingest.record import Record
from prefine.ingest.values import nonempty_list, required
from prefine.settings.json import Json


class OnPolicy(Layout):
    """``all_generated_responses`` and ``all_rm_scores``, often with the pair made of them."""

    version: ClassVar = 2
    keys: ClassVar = ("all_generated_responses", "all_rm_scores")
    because: ClassVar = "`all_generated_responses` and `all_rm_scores`"

    format: Literal["on_policy"] = "on_policy"

    def parse(self, row: Json, context: Context) -> Record:
        """Read all samples with their rewards, and the published pair where it is given."""
        responses = nonempty_list(row, "all_generated_responses")
        scores = nonempty_list(row, "all_rm_scores")
        prompt = prompt_of(required(row, "prompt"), "prompt")
        return sampled_record(row, prompt, responses, scores)
