"""Which prompts are near which, as a graph of cosines."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


class Graph(NamedTuple):
    """A symmetric graph of prompts: row i has the neighbours at ``starts[i]:starts[i + 1]``."""

    starts: Places
    places: Places
    similarities: Floats
    """Cosines in [0, 1]."""
    bounds: Floats
    """The largest cosine that an unlisted prompt could have, in [0, 1], shape (places,)."""

    def within(self, chosen: Places) -> "Graph":
        """Return the subgraph of some places, which are renumbered in order.

        Args:
            chosen: The places, sorted.
        """
        number = np.full(len(self.starts) - 1, -1)
        number[chosen] = np.arange(len(chosen))
        sources = number[np.repeat(np.arange(len(number)), np.diff(self.starts))]
        targets = number[self.places]
        inside = (sources >= 0) & (targets >= 0)
        starts = _starts(sources[inside], len(chosen))
        return Graph(starts, targets[inside], self.similarities[inside], self.bounds[chosen])


def graph_of(bounds: Floats, sources: Places, targets: Places, similarities: Floats) -> Graph:
    """Build a graph: edges by source, each in both directions, once.

    Args:
        bounds: The largest cosine that an unlisted prompt could have, for each place.
        sources: One end of each edge.
        targets: The other end.
        similarities: Cosines; an edge that is given twice has the larger one.
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
    """Return where each row begins, and where the last one ends."""
    ends = np.cumsum(np.bincount(rows, minlength=count))
    return np.concatenate([[0], ends]).astype(np.int64)


class Nearby(NamedTuple):
    """The graph of all prompts, with their ids."""

    ids: pl.DataFrame
    """``prompt_id`` in order; its rows are the places of the graph."""
    has_vector: npt.NDArray[np.bool_]
    """False for a blank prompt, shape (places,)."""
    graph: Graph


def nearby(lists: pl.DataFrame) -> Nearby:
    """Build the graph of all prompts from their lists of neighbours.

    Args:
        lists: ``prompt_id``, ``places`` in the list of all prompts sorted by id, ``similarities``
            and whether the prompt ``is_blank``.
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
