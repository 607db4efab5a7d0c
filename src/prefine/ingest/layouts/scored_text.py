"""Two transcripts in a list, and their scores in another."""

from typing import ClassVar, Literal

from prefine.ingest.labels import compared_scores, pair_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import common_prompt
from prefine.ingest.record import Candidate, Reason, Record, RowError
from prefine.ingest.transcripts import transcript
from prefine.ingest.values import as_list, nonempty_list, number
from prefine.settings.json import Json


class ScoredText(Layout):
    """``text`` is a list of two transcripts, ``score`` a list of their scores; higher wins."""

    version: ClassVar = 2
    aspects: ClassVar = ("overall",)

    format: Literal["scored_text"] = "scored_text"
    """Name of the layout."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect the two lists."""
        if as_list(row.get("text")) and as_list(row.get("score")):
            return "`text` and `score` are lists"
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Parse two transcripts; the higher score wins, equal scores are a tie."""
        texts, scores = nonempty_list(row, "text"), nonempty_list(row, "score")
        if not len(texts) == len(scores) == 2:  # noqa: PLR2004
            raise RowError(Reason.WRONG_TYPE, "`text` and `score` do not have two items each")
        sides = [transcript(value, "text") for value in texts]
        length, mismatch = common_prompt(*sides)
        values = [number(score, "score") for score in scores]
        if None in values:
            raise RowError(Reason.LABEL_MISSING, "a score is missing")
        winner, strength = compared_scores(values[0] or 0.0, values[1] or 0.0)
        label = pair_label(winner, strength=strength, strength_unit="score", label=f"{scores}")
        candidates = [Candidate(side[length:]) for side in sides]
        return Record(sides[0][:length], candidates, [label], context_mismatch=mismatch)
