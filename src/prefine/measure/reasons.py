"""Meanings of the text values that measures write."""

from collections.abc import Mapping

MEASURE_REASONS: Mapping[str, str] = {
    "blank": "The prompt or a response is blank and has no embedding.",
    "unknown_words": "The encoder does not know enough of the words: their share is above "
    "`encoder.max_unknown_ratio`. Use an encoder that knows the language (`docs/encoders.md`).",
    "too_long": "The text is longer than the limit of the measure or the encoder. Raise "
    "`max_tokens` of the measure, or `encoder.max_chars` or `encoder.max_tokens`.",
    "cut": "The conversation was longer than `max_tokens`, and the reward is that of its last "
    "tokens (`over_long: flag_and_cut`). There is a value.",
    "template_refused": "The chat template refuses the tools or tool calls of the conversation, or "
    "leaves them out. Set `template` to one that shows them.",
    "alone": "There is no other text, pair or response to compare with.",
    "too_few": "There are fewer other prompts than `kth`.",
    "same_vectors": "Both responses have the same embedding, so the pair has no direction.",
    "no_sums": "The CHES measure stored no states of the pair's responses, because they were too "
    "long or the chat template refused them.",
    "unparsable": "No answer of the judge could be read in at least one order. Raise "
    "`reasoning_tokens` or `samples`, or change `wording`.",
}
"""By reason: why a row has no value; only a row with ``cut`` has one."""

CLUSTERED_BY: Mapping[str, str] = {
    "exact": "Equal texts, apart from white space at the ends of lines and Unicode form.",
    "same_words": "The same words in the same order; case, punctuation and markup may differ.",
    "words": "The Jaccard index of word shingles is at least `jaccard`.",
    "characters": "The Jaccard index of character shingles is at least `character_jaccard`.",
    "semantic": "The cosine of the embeddings is at least `similarity`.",
}
"""By value of ``prompt_cluster_by`` and the like: how a text joined its cluster."""

DIFFERENCES: Mapping[str, str] = {
    "numbers": "A number differs.",
    "negations": "A negation is in one text only.",
    "symbols": "A symbol that changes the meaning, such as `<` and `<=`, differs.",
    "words": "Other words differ.",
    "order": "The same words are in another order.",
    "form": "Only case, white space, punctuation or markup differs.",
    "none": "Nothing differs.",
}
"""By value of ``prompt_differs`` and the like: the first of these that applies."""

CONTAMINATED_BY: Mapping[str, str] = {
    "exact": "A turn has the same words as the item.",
    "ngrams": "Runs of `ngram_words` words of the item occur in the text.",
    "whole": "All words of an item of fewer than `ngram_words` words occur in a row in the text.",
}
"""By value of ``contamination_by``: how an item matches."""

EXAMPLE_REASONS: Mapping[str, str] = {
    "repeated": "The text occurs earlier in the files; it is embedded once.",
}
"""By reason: why an example has no row of its own among the embeddings."""
