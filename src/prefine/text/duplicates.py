"""Near duplicates of a list of texts, without a recipe."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from prefine.errors import DataError
from prefine.text.clusters import METHODS
from prefine.text.differences import TRAITS, Apart, differences
from prefine.text.distinct import Distinct, sketch_texts
from prefine.text.near import Bounds, Kept, cluster_centres, lexical_edges, split_by_traits
from prefine.text.words import Indices


def near_duplicates(
    texts: Iterable[str],
    *,
    jaccard: float = 0.8,
    character_jaccard: float | None = 0.7,
    apart: Iterable[Apart] = TRAITS,
) -> pl.DataFrame:
    """Cluster texts that are equal or nearly equal in words or characters.

    Candidates come from MinHash; each is confirmed by comparing whole texts. The result is that of
    the measure ``near_duplicates`` with ``by: [lexical]``, and it does not depend on the order of
    the texts, except that the first text of a cluster represents it. Works in any language.

    Args:
        texts: The texts, N of them.
        jaccard: Minimum Jaccard overlap of shingles of 3 words, in (0, 1].
        character_jaccard: Minimum Jaccard overlap of shingles of 3 characters for texts that
            differ by typos only; null compares words only.
        apart: Differences that keep near copies in different clusters: ``numbers``,
            ``negations``, ``symbols``.

    Returns:
        N rows in the order of the texts: ``index`` of the text, ``cluster`` (index of the first
        text of its cluster; its own where it has no near duplicate), ``cluster_size``, ``by``
        (``exact``, ``same_words``, ``words`` or ``characters``; null without near duplicate),
        ``overlap`` (largest Jaccard overlap with another text of the cluster; null likewise),
        ``differs`` (most serious difference from the first text of the cluster).

    Raises:
        DataError: A text is not a string, or not valid Unicode.
        ValueError: A bound is outside (0, 1], or ``apart`` has an unknown name.

    Examples:
        >>> from prefine.text import near_duplicates
        >>> texts = ["Name three fruits.", "name three fruits", "Sing!"]
        >>> near_duplicates(texts)["cluster"].to_list()
        [0, 0, 2]
    """
    listed = _strings(texts)
    bounds = Bounds(jaccard, character_jaccard=character_jaccard, apart=_known(apart))
    for name in ("jaccard", "character_jaccard"):
        value = getattr(bounds, name)
        if value is not None and not 0 < value <= 1:
            raise ValueError(f"{name} must lie in (0, 1], not {value}")
    ids = [str(index) for index in range(len(listed))]
    distinct = sketch_texts(
        lambda _part: (ids, listed),
        range(1),
        bounds.shingle_words,
        characters=character_jaccard is not None,
    )
    edges = split_by_traits(distinct, bounds, lexical_edges(distinct, bounds))
    centre = cluster_centres(distinct, bounds, edges.edges)[distinct.indices]
    return _table(listed, distinct, edges, centre)


def _strings(texts: Iterable[str]) -> list[str]:
    if isinstance(texts, str):
        raise DataError("near_duplicates takes a list of texts, not one text")
    listed = list(texts)
    for index, text in enumerate(listed):
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DataError(f"text {index} is {type(text).__name__}, not str")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            where = f"text {index}, character {error.start}"
            raise DataError(f"{where}: a lone surrogate is not valid Unicode") from error
    return listed


def _known(apart: Iterable[Apart]) -> tuple[Apart, ...]:
    names = (apart,) if isinstance(apart, str) else tuple(apart)
    if unknown := [name for name in names if name not in TRAITS]:
        raise ValueError(f"apart: unknown difference {unknown[0]!r}; known: {', '.join(TRAITS)}")
    return tuple(name for name in TRAITS if name in names)


def _table(texts: list[str], distinct: Distinct, kept: Kept, centre: Indices) -> pl.DataFrame:
    """Return one row for each text."""
    edges = kept.edges
    ends = pl.DataFrame(
        {
            "place": edges.pairs.ravel(),
            "method": np.repeat(edges.methods, 2),
            "overlap": np.repeat(edges.overlaps, 2),
            "same": np.repeat(_share_cluster(distinct, centre, edges.pairs), 2),
        }
    ).filter("same")
    strongest = ends.sort("place", "method", -pl.col("overlap")).unique("place", keep="first")
    rows = pl.DataFrame(
        {
            "index": np.arange(len(texts)),
            "place": distinct.indices,
            "text": distinct.exact,
            "centre": centre,
        },
        schema_overrides={"index": pl.Int64},
    ).join(strongest.drop("same"), on="place", how="left", maintain_order="left")
    size = pl.len().over("centre")
    exact, same_words = pl.len().over("text") > 1, pl.len().over("place") > 1
    methods = pl.col("method").replace_strict(dict(enumerate(METHODS)), return_dtype=pl.String)
    first = pl.col("index").min().over("centre")
    table = rows.select(
        "index",
        first.alias("cluster"),
        size.cast(pl.Int64).alias("cluster_size"),
        pl.when(exact)
        .then(pl.lit("exact"))
        .when(same_words)
        .then(pl.lit("same_words"))
        .when(size > 1)
        .then(methods)
        .alias("by"),
        pl.when(same_words).then(1.0).when(size > 1).then("overlap").alias("overlap"),
    )
    cluster: list[int] = table["cluster"].to_list()
    differs = differences(texts, [texts[index] for index in cluster])
    alone = pl.col("cluster_size") == 1
    return table.with_columns(pl.when(alone).then(None).otherwise(differs).alias("differs"))


def _share_cluster(distinct: Distinct, centre: Indices, pairs: Indices) -> np.ndarray:
    """Return whether each pair of distinct texts is in one cluster, shape (pairs,)."""
    of_place = np.zeros(len(distinct.keys), np.int64)
    of_place[distinct.indices] = centre
    return of_place[pairs[:, 0]] == of_place[pairs[:, 1]]
