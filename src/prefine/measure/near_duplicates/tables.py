"""Schemas of the tables of clusters."""

import pyarrow as pa

_TEXT, _I64, _BOOL = pa.large_string(), pa.int64(), pa.bool_()
PROMPT_CLUSTERS = "prompt_clusters"
RESPONSE_CLUSTERS = "response_clusters"
PAIR_CLUSTERS = "pair_clusters"
SCHEMAS = {
    PROMPT_CLUSTERS: pa.schema(
        {
            "prompt_id": _TEXT,
            "prompt_cluster": _TEXT,
            "prompt_cluster_size": _I64,
            "prompt_cluster_rank": _I64,
            "prompt_is_representative": _BOOL,
            "prompt_cluster_by": _TEXT,
            "prompt_differs": _TEXT,
            "prompt_apart": _TEXT,
            "prompt_overlap": pa.float64(),
            "prompt_component": _TEXT,
            "prompt_similarity": pa.float64(),
            "prompt_similarity_reason": _TEXT,
        }
    ),
    RESPONSE_CLUSTERS: pa.schema(
        {
            "response_id": _TEXT,
            "text": pa.uint64(),
            "cluster": _TEXT,
            "cluster_size": _I64,
            "cluster_prompts": _I64,
            "text_prompts": _I64,
            "cluster_by": _TEXT,
            "apart": _TEXT,
            "overlap": pa.float64(),
            "component": _TEXT,
        }
    ),
    PAIR_CLUSTERS: pa.schema(
        {
            "pair_id": _TEXT,
            "pair_cluster": _TEXT,
            "pair_cluster_size": _I64,
            "pair_cluster_rank": _I64,
            "pair_is_representative": _BOOL,
            "pair_cluster_sources": _I64,
            "pair_cluster_agreeing": _I64,
            "pair_cluster_opposed": _I64,
        }
    ),
}
"""The schemas by table; ``text`` is a hash of the exact text of a response."""
