"""Magpie DPO data sets: all samples of a policy with rewards of ArmoRM."""

from typing import ClassVar, Literal

from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of
from prefine.ingest.pairs import sampled_record
from prefine.ingest.record import Record
from prefine.ingest.values import nonempty_list, required
from prefine.settings.json import Json, is_object


class MagpieDpo(Layout):
    """Magpie DPO: all samples of a policy, rated with ``rewards_armorm``.

    A published pair (``chosen``, ``rejected``) is a further label.
    """

    keys: ClassVar = ("instruction", "responses", "rewards_armorm")
    because: ClassVar = "`instruction`, `responses` and `rewards_armorm`"
    aspects: ClassVar = ("overall",)

    format: Literal["magpie_dpo"] = "magpie_dpo"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse all samples with their rewards, and the published pair if there is one."""
        rewards = nonempty_list(row, "rewards_armorm")
        scores = [item.get("score") if is_object(item) else item for item in rewards]
        prompt = prompt_of(required(row, "instruction"), "instruction")
        return sampled_record(row, prompt, nonempty_list(row, "responses"), scores)
