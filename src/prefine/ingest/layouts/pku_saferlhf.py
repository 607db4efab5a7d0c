"""PKU-SafeRLHF: two responses, of which one is better and one is safer."""

from typing import ClassVar, Literal

from prefine.ingest.labels import pair_label, winner_of
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of, response_of
from prefine.ingest.record import Candidate, Reason, Record, RowError
from prefine.ingest.values import facts_of, optional, required
from prefine.schema import Winner
from prefine.settings.json import Json

_WINNERS = {0: Winner.A, 1: Winner.B}
_ASPECTS = {"better": "better_response_id", "safer": "safer_response_id"}
_FACTS = ("is_response_{}_safe", "response_{}_severity_level", "response_{}_harm_category")


class PkuSafeRlhf(Layout):
    """PKU-SafeRLHF: two responses with labels on the aspects ``better`` and ``safer``.

    The labels may disagree; set ``pairs.aspect`` to the one that determines the chosen response.
    """

    keys: ClassVar = ("prompt", "response_0", "response_1", "better_response_id")
    because: ClassVar = "`response_0`, `response_1` and `better_response_id`"
    aspects: ClassVar = tuple(_ASPECTS)

    format: Literal["pku_saferlhf"] = "pku_saferlhf"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse both labels, on the aspects ``better`` and ``safer``."""
        candidates = [
            Candidate(
                response_of(row.get(f"response_{i}"), f"response_{i}"),
                optional(row, f"response_{i}_source"),
                _facts(row, i),
            )
            for i in (0, 1)
        ]
        labels = [
            pair_label(winner_of(row[key], _WINNERS, key), label=str(row[key]), aspect=aspect)
            for aspect, key in _ASPECTS.items()
            if row.get(key) is not None
        ]
        if not labels:
            names = " and ".join(f"`{key}`" for key in _ASPECTS.values())
            raise RowError(Reason.LABEL_MISSING, f"{names} are missing or null")
        prompt = prompt_of(required(row, "prompt"), "prompt")
        return Record(prompt, candidates, labels, group=optional(row, "prompt_source"))


def _facts(row: Json, side: int) -> Json | None:
    """Return the safety annotations of one response."""
    return facts_of(row, {name.replace("_{}", ""): name.format(side) for name in _FACTS})
