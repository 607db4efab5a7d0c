"""Export: decisions become shards that trainers read with no change.

What comes in: verdicts, facts, messages. What goes out: Parquet, a card, a manifest, explanations.
What never happens: a row that no decision keeps, or a kept row that is not there.
"""
