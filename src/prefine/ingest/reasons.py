"""Cause of each quarantine reason, and how to fix it."""

from collections.abc import Mapping

from prefine.ingest.record import Reason

QUARANTINE_REASONS: Mapping[str, str] = {
    Reason.NOT_JSON: "The row is not valid JSON. Repair the line in the file.",
    Reason.INVALID_UTF8: "The row contains bytes that are not valid in the encoding of the file. "
    "Set `encoding` of the source, or repair the row.",
    Reason.ROW_TOO_LARGE: "The row is longer than `max_row_bytes` and was not parsed. Raise "
    "`max_row_bytes` to read such rows.",
    Reason.NOT_AN_OBJECT: "The row is a list, a string or a number, or an object without keys. Set "
    "`rows` of the source if the rows are under a key of one JSON document.",
    Reason.WRONG_COLUMNS: "A row of delimited text has more or fewer cells than the header. Check "
    "quotes and `delimiter` of the source.",
    Reason.MISSING_VALUE: "A value that the layout needs is missing, null or blank. Fill it in, or "
    "end a path of a column map with `?` if it may be missing.",
    Reason.WRONG_TYPE: "A value has a type, length or structure that the layout does not expect. "
    "Set the right `format`, or describe the columns with `format: columns`.",
    Reason.PROMPT_EMPTY: "The prompt has no text.",
    Reason.RESPONSE_NOT_TEXT: "A response is not text, or refers to another column. Describe the "
    "columns with `format: columns`.",
    Reason.RESPONSE_MISSING: "A response is missing or null although a label refers to it.",
    Reason.RESPONSE_NOT_ASSISTANT: "A response does not begin and end with an assistant turn.",
    Reason.NOT_TEXT_CONTENT: "A message has an image, a tool call or another part that would be "
    "lost. Set `tools: keep` on the source to keep tool calls; other parts are not supported.",
    Reason.UNKNOWN_ROLE: "A message has a role other than system, user, assistant or tool (under "
    "any of their usual names).",
    Reason.NOT_A_TRANSCRIPT: "A text that should be a transcript does not begin with `Human:`.",
    Reason.NO_COMMON_PROMPT: "The responses are whole conversations that share no beginning, or "
    "are the same throughout, so there is no prompt to take from them.",
    Reason.PROMPT_DIFFERS: "Two columns of the row contain different prompts. Name the right one "
    "in a column map.",
    Reason.UNKNOWN_LABEL: "The label has a value that the layout does not know. Add it to `values` "
    "of a column map.",
    Reason.LABEL_MISSING: "The row has no label, rating or ranking.",
    Reason.LOOKUP_MISSING: "The row refers to a question, answer or message that is in none of the "
    "files. Add the missing files to the source.",
    Reason.TURNS_DIFFER: "The numbers of questions and answers differ, or the numbers of turns of "
    "the two responses.",
    Reason.PROMPT_PART_UNREAD: "A column looks like a part of the prompt (`system`, `history`, "
    "`context`, `tools`) and the layout does not read it. List it in `ignore` if it is not part "
    "of the prompt, or read it with a column map.",
    Reason.MESSAGES_AS_TEXT: "A text column holds a list of messages written as text, which "
    "cannot be parsed without ambiguity.",
    Reason.TRANSCRIPT_IN_PROMPT: "The prompt holds a transcript written as one text, and turns "
    "before it.",
    Reason.RENDERED_TEMPLATE: "A text was rendered with a chat template and cannot be split "
    "into turns without ambiguity. Use the data before rendering.",
    Reason.RATING_OUT_OF_RANGE: "A rating is outside `minimum` and `maximum` of the source.",
    Reason.INVALID_TEXT: "A text contains half of a surrogate pair, which no Unicode encoding can "
    "store.",
}
"""By reason: the cause, and the solution if there is one."""
