"""The columns of near-duplicate clusters."""

import pyarrow as pa

from prefine.schema import COUNT, Column, Flip
from prefine.schema.columns import sides

_F64 = pa.float64()
_I64 = pa.int64()
_TEXT = pa.large_string()
_BOOL = pa.bool_()


_BY = "exact, same_words, words, characters, semantic"
_DIFFERENT = "the first that applies of numbers, negations, symbols, words, order, form, none"
_APART = "difference (numbers, negations or symbols; else null) that separates the cluster from a"


def _representative(of: str) -> Column:
    """Return the column that marks the representative of a cluster of pairs or prompts."""
    name, about = f"{of}_is_representative", f"whether the {of} represents its cluster"
    return Column(name, _BOOL, about, cluster=f"{of}_cluster", rank=f"{of}_cluster_rank")


def prompt_columns(*, semantic: bool) -> tuple[Column, ...]:
    """Return the columns of the prompt's cluster.

    Args:
        semantic: Whether embeddings are compared.
    """
    columns = (
        Column("prompt_cluster", _TEXT, "id of the representative of the prompt's cluster"),
        Column("prompt_cluster_size", _I64, "number of prompts in the cluster", range=COUNT),
        Column(
            "prompt_cluster_rank",
            _I64,
            "rank of the prompt in its cluster, 1 for the representative",
            range=COUNT,
        ),
        _representative("prompt"),
        Column("prompt_cluster_by", _TEXT, f"method that added the prompt to the cluster: {_BY}"),
        Column(
            "prompt_differs",
            _TEXT,
            f"kind of difference between the prompt and the representative: {_DIFFERENT}",
        ),
        Column("prompt_apart", _TEXT, f"{_APART} near duplicate of the prompt"),
        Column(
            "prompt_overlap",
            _F64,
            "largest overlap with another prompt by the method in prompt_cluster_by, in [0, 1]",
        ),
        Column(
            "prompt_component",
            _TEXT,
            "id of the connected component of near duplicates, which stays in one split",
        ),
    )
    nearest = "cosine of the prompt and the nearest compared prompt with other words, in [-1, 1]"
    why = "why there is no cosine: blank, unknown_words, too_long, alone; else null"
    similar = (
        Column("prompt_similarity", _F64, nearest),
        Column("prompt_similarity_reason", _TEXT, why),
    )
    return columns + (similar if semantic else ())


def response_columns() -> tuple[Column, ...]:
    """Return the columns of the clusters of both responses."""
    return (
        *sides("cluster", _TEXT, "id of the representative of the cluster"),
        *sides("cluster_size", _I64, "number of responses in the cluster", within=COUNT),
        *sides(
            "cluster_prompts",
            _I64,
            "number of distinct prompts with a response in the cluster",
            within=COUNT,
        ),
        *sides(
            "text_prompts",
            _I64,
            "number of distinct prompts answered with the exact text",
            within=COUNT,
        ),
        *sides("cluster_by", _TEXT, f"method ({_BY}) that determined the cluster"),
        *sides("apart", _TEXT, f"{_APART} near duplicate"),
        Column(
            "responses_alike",
            _BOOL,
            "whether chosen and rejected are equal except for white space at the ends of the text "
            "and of lines, and Unicode normalization",
        ),
        Column(
            "responses_differ",
            _TEXT,
            f"kind of difference between chosen and rejected: {_DIFFERENT}; null if they are not "
            "near duplicates",
        ),
    )


def pair_columns() -> tuple[Column, ...]:
    """Return the columns of the pair's cluster."""
    agreeing, opposed = "pair_cluster_agreeing", "pair_cluster_opposed"
    return (
        Column("pair_cluster", _TEXT, "id of the representative of the pair's cluster"),
        Column(
            "pair_cluster_size",
            _I64,
            "number of pairs in the cluster: pairs with near-duplicate prompts and responses",
            range=COUNT,
        ),
        Column(
            "pair_cluster_rank",
            _I64,
            "rank of the pair in its cluster, 1 for the representative",
            range=COUNT,
        ),
        _representative("pair"),
        Column(
            "pair_cluster_sources",
            _I64,
            "number of distinct sources with a pair of the cluster",
            range=COUNT,
        ),
        Column(
            agreeing,
            _I64,
            "number of other pairs of the cluster with the same label",
            Flip.SWAP,
            opposed,
            range=COUNT,
        ),
        Column(
            opposed,
            _I64,
            "number of pairs of the cluster with the opposite label",
            Flip.SWAP,
            agreeing,
            range=COUNT,
        ),
    )
