"""NeMo-RL preference data: a context and ranked completions."""

from typing import ClassVar, Literal

from prefine.ingest.labels import rank_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of
from prefine.ingest.pairs import listed_candidate
from prefine.ingest.record import Candidate, Label, Record
from prefine.ingest.values import as_list, item_object, nonempty_list, optional, required
from prefine.settings.json import Json, is_object


class NemoRl(Layout):
    """NeMo-RL: a ``context`` of messages, and ``completions`` with a ``rank`` from 0 (best)."""

    reads_beside: ClassVar = ("context",)
    format: Literal["nemo_rl"] = "nemo_rl"
    """Name of the layout."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect completions with ranks."""
        completions = as_list(row.get("completions"))
        if "context" not in row or not completions or not is_object(completions[0]):
            return None
        ranked = {"rank", "completion"} <= completions[0].keys()
        return "`context` and `completions` with `rank`" if ranked else None

    def parse(self, row: Json, context: Context) -> Record:
        """Parse ranked completions, each a list of messages."""
        candidates: list[Candidate] = []
        labels: list[Label] = []
        for index, item in enumerate(nonempty_list(row, "completions")):
            what = f"completions[{index}]"
            entry = item_object(item, what)
            completion = entry.get("completion") or None
            candidates.append(listed_candidate(completion, f"{what}.completion"))
            labels.append(rank_label(index, entry.get("rank"), 0))
        prompt = prompt_of(required(row, "context"), "context")
        return Record(prompt, candidates, labels, group=optional(row, "task_name"))
