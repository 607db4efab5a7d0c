"""The settings of a column map: which columns hold the prompt, the responses and the labels."""

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from prefine.ingest.layouts.columns.spelling import spelled_keys
from prefine.ingest.paths import LIST, OPTIONAL
from prefine.settings import Part

Side = Literal["a", "b", "tie", "both_bad", "invalid"]
"""What a raw value says about two responses."""

Spelled = BeforeValidator(spelled_keys)
"""Let a recipe write ``1`` and ``true`` as keys of a mapping without quotes."""


class Judged(Part):
    """What labels, ratings, ranks and rankings have in common."""

    aspect: str | None = None
    """What was judged (``helpfulness``), when a row holds judgements on several questions. Null
    takes the group ``aspect`` of ``path_fields``, and otherwise stands for the whole."""
    annotator: str | None = None
    """Who judged, when the row does not say."""
    annotator_column: str | None = None
    """The column that names who judged; ``votes[].worker`` names one per element of a list."""

    @model_validator(mode="after")
    def _one_annotator(self) -> Self:
        if self.annotator and self.annotator_column:
            raise ValueError("give either `annotator` or `annotator_column`, not both")
        return self


class LabelColumn(Judged):
    """One column (or list of values) that says which response is better.

    Say how to read it with one of ``values``, ``negative``, ``first`` and ``names``. A null value
    is a label that names no side.
    """

    column: str
    """Path in the row; ``annotations[].choice`` walks a list, one label per element."""
    values: Annotated[dict[str, Side], Spelled] = Field(default_factory=dict)
    """What each raw value means, for two responses. Beside ``first`` or ``names``, what the values
    mean that name no response (``tie``). Case and surrounding blanks do not matter."""
    otherwise: Literal["invalid"] | None = None
    """What a value means that cannot be read; null quarantines the row."""
    negative: Literal["a", "b"] | None = None
    """For signed numbers: the side that a negative value prefers; zero is a tie."""
    first: Literal[0, 1] | None = None
    """For the number of the best response: the number of the first one."""
    names: Literal["model", "response", "id"] | None = None
    """For a value that is the best response's model (one of ``models``), its text, or its id (one
    of ``ids``)."""

    @model_validator(mode="after")
    def _one_reading(self) -> Self:
        given = [self.negative, self.first, self.names]
        readings = sum(reading is not None for reading in given)
        if readings > 1 or (self.negative and self.values) or not (readings or self.values):
            raise ValueError(
                "give one of `values`, `negative`, `first` and `names`; `values` may stand beside "
                "`first` or `names`"
            )
        return self


class NumberColumns(Judged):
    """Ratings or ranks: one column per response, or one column that holds a list of numbers."""

    columns: tuple[str, ...] = Field(min_length=1)
    """Paths, in the order of ``responses``."""
    values: Annotated[dict[str, float], Spelled] = Field(default_factory=dict)
    """What each raw value counts as, where the numbers are written as words. Case and surrounding
    blanks do not matter."""
    otherwise: Literal["invalid"] | None = None
    """What a value means that cannot be read; null quarantines the row."""
    minimum: float | None = None
    """Least number of the scale; a row with a smaller one goes to quarantine."""
    maximum: float | None = None
    """Greatest number of the scale; a row with a greater one goes to quarantine."""

    @model_validator(mode="after")
    def _a_scale(self) -> Self:
        if None not in {self.minimum, self.maximum} and self.minimum >= self.maximum:  # pyright: ignore[reportOperatorIssue]
            raise ValueError("`minimum` must be less than `maximum`")
        return self


class RankingColumn(Judged):
    """A ranking written as text: ``B>A>C=D``, best first, ``=`` for a tie."""

    column: str
    """Path in the row; ``annotations[].order`` walks a list, one ranking per element."""
    candidates: tuple[str, ...] = Field(min_length=2)
    """The letters of the candidates in the order of ``responses``."""


class ShownFirst(Part):
    """Which of the two responses the annotator saw first."""

    column: str
    """Path in the row; null leaves the order of ``responses``."""
    values: Annotated[dict[str, Literal["a", "b"]], Spelled] = Field(min_length=1)
    """Which response each raw value names; ``a`` is the first one of ``responses``, or ``chosen``.
    Case and surrounding blanks do not matter."""


class ColumnMap(Part):
    """Say which column holds what, for a layout that prefine has no name for.

    Columns are paths: ``chosen.answer``, ``output.0``, ``turns.-1.text``, ``answers[].text``. A
    path that ends in ``?`` may be missing. Give ``chosen`` and ``rejected``, or ``responses`` with
    at least one of ``labels``, ``ratings``, ``ranks`` and ``ranking``.
    """

    prompt: str | Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """A text, or a list of messages. Several columns are texts that are joined with a blank line,
    empty ones left out. Without it, the responses are whole conversations (lists of messages, or
    transcripts) and their common beginning is the prompt."""
    system: str | None = None
    """A text that goes before the prompt as a system turn, where it is not empty."""
    history: str | None = None
    """Earlier turns, which go before the prompt: a list of messages, of pairs of texts (user,
    assistant), or of texts of the user and the assistant in turn."""
    tools: str | None = None
    """The tools that the task offers: a list of JSON schemas, or its JSON text. Goes with
    ``tools: keep`` of the source."""
    chosen: str | None = None
    """The preferred response."""
    rejected: str | None = None
    """The other response."""
    responses: tuple[str, ...] = ()
    """One column per response, or one column that holds a list of responses. A null response is
    left out, with the labels that touch it."""
    models: tuple[str, ...] = ()
    """Who wrote the responses, in the same order; or one column that holds a list. Missing ones
    are null, or what ``path_fields`` says."""
    ids: tuple[str, ...] = ()
    """Ids of the responses, in the same order, for labels with ``names: id``; or one column that
    holds a list."""
    labels: tuple[LabelColumn, ...] = ()
    """Choices between responses."""
    ratings: tuple[NumberColumns, ...] = ()
    """Ratings of the responses; higher is better."""
    ranks: tuple[NumberColumns, ...] = ()
    """Ranks of the responses; 1 is the best."""
    ranking: tuple[RankingColumn, ...] = ()
    """Rankings written as text."""
    shown_first: ShownFirst | None = None
    """Which of two responses was shown first; it orients the labels."""
    annotator: str | None = None
    """The column that names who judged. It may be missing, as may the three below."""
    group: str | None = None
    """The column that names the source's own subset."""
    language: str | None = None
    """The column that names the language."""
    split: str | None = None
    """The column that names the split."""

    @property
    def prompt_columns(self) -> tuple[str, ...]:
        """The columns of the prompt."""
        return (self.prompt,) if isinstance(self.prompt, str) else self.prompt or ()

    def paths(self) -> tuple[str, ...]:
        """Return every path that the map reads."""
        judged = (*self.labels, *self.ratings, *self.ranks, *self.ranking)
        several = [*self.prompt_columns, *self.responses, *self.models, *self.ids]
        several += [path for entry in judged for path in (entry.annotator_column,) if path]
        several += [entry.column for entry in (*self.labels, *self.ranking)]
        several += [path for entry in (*self.ratings, *self.ranks) for path in entry.columns]
        return (*several, *self._single_paths().values())

    def _single_paths(self) -> dict[str, str]:
        """Return the paths that lead to one value, by key."""
        names = ("system", "history", "tools", "chosen", "rejected")
        names += ("annotator", "group", "language", "split")
        paths = {name: getattr(self, name) for name in names}
        first = self.shown_first.column if self.shown_first else None
        return {name: path for name, path in {**paths, "shown_first": first}.items() if path}

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if (self.chosen is None) != (self.rejected is None):
            raise ValueError("`chosen` and `rejected` come together")
        if (self.chosen is None) == (not self.responses):
            raise ValueError("give either `chosen` and `rejected`, or `responses`")
        if self.responses and not (self.labels or self.ratings or self.ranks or self.ranking):
            raise ValueError("`responses` need `labels`, `ratings`, `ranks` or `ranking`")
        if self.history and not self.prompt:
            raise ValueError("`history` goes before `prompt`, which is missing")
        return self

    @model_validator(mode="after")
    def _nothing_idle(self) -> Self:
        named = {label.names for label in self.labels}
        if ("id" in named) != bool(self.ids):
            raise ValueError("`ids` and labels with `names: id` come together")
        if "model" in named and not self.models:
            raise ValueError("labels with `names: model` need `models`")
        if self.shown_first and not (self.labels or self.chosen):
            raise ValueError("`shown_first` goes with `labels`, or `chosen` and `rejected`")
        if walked := [name for name, path in self._single_paths().items() if LIST in path]:
            raise ValueError(f"`{walked[0]}` is one value; its path cannot walk a list with `[]`")
        if bare := [path for path in self.paths() if not path.removesuffix(OPTIONAL)]:
            raise ValueError(f"{bare[0]!r} names no column")
        return self

    def aspects(self) -> set[str]:
        """Return the aspects of its entries, ``overall`` for those of the whole."""
        entries = (*self.labels, *self.ratings, *self.ranks, *self.ranking)
        named = {entry.aspect or "overall" for entry in entries}
        return named if self.responses else named | {"overall"}

    @model_validator(mode="after")
    def _rankings_apart(self) -> Self:
        lists = Counter((e.aspect, e.annotator) for e in (*self.ranks, *self.ranking))
        for (_, annotator), count in lists.items():
            if annotator and count > 1:
                raise ValueError(
                    f"{count} rankings by {annotator} on one question: "
                    "give each an `aspect` or an `annotator` of its own"
                )
        return self
