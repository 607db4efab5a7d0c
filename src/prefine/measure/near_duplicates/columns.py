"""What the clusters of near duplicates say beside a pair."""

import pyarrow as pa

from prefine.schema import COUNT, Column, Flip
from prefine.schema.columns import sides

_F64 = pa.float64()
_I64 = pa.int64()
_TEXT = pa.large_string()
_BOOL = pa.bool_()


_BY = "exact, same_words, words, characters, semantic"
_DIFFERENT = (
    "numbers, negations, symbols, words, order, form or none: the first of these that is so"
)
_APART = "what keeps it out of the cluster of a near copy: numbers, negations, symbols"


def _representative(of: str) -> Column:
    """Return the column that says whether a pair or prompt stands for its cluster."""
    name, about = f"{of}_is_representative", f"the {of} stands for its cluster"
    return Column(name, _BOOL, about, cluster=f"{of}_cluster", rank=f"{of}_cluster_rank")


def prompt_columns(*, semantic: bool) -> tuple[Column, ...]:
    """Return the columns on the prompt's cluster."""
    columns = (
        Column("prompt_cluster", _TEXT, "id of the representative of the prompt's cluster"),
        Column("prompt_cluster_size", _I64, "how many prompts are in the cluster", range=COUNT),
        Column(
            "prompt_cluster_rank",
            _I64,
            "its place in the cluster, 1 the representative",
            range=COUNT,
        ),
        _representative("prompt"),
        Column("prompt_cluster_by", _TEXT, f"how it joined: {_BY}"),
        Column("prompt_differs", _TEXT, f"how it differs from the representative: in {_DIFFERENT}"),
        Column("prompt_apart", _TEXT, _APART),
        Column("prompt_overlap", _F64, "its largest overlap with another prompt, in that way"),
        Column("prompt_component", _TEXT, "the clusters of one component stay in one split"),
    )
    nearest = "cosine to the nearest prompt of other words that was looked at, in [-1, 1]"
    why = "why there is none: blank, unknown_words, too_long, alone; else null"
    similar = (
        Column("prompt_similarity", _F64, nearest),
        Column("prompt_similarity_reason", _TEXT, why),
    )
    return columns + (similar if semantic else ())


def response_columns() -> tuple[Column, ...]:
    """Return the columns on the clusters of both responses."""
    return (
        *sides("cluster", _TEXT, "id of the representative of the cluster"),
        *sides("cluster_size", _I64, "number of responses in the cluster", within=COUNT),
        *sides("cluster_prompts", _I64, "number of prompts that the cluster answers", within=COUNT),
        *sides(
            "text_prompts", _I64, "number of prompts answered in the very same words", within=COUNT
        ),
        *sides("cluster_by", _TEXT, f"how it joined: {_BY};"),
        *sides("apart", _TEXT, f"{_APART};"),
        Column(
            "responses_alike",
            _BOOL,
            "chosen and rejected are equal but for white space at the ends of the text and of "
            "lines, and Unicode form",
        ),
        Column(
            "responses_differ",
            _TEXT,
            f"how chosen and rejected differ: in {_DIFFERENT}; null where they are no near copies",
        ),
    )


def pair_columns() -> tuple[Column, ...]:
    """Return the columns on the pair's own cluster."""
    agreeing, opposed = "pair_cluster_agreeing", "pair_cluster_opposed"
    return (
        Column("pair_cluster", _TEXT, "id of the representative of the pair's cluster"),
        Column(
            "pair_cluster_size",
            _I64,
            "pairs whose prompts and both responses are alike",
            range=COUNT,
        ),
        Column(
            "pair_cluster_rank", _I64, "its place in the cluster, 1 the representative", range=COUNT
        ),
        _representative("pair"),
        Column(
            "pair_cluster_sources",
            _I64,
            "distinct sources that hold a pair of the cluster",
            range=COUNT,
        ),
        Column(
            agreeing,
            _I64,
            "other pairs of the cluster with this label",
            Flip.SWAP,
            opposed,
            range=COUNT,
        ),
        Column(
            opposed,
            _I64,
            "pairs of the cluster with the label reversed",
            Flip.SWAP,
            agreeing,
            range=COUNT,
        ),
    )
