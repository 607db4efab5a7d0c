"""The settings of a column map: which columns hold the prompt, the responses and the labels."""

from typing import Literal, Self

from pydantic import Field, model_validator

from prefine.settings import Part

Side = Literal["a", "b", "tie", "both_bad", "invalid"]
"""What a raw value says about two responses."""


class LabelColumn(Part):
    """One column (or list of values) that says which of two responses is better."""

    column: str
    """Dotted path in the row; ``annotations[].choice`` walks a list, one label per element."""
    values: dict[str, Side] = Field(default_factory=dict)
    """What each raw value means."""
    otherwise: Literal["invalid"] | None = None
    """What a value means that is not listed; null quarantines the row."""
    negative: Literal["a", "b"] | None = None
    """For signed numbers: the side that a negative value prefers; zero is a tie."""
    aspect: str | None = None
    """What was judged, when a row holds labels on several questions (better, safer)."""
    annotator: str | None = None
    """Who judged, when the row does not say."""

    @model_validator(mode="after")
    def _one_reading(self) -> Self:
        if bool(self.values) == (self.negative is not None):
            raise ValueError("give either `values` or `negative`, not both and not neither")
        return self


class NumberColumns(Part):
    """Ratings or ranks: one column per response, or one column that holds a list of numbers."""

    columns: tuple[str, ...] = Field(min_length=1)
    """Dotted paths, in the order of ``responses``."""
    values: dict[str, float] = Field(default_factory=dict)
    """What each raw value counts as, where the numbers are written as words."""
    otherwise: Literal["invalid"] | None = None
    """What a value means that is not listed in ``values``; null quarantines the row."""
    aspect: str | None = None
    """What was rated; null is the overall quality."""
    annotator: str | None = None
    """Who rated, when the row does not say."""


class RankingColumn(Part):
    """A ranking written as text: ``B>A>C=D``, best first, ``=`` for a tie."""

    column: str
    """Dotted path; ``annotations[].order`` walks a list, one ranking per element."""
    candidates: tuple[str, ...] = Field(min_length=2)
    """The letters of the candidates in the order of ``responses``."""
    annotator: str | None = None
    """Who ranked, when the row does not say."""


class ColumnMap(Part):
    """Say which column holds what, for a layout that prefine has no name for.

    Columns are dotted paths (``chosen.answer``). Give ``chosen`` and ``rejected``, or ``responses``
    with at least one of ``labels``, ``ratings``, ``ranks`` and ``ranking``.
    """

    prompt: str
    """A text, or a list of messages."""
    system: str | None = None
    """A text that goes before the prompt as a system turn, where it is not empty."""
    chosen: str | None = None
    """The preferred response."""
    rejected: str | None = None
    """The other response."""
    responses: tuple[str, ...] = ()
    """One column per response, or one column that holds a list of responses."""
    models: tuple[str, ...] = ()
    """Who wrote the responses, in the same order; or one column that holds a list."""
    labels: tuple[LabelColumn, ...] = ()
    """Choices between two responses."""
    ratings: tuple[NumberColumns, ...] = ()
    """Ratings of the responses; higher is better."""
    ranks: tuple[NumberColumns, ...] = ()
    """Ranks of the responses; 1 is the best."""
    ranking: tuple[RankingColumn, ...] = ()
    """Rankings written as text."""
    annotator: str | None = None
    """The column that names who judged."""
    group: str | None = None
    """The column that names the source's own subset."""
    language: str | None = None
    """The column that names the language."""
    split: str | None = None
    """The column that names the split."""

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if (self.chosen is None) != (self.rejected is None):
            raise ValueError("`chosen` and `rejected` come together")
        if (self.chosen is None) == (not self.responses):
            raise ValueError("give either `chosen` and `rejected`, or `responses`")
        if self.responses and not (self.labels or self.ratings or self.ranks or self.ranking):
            raise ValueError("`responses` need `labels`, `ratings`, `ranks` or `ranking`")
        return self
