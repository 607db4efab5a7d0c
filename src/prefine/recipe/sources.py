"""Sources: which files hold the raw labels, and how their rows are to be read.

What comes in: the ``sources`` list of a recipe. What goes out: frozen settings. What never happens:
a guess about a layout; ``format: null`` asks ingest to detect one, and to refuse when two fit.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from prefine.recipe.base import Name, Part, Where

Format = Literal[
    "trl_explicit",
    "trl_implicit",
    "trl_unpaired",
    "h4",
    "hh",
    "scored_text",
    "ultrafeedback",
    "helpsteer2",
    "helpsteer2_preference",
    "helpsteer3",
    "arena_33k",
    "arena_55k",
    "arena_140k",
    "nectar",
    "on_policy",
    "distilabel",
    "alpaca_eval",
    "sharegpt",
    "sharegpt_unpaired",
    "reward_bench_2",
    "rm_bench",
    "rmb_pairwise",
    "rmb_bon",
    "pandalm",
    "finegrained",
    "llmeval2",
    "domains",
    "fastchat",
    "columns",
]
"""The layouts that ingest reads; ``prefine ingest --detect`` tells which one a file has."""

Side = Literal["a", "b", "tie", "both_bad", "invalid"]


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression ({error})") from error
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]
"""A regular expression."""


class LabelColumn(Part):
    """One column (or list of values) that says which of two responses is better."""

    column: str
    """Dotted path in the row; ``annotations[].choice`` walks a list, one label an element."""
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
    """Ratings or ranks: one column a response, or one column that holds a list of numbers."""

    columns: tuple[str, ...] = Field(min_length=1)
    values: dict[str, float] = Field(default_factory=dict)
    """What each raw value counts as, where the numbers are written as words."""
    otherwise: Literal["invalid"] | None = None
    """What a value means that is not listed in ``values``; null quarantines the row."""
    aspect: str | None = None
    annotator: str | None = None


class RankingColumn(Part):
    """A ranking written as text: ``B>A>C=D``, best first, ``=`` for a tie."""

    column: str
    candidates: tuple[str, ...] = Field(min_length=2)
    """The letters of the candidates in the order of ``responses``."""
    annotator: str | None = None


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
    rejected: str | None = None
    responses: tuple[str, ...] = ()
    """One column a response, or one column that holds a list of responses."""
    models: tuple[str, ...] = ()
    """Who wrote the responses, in the same order; or one column that holds a list."""
    labels: tuple[LabelColumn, ...] = ()
    ratings: tuple[NumberColumns, ...] = ()
    ranks: tuple[NumberColumns, ...] = ()
    ranking: tuple[RankingColumn, ...] = ()
    annotator: str | None = None
    """The column that names who judged."""
    group: str | None = None
    language: str | None = None
    split: str | None = None

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if (self.chosen is None) != (self.rejected is None):
            raise ValueError("`chosen` and `rejected` come together")
        if (self.chosen is None) == (not self.responses):
            raise ValueError("give either `chosen` and `rejected`, or `responses`")
        if self.responses and not (self.labels or self.ratings or self.ranks or self.ranking):
            raise ValueError("`responses` need `labels`, `ratings`, `ranks` or `ranking`")
        return self


class File(Part):
    """One file of a source, as found: the resolved recipe lists them."""

    path: Annotated[str, Where]
    """Where it lies, relative to the data folder unless absolute or a URL."""
    sha256: str
    """Of its bytes as stored; this is what identifies the file."""
    num_bytes: Annotated[int, Where]
    fields: dict[str, str] = Field(default_factory=dict)
    """What ``path_fields`` took from the path."""
    format: Format | None = None
    """The layout that was recognised, where the source names none."""
    reason: Annotated[str | None, Where] = None
    """Why it was recognised."""


class Table(Part):
    """Further files that rows refer to: questions, answers."""

    files: Annotated[tuple[str, ...], Where]
    path_fields: Annotated[Pattern | None, Where] = None
    """A regular expression with named groups, searched in each path."""
    resolved: tuple[File, ...] = ()
    """Filled in when the recipe is resolved."""


class Source(Part):
    """A set of files of one layout."""

    name: Name
    """Stands in every table and report; rules may group by it."""
    files: Annotated[tuple[str, ...], Where] = Field(min_length=1)
    """Paths or globs relative to the data folder, fsspec URLs, or ``hf://name?split=train``."""
    format: Format | None = None
    """The layout; null detects it, and refuses when two fit."""
    sha256: Annotated[tuple[str, ...], Where] = ()
    """What the files must hash to, in any order; empty accepts any bytes."""
    path_fields: Annotated[Pattern | None, Where] = None
    """A regular expression with named groups, searched in each path: ``annotator``, ``model``,
    ``model_a``, ``model_b``, ``group`` and ``split`` are used where the row itself says nothing."""
    columns: ColumnMap | None = None
    """Only for ``format: columns``."""
    tables: dict[str, Table] = Field(default_factory=dict)
    """Only for ``format: fastchat``: ``questions`` and ``answers``."""
    domain: str | None = None
    """Only for ``format: domains``: which domain's response is the wanted one."""
    text: Literal["plain", "escaped", "html"] = "plain"
    """``escaped`` undoes HTML entities; ``html`` also turns markup into text."""
    max_row_bytes: int = Field(default=32 * 2**20, ge=1024)
    """A longer raw row goes to quarantine without being parsed."""
    resolved: tuple[File, ...] = ()
    """Filled in when the recipe is resolved."""

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        wanted = {"columns": self.columns, "domains": self.domain, "fastchat": self.tables}
        options = {"columns": "columns", "domains": "domain", "fastchat": "tables"}
        for layout, value in wanted.items():
            if bool(value) != (self.format == layout):
                raise ValueError(
                    f"`{options[layout]}` goes with `format: {layout}`, and only there"
                )
        return self
