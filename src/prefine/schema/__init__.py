"""Arrow schemas of the tables, content ids, and the columns that rules may name."""

from prefine.schema.columns import UNKNOWN, VALUE_TYPES, Column, Flip, ValueType, flat_schema, ratio
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
    pairs_schema,
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
    "UNKNOWN",
    "VALUE_TYPES",
    "Column",
    "Flip",
    "Kind",
    "Message",
    "ValueType",
    "Winner",
    "flat_schema",
    "hash_unit",
    "pair_id",
    "pairs_schema",
    "prompt_id",
    "ratio",
    "response_id",
    "shard_of",
    "text_of",
]
