"""On-policy data sets: all samples of a policy with their rewards."""

from typing import ClassVar, Literal

from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of
from prefine.ingest.pairs import sampled_record
from prefine.ingest.record import Record
from prefine.ingest.values import nonempty_list, required
from prefine.settings.json import Json


class OnPolicy(Layout):
    """On-policy data (SimPO style): all samples of a policy, rated with ``all_rm_scores``.

    A published pair (``chosen``, ``rejected``) is a further label.
    """

    version: ClassVar = 2
    keys: ClassVar = ("all_generated_responses", "all_rm_scores")
    because: ClassVar = "`all_generated_responses` and `all_rm_scores`"

    format: Literal["on_policy"] = "on_policy"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse all samples with their rewards, and the published pair if there is one."""
        responses = nonempty_list(row, "all_generated_responses")
        scores = nonempty_list(row, "all_rm_scores")
        prompt = prompt_of(required(row, "prompt"), "prompt")
        return sampled_record(row, prompt, responses, scores)
