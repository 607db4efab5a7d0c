"""What a layout makes of one raw row: a prompt, candidate responses and labels about them."""

from dataclasses import dataclass
from enum import StrEnum

from prefine.schema import Kind, Message, Winner
from prefine.settings.json import Json


class Reason(StrEnum):
    """Why a raw row is in quarantine."""

    NOT_JSON = "not_json"
    INVALID_UTF8 = "invalid_utf8"
    ROW_TOO_LARGE = "row_too_large"
    NOT_AN_OBJECT = "not_an_object"
    WRONG_COLUMNS = "wrong_columns"
    MISSING_VALUE = "missing_value"
    WRONG_TYPE = "wrong_type"
    PROMPT_EMPTY = "prompt_empty"
    RESPONSE_NOT_TEXT = "response_not_text"
    RESPONSE_MISSING = "response_missing"
    RESPONSE_NOT_ASSISTANT = "response_not_assistant"
    NOT_TEXT_CONTENT = "not_text_content"
    UNKNOWN_ROLE = "unknown_role"
    NOT_A_TRANSCRIPT = "not_a_transcript"
    NO_COMMON_PROMPT = "no_common_prompt"
    PROMPT_DIFFERS = "prompt_differs"
    UNKNOWN_LABEL = "unknown_label"
    LABEL_MISSING = "label_missing"
    LOOKUP_MISSING = "lookup_missing"
    TURNS_DIFFER = "turns_differ"
    PROMPT_PART_UNREAD = "prompt_part_unread"
    MESSAGES_AS_TEXT = "messages_as_text"
    TRANSCRIPT_IN_PROMPT = "transcript_in_prompt"
    RENDERED_TEMPLATE = "rendered_template"
    RATING_OUT_OF_RANGE = "rating_out_of_range"
    INVALID_TEXT = "invalid_text"


class RowError(Exception):
    """A raw row that cannot be read; it goes to quarantine and the file is read on."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Candidate:
    """One response to the record's prompt."""

    messages: list[Message]
    """Empty for a missing member of a list: it is dropped with the labels about it."""
    model: str | None = None
    """Who wrote it."""
    meta: Json | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """One raw label about one candidate, or about two."""

    kind: Kind
    a: int
    """Index of a candidate."""
    b: int | None = None
    """Index of the other one, for labels of kind ``pair``."""
    winner: Winner | None = None
    strength: float | None = None
    strength_unit: str | None = None
    rating: float | None = None
    rank: float | None = None
    aspect: str | None = None
    annotator: str | None = None
    label: str | None = None
    """The raw value, as text."""


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that one raw row says."""

    prompt: list[Message]
    candidates: list[Candidate]
    labels: list[Label]
    group: str | None = None
    language: str | None = None
    split: str | None = None
    context_mismatch: bool = False
    """Whether the candidates do not all answer the same context."""
    meta: Json | None = None
    tools: str | None = None
    """JSON text of the list of tools that the task offers."""
    num_missing: int = 0
    """How many missing candidates were dropped."""
