"""Two responses, and a column with the winner by name or number."""

from collections.abc import Mapping
from typing import Literal

from prefine.ingest.aliases import compared_columns, prompt_column, read_prompt
from prefine.ingest.labels import named_winner, pair_label, winner_of
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import response_of
from prefine.ingest.pairs import group_of
from prefine.ingest.record import Candidate, Label, Reason, Record, RowError
from prefine.ingest.values import optional, required
from prefine.schema import Winner
from prefine.settings.json import Json

_COUNTED = ("output_1", "output_2")
"""Columns of responses with a ``label`` of 1 or 2, in OffsetBias and LLMBar."""
_NUMBERS = {1: Winner.A, 2: Winner.B}
"""Without 0, because labels 0 and 1 would give 1 another meaning."""
_MODELS = (("model_a", "model_b"), ("model_1", "model_2"))


class Compared(Layout):
    """Two responses under usual names, with a named ``winner`` or (OffsetBias, LLMBar) ``label``.

    ``winner`` is a name such as ``model_a`` or ``tie``; ``label`` is 1 or 2, the number of the
    better output.
    """

    format: Literal["compared"] = "compared"
    """Name of the layout."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect a prompt, two responses and a column that compares them."""
        prompt, matches = prompt_column(row), compared_columns(row)
        if prompt is None or len(matches) != 1 or "preference" in row:
            return None
        [names] = matches
        column = _column(row, names)
        return f"`{column}` compares `{names[0]}` and `{names[1]}`" if column else None

    def contradiction(self, labels: Mapping[str, int], rejected: Mapping[str, int]) -> str | None:
        """Return an error for a file whose labels are 0 and 1, because their meaning is unknown."""
        if rejected.get(Reason.UNKNOWN_LABEL) and labels.get(Winner.A) and not labels.get(Winner.B):
            return (
                "the labels seem to be 0 and 1, not 1 and 2, so it is unclear which response 1 "
                "stands for; state it in a column map (`format: columns`, `labels: [{column: "
                "label, values: {...}}]`)"
            )
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Parse both responses and the winner."""
        prompt, matches = prompt_column(row), compared_columns(row)
        if prompt is None:
            raise RowError(Reason.PROMPT_EMPTY, "no column with a known name has a prompt")
        if len(matches) != 1:
            detail = f"{len(matches)} pairs of columns have known names of responses, not 1"
            raise RowError(Reason.RESPONSE_MISSING, detail)
        models = next((m for m in _MODELS if m[0] in row), (None, None))
        candidates = [
            Candidate(response_of(row[name], name), optional(row, model) if model else None)
            for name, model in zip(matches[0], models, strict=True)
        ]
        return Record(
            read_prompt(row, prompt),
            candidates,
            [_label(row, matches[0])],
            group=group_of(row),
            language=optional(row, "language"),
        )


def _column(row: Json, names: tuple[str, str]) -> str | None:
    if isinstance(row.get("winner"), str):
        return "winner"
    return "label" if names == _COUNTED and "label" in row else None


def _label(row: Json, names: tuple[str, str]) -> Label:
    column = "label" if names == _COUNTED and "winner" not in row else "winner"
    value = required(row, column)
    if column == "winner":
        return pair_label(named_winner(value, "winner"), label=str(value))
    return pair_label(winner_of(value, _NUMBERS, "label"), label=str(value))
