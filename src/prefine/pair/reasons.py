"""Meanings of the text values of pairs and their labels."""

from collections.abc import Mapping

UNUSED_REASONS: Mapping[str, str] = {
    "other_kind": "The prompt has a kind of judgement that comes earlier in `pairs.use`, so this "
    "kind is not used. Change the order of `pairs.use`.",
    "other_aspect": "The judgement is on an aspect that is not used. Set `pairs.aspect`, or add "
    "the aspect to `pairs.aspects`.",
    "no_value": "The rating or ranking has no value, for example because the judge failed.",
    "no_common_rater": "Nobody rated this response together with another one, so its ratings "
    "cannot be compared.",
    "no_partner": "The list has no other response with a value.",
    "tie": "Every response of the list has the same value.",
    "not_selected": "`pairs.select` or `pairs.per_prompt` selected other pairs of the list. Use "
    "`select: all` to select every pair.",
    "too_narrow": "Every difference from another response is below `pairs.minimum_gap`. Lower "
    "`minimum_gap` to use the rating.",
}
"""By reason: why a label, rating or ranking is not used for any pair."""

LABEL_SOURCES: Mapping[str, str] = {
    "label": "A label that compares the two responses.",
    "rank": "The ranks of the two responses in one list.",
    "rating": "The ratings of the two responses.",
    "reward": "The rewards of the measure that `pairs.reward` names.",
    "verdict": "Human verdicts that outrank the labels.",
}
"""By value of ``label_source``: what decided which response is chosen."""

SELECTIONS: Mapping[str, str] = {
    "best_vs_worst": "One pair per list: the best response and the worst.",
    "best_vs_random": "One pair per list: the best response and a random worse one.",
    "adjacent": "Each response and the next worse one in the order of values.",
    "all": "Every two responses with different values.",
}
"""By value of ``pairs.select``: which pairs are built from a list of rated or ranked responses."""

VERDICT_REASONS: Mapping[str, str] = {
    "no_verdict": "The verdict is missing or blank.",
    "unknown_verdict": "The verdict is not one of right, wrong, tie, both_bad and drop.",
    "unknown_time": "The time is neither a number nor a date and time in ISO 8601.",
    "unmatched": "The key of the row matches no pair.",
    "no_direction": "The verdict is right or wrong, but neither the row nor the labels say which "
    "response was shown as chosen.",
}
"""By reason: why a row of human verdicts has no effect."""
