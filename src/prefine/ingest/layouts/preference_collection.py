"""Preference-Collection and Preference-Bench: two responses compared by a criterion per row."""

from typing import ClassVar, Literal

from prefine.ingest.labels import named_winner, pair_label, rating_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of, response_of
from prefine.ingest.record import Candidate, Record
from prefine.ingest.values import optional, required
from prefine.settings.json import Json


class PreferenceCollection(Layout):
    """Preference-Collection and Preference-Bench: two responses with ``orig_preference``.

    The scores of both are ratings, and the criterion is kept with the prompt.
    """

    reads_beside: ClassVar = ("input", "messages")  # the prompt of the judge
    keys: ClassVar = ("orig_instruction", "orig_response_A", "orig_response_B", "orig_preference")
    because: ClassVar = "`orig_response_A`, `orig_response_B` and `orig_preference`"

    format: Literal["preference_collection"] = "preference_collection"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse the original instruction and responses, not the judge's prompt."""
        names = [f"orig_response_{side}" for side in "AB"]
        raw = required(row, "orig_preference")
        scores = [
            rating_label(index, row[key], "overall")
            for index, key in enumerate(("orig_score_A", "orig_score_B"))
            if row.get(key) is not None
        ]
        criteria = optional(row, "orig_criteria")
        return Record(
            prompt_of(required(row, "orig_instruction"), "orig_instruction"),
            [Candidate(response_of(row.get(name), name)) for name in names],
            [pair_label(named_winner(raw, "orig_preference"), label=str(raw)), *scores],
            meta=None if criteria is None else {"criteria": criteria},
        )
