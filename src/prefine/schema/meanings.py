"""What the columns of the tables mean that are not facts about pairs."""

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
        "source": "Source that holds the prompt; the first by name if several do.",
        "split": "Split that the source states.",
        "language": "Language that the source states.",
        "group": "The source's own subset or category.",
        "meta": "Further facts of the layout, as JSON.",
        "tools": "Tools that the prompt offers, as JSON; only with `tools: keep`.",
    },
    "responses": {
        "response_id": KEY_MEANINGS["response_id"],
        "prompt_id": KEY_MEANINGS["prompt_id"],
        "messages": "Messages of the response; the first and the last are the assistant's.",
        "model": "Model that wrote the response; the first by name if several wrote the same.",
        "meta": "Further facts of the layout, as JSON.",
    },
    "judgements": {
        "prompt_id": KEY_MEANINGS["prompt_id"],
        "kind": "`pair` compares two responses, `rating` rates one, `rank` gives its place in the "
        "row's list (1 is the best).",
        "response_a": "Id of the judged response, or of the first one of a pair.",
        "context_mismatch": "The responses do not all answer the same conversation.",
        "source": "Source of the raw row.",
        "file": "First 12 hex digits of the SHA-256 of the file; commands show its path.",
        "row": "Number of the raw row in its file, from 1.",
        "index": "Number of the judgement among those of its row.",
        "response_b": "Id of the second response of a pair.",
        "winner": "For a pair: `a`, `b`, `tie`, `both_bad` (neither is acceptable) or `invalid` "
        "(the label names no side).",
        "strength": "Strength of the preference, at least 0, in `strength_unit`.",
        "strength_unit": "Name of the scale of `strength`.",
        "rating": "Rating of the response; higher is better.",
        "rank": "Place of the response in the list of its row; 1 is the best.",
        "aspect": "What was judged, such as helpfulness; null or `overall` is the whole.",
        "annotator": "Who judged.",
        "label": "The raw value, as text.",
        "own_id": "Your id of the raw row (`id` of the source).",
        "kept": "Columns that the source keeps, as a JSON object.",
    },
    "quarantine": {
        "source": "Source, benchmark or table of the raw row.",
        "file": "First 12 hex digits of the SHA-256 of the file; commands show its path.",
        "row": "Number of the raw row in its file, from 1.",
        "reason": "Why the row could not be read; see the page on reasons.",
        "detail": "What was found, and where in the row.",
        "own_id": "Your id of the raw row, if it could be read.",
        "text": "The raw row, truncated.",
    },
    "decisions": {
        "pair_id": KEY_MEANINGS["pair_id"],
        "verdict": "`keep`, `drop`, `flip` (kept, with chosen and rejected swapped) or `hold` (set "
        "aside for a human).",
        "weight": "Weight of the pair for training; 1.",
        "order": "Random position in [0, 1), drawn by the seed; breaks ties of caps and budgets.",
        "rule": "Rule that decided; null for a pair that passed every rule.",
        "column": "Column that the rule tested, or by which it groups.",
        "value": "The pair's value of that column, or its place for caps and budgets.",
        "threshold": "Bound, quantile or number that the value was compared with.",
        "flipped_by": "Last rule that flipped the pair and was not undone; also for a pair that a "
        "later rule dropped.",
        "flips": "Every rule that flipped the pair, in order.",
        "value_text": "The value, where the column holds texts.",
        "threshold_text": "The value that the rule wants, where the column holds texts.",
    },
}
"""By table and column. The columns of ``pairs`` state their own meaning."""
