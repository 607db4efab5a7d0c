"""The result of parsing one raw row: a prompt, candidate responses and labels."""

from dataclasses import dataclass
from enum import StrEnum

from prefine.schema import Kind, Message, Winner
from prefine.settings.json import Json


class Reason(StrEnum):
    """Why a raw row is in quarantine."""

    NOT_JSON = "not_json"
    """The row is not valid JSON."""
    INVALID_UTF8 = "invalid_utf8"
    """A value contains bytes that are not UTF-8."""
    ROW_TOO_LARGE = "row_too_large"
    """The row is longer than ``max_row_bytes``."""
    NOT_AN_OBJECT = "not_an_object"
    """The row is valid JSON but not an object."""
    WRONG_COLUMNS = "wrong_columns"
    """A row of delimited text or of a spreadsheet does not fit the header."""
    MISSING_VALUE = "missing_value"
    """A required column is missing or null."""
    WRONG_TYPE = "wrong_type"
    """A value has an unexpected type or length."""
    PROMPT_EMPTY = "prompt_empty"
    """The prompt has no text."""
    RESPONSE_NOT_TEXT = "response_not_text"
    """A response is not text, or is a reference to another column."""
    RESPONSE_MISSING = "response_missing"
    """A response is missing or null."""
    RESPONSE_NOT_ASSISTANT = "response_not_assistant"
    """A response does not begin and end with an assistant turn."""
    NOT_TEXT_CONTENT = "not_text_content"
    """The row contains images, audio, tool calls or other content that is not text."""
    UNKNOWN_ROLE = "unknown_role"
    """A message has an unknown role."""
    NOT_A_TRANSCRIPT = "not_a_transcript"
    """A text has no ``Human:`` and ``Assistant:`` markers."""
    NO_COMMON_PROMPT = "no_common_prompt"
    """The conversations of a row do not begin with the same prompt."""
    PROMPT_DIFFERS = "prompt_differs"
    """The prompt column differs from the prompt in the conversations."""
    UNKNOWN_LABEL = "unknown_label"
    """A label, rating or rank has an unknown value."""
    LABEL_MISSING = "label_missing"
    """The row has no label."""
    LOOKUP_MISSING = "lookup_missing"
    """The row refers to a row, source or file that does not exist."""
    TURNS_DIFFER = "turns_differ"
    """The numbers of turns of a row do not match, or two columns hold different turns."""
    PROMPT_PART_UNREAD = "prompt_part_unread"
    """A column belongs to the prompt, but the layout does not read it."""
    MESSAGES_AS_TEXT = "messages_as_text"
    """Messages written as text cannot be parsed."""
    TRANSCRIPT_IN_PROMPT = "transcript_in_prompt"
    """The prompt is a transcript that cannot be split into turns."""
    RENDERED_TEMPLATE = "rendered_template"
    """A text is a rendered chat template that cannot be split into turns."""
    RATING_OUT_OF_RANGE = "rating_out_of_range"
    """A rating is outside the stated range."""
    INVALID_TEXT = "invalid_text"
    """A string contains an unpaired surrogate."""


class RowError(Exception):
    """A raw row that cannot be read; it goes to quarantine and reading continues."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Candidate:
    """One response to the prompt of a record."""

    messages: list[Message]
    """The turns of the response; empty if it is missing, in which case its labels are dropped."""
    model: str | None = None
    """The model that wrote the response."""
    meta: Json | None = None
    """Further facts about the response, stored as JSON."""


@dataclass(frozen=True, slots=True)
class Label:
    """One raw label about one or two candidates."""

    kind: Kind
    """Pair, rating or rank."""
    a: int
    """Index of the candidate."""
    b: int | None = None
    """Index of the second candidate, for labels of kind ``pair``."""
    winner: Winner | None = None
    """The preferred side of a pair; ``invalid`` for a missing value of any kind."""
    strength: float | None = None
    """Strength of the preference, at least 0."""
    strength_unit: str | None = None
    """Unit of the strength."""
    rating: float | None = None
    """Rating of the candidate; higher is better."""
    rank: float | None = None
    """Rank of the candidate; 1 is the best."""
    aspect: str | None = None
    """The aspect that was judged, such as ``helpfulness``; None for the response as a whole."""
    annotator: str | None = None
    """Who gave the label."""
    label: str | None = None
    """The raw value as text."""


@dataclass(frozen=True, slots=True)
class Record:
    """The parsed content of one raw row."""

    prompt: list[Message]
    """The turns of the prompt."""
    candidates: list[Candidate]
    """The responses to the prompt."""
    labels: list[Label]
    """The labels about the candidates."""
    group: str | None = None
    """Subset of the data set that the row belongs to."""
    language: str | None = None
    """Language of the row."""
    split: str | None = None
    """Split of the data set that the row belongs to."""
    context_mismatch: bool = False
    """Whether the candidates respond to different contexts."""
    meta: Json | None = None
    """Further facts about the prompt, stored as JSON."""
    tools: str | None = None
    """JSON text of the list of available tools."""
    num_missing: int = 0
    """Number of missing candidates that were dropped."""
