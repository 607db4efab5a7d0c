"""FineGrained-RLHF: four predictions with all six comparisons."""

from itertools import combinations
from typing import ClassVar, Literal

from prefine.ingest.labels import CHOICES, winner_of
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of
from prefine.ingest.pairs import listed_candidate
from prefine.ingest.record import Label, Reason, Record, RowError
from prefine.ingest.values import nonempty_list, required, text, type_name
from prefine.schema import Kind
from prefine.settings.json import Json, is_array


class FineGrained(Layout):
    """FineGrained-RLHF: four predictions; ``preference`` has the winners of all six pairs."""

    version: ClassVar = 2
    reads_beside: ClassVar = ("passages",)
    keys: ClassVar = ("question", "prediction 1", "prediction 4", "preference")
    because: ClassVar = "`prediction 1` to `prediction 4` with six preferences"
    aspects: ClassVar = ("overall",)

    format: Literal["finegrained"] = "finegrained"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse the comparisons (1,2) (1,3) (1,4) (2,3) (2,4) (3,4): 0 tie, 1 first, 2 second."""
        keys = [f"prediction {i}" for i in range(1, 5)]
        candidates = [listed_candidate(row.get(key), key) for key in keys]
        pairs = list(combinations(range(4), 2))
        choices = nonempty_list(row, "preference")
        if len(choices) != len(pairs):
            raise RowError(Reason.WRONG_TYPE, f"`preference` has {len(choices)} values, not 6")
        labels = [
            Label(Kind.PAIR, a, b, winner_of(value, CHOICES, "preference"), label=str(value))
            for (a, b), value in zip(pairs, choices, strict=True)
        ]
        question = text(required(row, "question"), "question")
        passages = nonempty_list(row, "passages") if row.get("passages") else []
        parts = [question, *(_passage(value) for value in passages)]
        return Record(prompt_of("\n\n".join(parts), "question"), candidates, labels)


def _passage(value: object) -> str:
    """Return the sentences of a passage without its title, which the first sentence repeats."""
    if not is_array(value):
        raise RowError(Reason.WRONG_TYPE, f"`passages` contains {type_name(value)}, not a list")
    return " ".join(text(sentence, "passages") for sentence in value[1:])
