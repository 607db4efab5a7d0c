"""The shape of every table: Arrow schemas, ids, and the columns that rules may name.

What comes in: nothing. What goes out: schemas, content ids, column descriptions. What never happens
here: input, output, or a decision.
"""

from prefine.schema.columns import Column, Flip, flat_schema, ratio
from prefine.schema.ids import (
    Message,
    hash_unit,
    pair_id,
    prompt_id,
    response_id,
    shard_of,
    text_of,
)
from prefine.schema.tables import (
    DECISIONS,
    JUDGEMENTS,
    MESSAGES,
    PAIR_COLUMNS,
    PAIRS,
    PROMPTS,
    QUARANTINE,
    RESPONSES,
    Kind,
    Winner,
)

__all__ = [
    "DECISIONS",
    "JUDGEMENTS",
    "MESSAGES",
    "PAIRS",
    "PAIR_COLUMNS",
    "PROMPTS",
    "QUARANTINE",
    "RESPONSES",
    "Column",
    "Flip",
    "Kind",
    "Message",
    "Winner",
    "flat_schema",
    "hash_unit",
    "pair_id",
    "prompt_id",
    "ratio",
    "response_id",
    "shard_of",
    "text_of",
]
