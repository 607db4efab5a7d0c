"""The neighbour graph of prompts, with cosines as edge weights."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


class Graph(NamedTuple):
    """A symmetric graph in CSR form: the neighbours of i are at ``starts[i]:starts[i + 1]``."""

    starts: Places
    """Shape (prompts + 1,)."""
    places: Places
    """The positions of the neighbours, shape (edges,)."""
    similarities: Floats
    """The cosines of the neighbours in [0, 1], shape (edges,)."""
    bounds: Floats
    """Upper bound of the cosine to an unlisted prompt, in [0, 1], shape (prompts,)."""

    def within(self, chosen: Places) -> "Graph":
        """Return the subgraph of some positions, which are renumbered in order.

        Args:
            chosen: The positions, sorted.
        """
        number = np.full(len(self.starts) - 1, -1)
        number[chosen] = np.arange(len(chosen))
        sources = number[np.repeat(np.arange(len(number)), np.diff(self.starts))]
        targets = number[self.places]
        inside = (sources >= 0) & (targets >= 0)
        starts = _starts(sources[inside], len(chosen))
        return Graph(starts, targets[inside], self.similarities[inside], self.bounds[chosen])


def graph_of(bounds: Floats, sources: Places, targets: Places, similarities: Floats) -> Graph:
    """Build a symmetric graph without duplicate edges.

    Args:
        bounds: Upper bound of the cosine to an unlisted prompt, shape (prompts,).
        sources: One end of each edge, shape (edges,).
        targets: The other end, shape (edges,).
        similarities: The cosines, shape (edges,); of duplicate edges the larger one is kept.
    """
    count = len(bounds)
    used = (sources != targets) & (similarities > 0)
    here, there = sources[used].astype(np.int64), targets[used].astype(np.int64)
    similar = np.concatenate([similarities[used]] * 2)
    edges = np.concatenate([here * count + there, there * count + here])
    order = np.argsort(edges)
    edges = edges[order]
    first = np.flatnonzero(np.diff(edges, prepend=-1))
    largest = np.maximum.reduceat(similar[order], first) if len(first) else similar
    rows, columns = np.divmod(edges[first], count)
    clipped = np.clip(bounds, 0.0, 1.0)
    return Graph(_starts(rows, count), columns, np.minimum(largest, 1.0), clipped)


def _starts(rows: Places, count: int) -> Places:
    """Return the start of each row and the end of the last one."""
    ends = np.cumsum(np.bincount(rows, minlength=count))
    return np.concatenate([[0], ends]).astype(np.int64)


class Nearby(NamedTuple):
    """The neighbour graph of all prompts, with their ids."""

    ids: pl.DataFrame
    """``prompt_id`` in the order of the graph."""
    has_vector: npt.NDArray[np.bool_]
    """Whether each prompt has an embedding, shape (prompts,)."""
    graph: Graph
    """The neighbour graph."""


def build_graph(lists: pl.DataFrame) -> Nearby:
    """Build the graph of all prompts from their lists of neighbours.

    Args:
        lists: The table ``neighbour_lists``: ``prompt_id``, ``places`` (positions in the list of
            all prompts sorted by id), ``similarities`` and ``is_blank``.
    """
    lists = lists.sort("prompt_id")
    has_vector = ~lists["is_blank"]
    last = pl.col("similarities").list.last().cast(pl.Float64)
    complete = pl.col("places").list.len() + 1 >= has_vector.sum()
    bounds = lists.select(pl.when(complete).then(0.0).otherwise(last).fill_null(0.0)).to_series()
    edges = lists.select("places", "similarities").with_row_index("source").explode(
        "places", "similarities"
    ).drop_nulls()  # fmt: skip
    graph = graph_of(
        bounds.to_numpy(),
        edges["source"].cast(pl.Int64).to_numpy(),
        edges["places"].cast(pl.Int64).to_numpy(),
        edges["similarities"].cast(pl.Float64).to_numpy(),
    )
    return Nearby(lists.select("prompt_id"), has_vector.to_numpy(), graph)
