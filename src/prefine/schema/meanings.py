"""Meanings of the columns of all tables but ``pairs``."""

from collections.abc import Mapping

KEY_MEANINGS: Mapping[str, str] = {
    "pair_id": "Id of the pair: a hash of both response ids, the same in either direction.",
    "prompt_id": "Id of the prompt: a hash of its messages and tools.",
    "response_id": "Id of the response: a hash of the prompt id and the response's messages.",
    "chosen_id": "Id of the preferred response.",
    "rejected_id": "Id of the other response.",
}
"""Ids are the first 24 hex digits of a SHA-256 of the content."""

MEANINGS: Mapping[str, Mapping[str, str]] = {
    "prompts": {
        "prompt_id": KEY_MEANINGS["prompt_id"],
        "messages": "Messages of the prompt, from the first to the last before the response.",
        "source": "Source of the prompt; the first by name if there are several.",
        "split": "Split, as named in the source.",
        "language": "Language, as named in the source.",
        "group": "Subset or category, as named in the source.",
        "meta": "Further fields that the layout reads, as JSON.",
        "tools": "Tools of the prompt, as JSON; only with `tools: keep`.",
    },
    "responses": {
        "response_id": KEY_MEANINGS["response_id"],
        "prompt_id": KEY_MEANINGS["prompt_id"],
        "messages": "Messages of the response; the first and the last are by the assistant.",
        "model": "Model that wrote the response; the first by name if there are several.",
        "meta": "Further fields that the layout reads, as JSON.",
    },
    "judgements": {
        "prompt_id": KEY_MEANINGS["prompt_id"],
        "kind": "`pair` compares two responses, `rating` rates one response, `rank` ranks it in "
        "the list of its row.",
        "response_a": "Id of the judged response, or of the first one of a pair.",
        "context_mismatch": "Whether the responses answer different conversations.",
        "source": "Source of the row.",
        "file": "First 12 hex digits of the SHA-256 of the file; commands show its path.",
        "row": "Number of the source row in its file, from 1.",
        "index": "Number of the judgement within its row.",
        "response_b": "Id of the second response of a pair.",
        "winner": "For a pair: `a`, `b`, `tie`, `both_bad` (neither is acceptable) or `invalid` "
        "(the label has no valid result).",
        "strength": "Strength of the preference, at least 0, in `strength_unit`.",
        "strength_unit": "Name of the scale of `strength`.",
        "rating": "Rating of the response; higher is better.",
        "rank": "Rank of the response in the list of its row; 1 is the best.",
        "aspect": "Aspect that was judged, such as helpfulness; null or `overall` means the "
        "response as a whole.",
        "annotator": "Name of the annotator.",
        "label": "The original value, as text.",
        "own_id": "Your own id of the source row (`id` of the source).",
        "kept": "Kept columns of the source row (`keep` of the source), as a JSON object.",
    },
    "quarantine": {
        "source": "Source, benchmark or table of the row.",
        "file": "First 12 hex digits of the SHA-256 of the file; commands show its path.",
        "row": "Number of the row in its file, from 1.",
        "reason": "Why the row could not be read; see the page on reasons.",
        "detail": "What was found, and where in the row.",
        "own_id": "Your own id of the row, if it could be read.",
        "text": "The row as it is in the file, truncated.",
    },
    "decisions": {
        "pair_id": KEY_MEANINGS["pair_id"],
        "verdict": "`keep`, `drop`, `flip` (kept, with chosen and rejected swapped) or `hold` (set "
        "aside for a human).",
        "weight": "Weight of the pair for training, always 1.",
        "order": "Random number in [0, 1) from the seed; breaks ties of caps and budgets.",
        "rule": "Rule that dropped, held or flipped the pair; null if every rule passed it.",
        "column": "Column that the rule tested or grouped by.",
        "value": "The pair's value in this column, or its position for caps and budgets.",
        "threshold": "Bound, quantile or number that the value was compared with.",
        "flipped_by": "Last rule that flipped the pair, if it was not flipped back; also for a "
        "pair that a later rule dropped.",
        "flips": "Every rule that flipped the pair, in order.",
        "value_text": "The value, if the column contains text.",
        "threshold_text": "The value that the rule compares with, if the column contains text.",
    },
}
"""By table and column. The columns of ``pairs`` state their own meaning."""
