"""What the clusters of near duplicates say beside a pair."""

import pyarrow as pa

from prefine.schema import Column, Flip
from prefine.schema.columns import sides

_F64 = pa.float64()
_I64 = pa.int64()
_TEXT = pa.large_string()
_BOOL = pa.bool_()


def prompt_columns(*, semantic: bool) -> tuple[Column, ...]:
    """Return the columns on the prompt's cluster."""
    columns = (
        Column("prompt_cluster", _TEXT, "id of the representative of the prompt's cluster"),
        Column("prompt_cluster_size", _I64, "how many prompts are in the cluster"),
        Column("prompt_is_representative", _BOOL, "the prompt stands for its cluster"),
        Column("prompt_cluster_by", _TEXT, "how it joined: exact, words, characters, semantic"),
        Column("prompt_overlap", _F64, "its largest overlap with another prompt, in that way"),
        Column("prompt_component", _TEXT, "the clusters of one component stay in one split"),
    )
    nearest = "cosine to the nearest prompt of other words that was looked at, in [-1, 1]"
    return columns + ((Column("prompt_similarity", _F64, nearest),) if semantic else ())


def response_columns() -> tuple[Column, ...]:
    """Return the columns on the clusters of both responses."""
    return (
        *sides("cluster", _TEXT, "id of the representative of the cluster"),
        *sides("cluster_size", _I64, "number of responses in the cluster"),
        *sides("cluster_prompts", _I64, "number of prompts that the cluster answers"),
        *sides("text_prompts", _I64, "number of prompts answered in the very same words"),
        *sides("cluster_by", _TEXT, "how it joined: exact, words, characters, semantic;"),
        Column("responses_alike", _BOOL, "chosen and rejected are in one cluster"),
    )


def pair_columns() -> tuple[Column, ...]:
    """Return the columns on the pair's own cluster."""
    agreeing, opposed = "pair_cluster_agreeing", "pair_cluster_opposed"
    return (
        Column("pair_cluster", _TEXT, "id of the representative of the pair's cluster"),
        Column("pair_cluster_size", _I64, "pairs whose prompts and both responses are alike"),
        Column("pair_is_representative", _BOOL, "the pair stands for its cluster"),
        Column("pair_cluster_sources", _I64, "distinct sources that hold a pair of the cluster"),
        Column(agreeing, _I64, "other pairs of the cluster with this label", Flip.SWAP, opposed),
        Column(opposed, _I64, "pairs of the cluster with the label reversed", Flip.SWAP, agreeing),
    )
