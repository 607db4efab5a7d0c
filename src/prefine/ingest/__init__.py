"""Ingest: raw files become prompts, responses and judgements, partitioned by prompt.

What comes in: files in some forty published spellings. What goes out: the house's tables, and a
quarantine. What never happens: a row that vanishes, or a layout that is guessed.
"""
