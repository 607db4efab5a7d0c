"""On-policy sets: all samples of a policy beside their rewards."""

from typing import ClassVar, Literal

from prefine.ingest.labels import rating_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of, response_of
from prefine.ingest.pairs import SIDES, group_of
from prefine.ingest.record import Candidate, Label, Reason, Record, RowError
from prefine.ingest.values import nonempty_list, required
from prefine.schema import Kind, Winner
from prefine.settings.json import Json


class OnPolicy(Layout):
    """``all_generated_responses`` and ``all_rm_scores``, often with the pair made of them."""

    keys: ClassVar = ("all_generated_responses", "all_rm_scores")
    because: ClassVar = "`all_generated_responses` and `all_rm_scores`"

    format: Literal["on_policy"] = "on_policy"

    def parse(self, row: Json, context: Context) -> Record:
        """Read all samples with their rewards, and the published pair where it is given."""
        responses = nonempty_list(row, "all_generated_responses")
        scores = nonempty_list(row, "all_rm_scores")
        if len(responses) != len(scores):
            raise RowError(Reason.WRONG_TYPE, "responses and scores differ in number")
        candidates = [Candidate(response_of(r, "all_generated_responses")) for r in responses]
        labels = [rating_label(i, score, "overall") for i, score in enumerate(scores)]
        if row.get("chosen") is not None and row.get("rejected") is not None:
            labels.append(_published_pair(row, candidates))
        prompt = prompt_of(required(row, "prompt"), "prompt")
        return Record(prompt, candidates, labels, group=group_of(row))


def _published_pair(row: Json, candidates: list[Candidate]) -> Label:
    """Label the published pair; a side that is not among the candidates is added to them."""
    indexes: list[int] = []
    for last_turn in [response_of(row[side], side)[-1:] for side in SIDES]:
        responses = [candidate.messages for candidate in candidates]
        if last_turn not in responses:
            candidates.append(Candidate(last_turn))
            responses.append(last_turn)
        indexes.append(responses.index(last_turn))
    winner, loser = indexes
    return Label(Kind.PAIR, winner, loser, Winner.A, label="chosen")
