"""Settings of a column map: which columns hold the prompt, the responses and the labels."""

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from prefine.ingest.layouts.columns.spelling import spell_keys
from prefine.ingest.paths import LIST, OPTIONAL
from prefine.settings import Part

Side = Literal["a", "b", "tie", "both_bad", "invalid"]
"""What a raw value means for two responses: the winning side, a tie, or no valid label."""

Spelled = BeforeValidator(spell_keys)
"""Allow keys such as ``1`` and ``true`` without quotes in a mapping of raw values."""


class Judged(Part):
    """Settings that labels, ratings, ranks and rankings share."""

    aspect: str | None = None
    """Aspect that was judged, such as ``helpfulness``; null means the group ``aspect`` of
    ``path_fields``, and otherwise means the response as a whole."""
    annotator: str | None = None
    """Name of the annotator, if no column has it."""
    annotator_column: str | None = None
    """Path of the annotator's name; ``votes[].worker`` has one per element of a list."""

    @model_validator(mode="after")
    def _require_one_annotator(self) -> Self:
        if self.annotator and self.annotator_column:
            raise ValueError("set either `annotator` or `annotator_column`, not both")
        return self


class LabelColumn(Judged):
    """One column (or list of values) with the better response.

    Set one of ``values``, ``negative``, ``first`` and ``names``. A null value is an invalid label.
    """

    column: str
    """Path in the row; ``annotations[].choice`` reads a list, one label per element."""
    values: Annotated[dict[str, Side], Spelled] = Field(default_factory=dict)
    """Winner for each raw value, for two responses; together with ``first`` or ``names``, only the
    values that name no response, such as ``tie``. Case and surrounding blanks are ignored."""
    otherwise: Literal["invalid"] | None = None
    """Result for an unknown value: ``invalid`` keeps it as an invalid label, null quarantines the
    row."""
    negative: Literal["a", "b"] | None = None
    """For signed numbers: the side that a negative value prefers; zero is a tie."""
    first: Literal[0, 1] | None = None
    """For values that are the number of the best response: the number of the first response."""
    names: Literal["model", "response", "id"] | None = None
    """For values that identify the best response: by its model (one of ``models``), its text, or
    its id (one of ``ids``)."""

    @model_validator(mode="after")
    def _require_one_encoding(self) -> Self:
        options = [self.negative, self.first, self.names]
        num_set = sum(option is not None for option in options)
        if num_set > 1 or (self.negative and self.values) or not (num_set or self.values):
            raise ValueError(
                "set exactly one of `values`, `negative`, `first` and `names`; only `first` and "
                "`names` may be combined with `values`"
            )
        return self


class NumberColumns(Judged):
    """Ratings or ranks: one column per response, or one column with a list of numbers."""

    columns: tuple[str, ...] = Field(min_length=1)
    """Paths of the numbers, in the order of ``responses``; or one path of a list."""
    values: Annotated[dict[str, float], Spelled] = Field(default_factory=dict)
    """Number for each raw value, if numbers are written as words. Case and surrounding blanks are
    ignored."""
    otherwise: Literal["invalid"] | None = None
    """Result for an unknown value: ``invalid`` keeps it as a missing number, null quarantines the
    row."""
    minimum: float | None = None
    """Minimum of the scale; a row with a lower number goes to quarantine."""
    maximum: float | None = None
    """Maximum of the scale; a row with a higher number goes to quarantine."""

    @model_validator(mode="after")
    def _require_range(self) -> Self:
        if None not in {self.minimum, self.maximum} and self.minimum >= self.maximum:  # pyright: ignore[reportOperatorIssue]
            raise ValueError("`minimum` must be less than `maximum`")
        return self


class RankingColumn(Judged):
    """A ranking written as text, such as ``B>A>C=D``: best first, ``=`` for a tie."""

    column: str
    """Path in the row; ``annotations[].order`` reads a list, one ranking per element."""
    candidates: tuple[str, ...] = Field(min_length=2)
    """Letters of the candidates, in the order of ``responses``."""


class ShownFirst(Part):
    """Which of the two responses was shown first to the annotator."""

    column: str
    """Path in the row; a null value means the order of ``responses``."""
    values: Annotated[dict[str, Literal["a", "b"]], Spelled] = Field(min_length=1)
    """Response for each raw value: ``a`` is the first of ``responses``, or ``chosen``. Case and
    surrounding blanks are ignored."""


class ColumnMap(Part):
    """Map of columns to the prompt, the responses and the labels, for data without a known layout.

    Columns are dotted paths: ``chosen.answer``, ``output.0``, ``turns.-1.text``,
    ``answers[].text``. A path that ends with ``?`` is optional. Set ``chosen`` and ``rejected``, or
    ``responses`` with at least one of ``labels``, ``ratings``, ``ranks`` and ``ranking``.
    """

    prompt: str | Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Path of the prompt: a string or a list of messages. The strings of several paths are joined
    with a blank line, empty ones left out. If null, the responses are whole conversations (lists of
    messages, or transcripts), whose common beginning is the prompt."""
    system: str | None = None
    """Path of the system prompt, which becomes a system turn unless it is empty."""
    history: str | None = None
    """Path of earlier turns, which are put before the prompt: a list of messages, of (user,
    assistant) pairs, or of alternating user and assistant strings."""
    tools: str | None = None
    """Path of the tool definitions: a list of JSON schemas, or its JSON text. Requires
    ``tools: keep`` on the source."""
    chosen: str | None = None
    """Path of the chosen response."""
    rejected: str | None = None
    """Path of the rejected response."""
    responses: tuple[str, ...] = ()
    """Paths of the responses, or one path of a list of responses. A null response is left out,
    together with its labels."""
    models: tuple[str, ...] = ()
    """Paths of the models that wrote the responses, in the same order, or one path of a list.
    Missing values are taken from ``path_fields``."""
    ids: tuple[str, ...] = ()
    """Paths of the ids of the responses, in the same order, or one path of a list; for labels with
    ``names: id``."""
    labels: tuple[LabelColumn, ...] = ()
    """Columns with choices between the responses."""
    ratings: tuple[NumberColumns, ...] = ()
    """Columns with ratings of the responses; higher is better."""
    ranks: tuple[NumberColumns, ...] = ()
    """Columns with ranks of the responses; 1 is the best."""
    ranking: tuple[RankingColumn, ...] = ()
    """Columns with rankings written as text."""
    shown_first: ShownFirst | None = None
    """The response that was shown first; the labels are oriented by it."""
    annotator: str | None = None
    """Optional path of the annotator's name."""
    group: str | None = None
    """Optional path of the row's subset of the data set."""
    language: str | None = None
    """Optional path of the row's language."""
    split: str | None = None
    """Optional path of the row's split."""

    @property
    def prompt_columns(self) -> tuple[str, ...]:
        """Paths of the prompt."""
        return (self.prompt,) if isinstance(self.prompt, str) else self.prompt or ()

    def paths(self) -> tuple[str, ...]:
        """Return all paths that the column map reads."""
        judged = (*self.labels, *self.ratings, *self.ranks, *self.ranking)
        several = [*self.prompt_columns, *self.responses, *self.models, *self.ids]
        several += [path for entry in judged for path in (entry.annotator_column,) if path]
        several += [entry.column for entry in (*self.labels, *self.ranking)]
        several += [path for entry in (*self.ratings, *self.ranks) for path in entry.columns]
        return (*several, *self._single_paths().values())

    def _single_paths(self) -> dict[str, str]:
        """Return the paths of single values by key."""
        names = ("system", "history", "tools", "chosen", "rejected")
        names += ("annotator", "group", "language", "split")
        paths = {name: getattr(self, name) for name in names}
        first = self.shown_first.column if self.shown_first else None
        return {name: path for name, path in {**paths, "shown_first": first}.items() if path}

    @model_validator(mode="after")
    def _require_responses(self) -> Self:
        if (self.chosen is None) != (self.rejected is None):
            raise ValueError("set both `chosen` and `rejected`, or neither")
        if (self.chosen is None) == (not self.responses):
            raise ValueError("set either `chosen` and `rejected`, or `responses`")
        if self.responses and not (self.labels or self.ratings or self.ranks or self.ranking):
            raise ValueError("`responses` requires `labels`, `ratings`, `ranks` or `ranking`")
        if self.history and not self.prompt:
            raise ValueError("`history` requires `prompt`")
        return self

    @model_validator(mode="after")
    def _require_effect(self) -> Self:
        names = {label.names for label in self.labels}
        if ("id" in names) != bool(self.ids):
            raise ValueError("set both `ids` and a label with `names: id`, or neither")
        if "model" in names and not self.models:
            raise ValueError("labels with `names: model` require `models`")
        if self.shown_first and not (self.labels or self.chosen):
            raise ValueError("`shown_first` requires `labels`, or `chosen` and `rejected`")
        if lists := [name for name, path in self._single_paths().items() if LIST in path]:
            raise ValueError(f"`{lists[0]}` is a single value; its path cannot have `[]`")
        if empty := [path for path in self.paths() if not path.removesuffix(OPTIONAL)]:
            raise ValueError(f"{empty[0]!r} is not the path of a column")
        return self

    def aspects(self) -> set[str]:
        """Return the aspects of all entries, ``overall`` for the response as a whole."""
        entries = (*self.labels, *self.ratings, *self.ranks, *self.ranking)
        aspects = {entry.aspect or "overall" for entry in entries}
        return aspects if self.responses else aspects | {"overall"}

    @model_validator(mode="after")
    def _require_distinct_rankings(self) -> Self:
        lists = Counter((e.aspect, e.annotator) for e in (*self.ranks, *self.ranking))
        for (_, annotator), count in lists.items():
            if annotator and count > 1:
                raise ValueError(
                    f"{count} rankings have the annotator {annotator} and the same aspect; "
                    "give each its own `aspect` or `annotator`"
                )
        return self
