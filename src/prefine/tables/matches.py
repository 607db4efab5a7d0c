"""Match the rows of keyed files to pairs, responses and prompts."""

from collections.abc import Sequence

import polars as pl

from prefine.errors import DataError
from prefine.schema import Winner
from prefine.step import Work
from prefine.tables.keyed import Key, KeyedFiles

PAIR = ["pair_id", "prompt_id", "chosen_id", "rejected_id", "own_id", "source"]
"""The columns of ``pairs`` that matching reads."""
JUDGED = ["prompt_id", "response_a", "response_b", "winner", "source", "file", "row", "own_id"]
"""The columns of ``judgements`` that matching reads."""

_BY_RAW_ROW = ("own_id", "row")
_FIRST = ["source", "source_file", "source_row"]


def keyed_rows(work: Work, keyed: KeyedFiles) -> pl.DataFrame:
    """Return the rows of all files, numbered from 0 in the column ``row_index``."""
    return work.read_all(keyed.rows_table).with_row_index("row_index")


def needs_judgements(key: Key) -> bool:
    """Return whether matching by this key reads judgements."""
    return key in _BY_RAW_ROW


def matched_pairs(
    rows: pl.DataFrame, key: Key, pairs: pl.DataFrame, judgements: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Match rows to the pairs of a shard.

    An own id or a raw row matches the pairs that it compares; if it rates or ranks single
    responses, it matches every pair of two of these.

    Args:
        rows: The result of ``keyed_rows``.
        key: The key of the rows.
        pairs: The columns ``PAIR``; the last two are optional.
        judgements: The columns ``JUDGED`` of the same shard, if ``needs_judgements(key)``.

    Returns:
        One row per match: ``row_index``, ``pair_id``, ``chosen_id`` and, for keys that refer
        to raw rows, ``source``, ``source_file`` and ``source_row`` of the pair's first raw row.
        ``chosen_id`` is the response that the row considers chosen: the one that it names, else the
        one that the labels of the raw row prefer, else null. A row that names a response of another
        pair has no match.
    """
    if judgements is None:
        matches = rows.select("row_index", "pair_id", pl.col("chosen_id").alias("named")).join(
            pairs.select("pair_id"), on="pair_id"
        )
        matches = matches.with_columns(
            *[pl.lit(None, pl.String).alias(name) for name in ("preferred", *_FIRST[:2])],
            pl.lit(None, pl.Int64).alias("source_row"),
        )
    else:
        matches = _judged_pairs(_raw_rows(rows, key, judgements), pairs)
        if key == "own_id" and "own_id" in pairs.columns:
            joint = _joint_ids(rows, pairs, matches.columns)
            matches = _one_per_pair(pl.concat([matches, joint]))
    directed = matches.join(pairs.select("pair_id", "chosen_id", "rejected_id"), on="pair_id")
    named = pl.col("named")
    belongs = named.is_null() | (named == pl.col("chosen_id")) | (named == pl.col("rejected_id"))
    return (
        directed.filter(belongs)
        .select(
            "row_index", "pair_id", pl.coalesce("named", "preferred").alias("chosen_id"), *_FIRST
        )
        .sort("pair_id", *_FIRST, "row_index")
    )


def matched_responses(
    rows: pl.DataFrame, key: Key, judgements: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Match rows to responses.

    An own id or a raw row matches the responses that it rates or ranks individually.

    Args:
        rows: The result of ``keyed_rows``.
        key: The key of the rows.
        judgements: The columns ``JUDGED`` of a shard, if ``needs_judgements(key)``.

    Returns:
        ``row_index`` and ``response_id``, and the first raw row as in ``matched_pairs``.
    """
    if judgements is None:
        return rows.select("row_index", "response_id").drop_nulls()
    single = _raw_rows(rows, key, judgements).filter(pl.col("response_b").is_null())
    return _first_rows(single.rename({"response_a": "response_id"}), "response_id")


def matched_prompts(
    rows: pl.DataFrame, key: Key, judgements: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Match rows to prompts.

    Args:
        rows: The result of ``keyed_rows``.
        key: The key of the rows.
        judgements: The columns ``JUDGED`` of a shard, if ``needs_judgements(key)``.

    Returns:
        ``row_index`` and ``prompt_id``, and the first raw row as in ``matched_pairs``.
    """
    if judgements is None:
        return rows.select("row_index", "prompt_id").drop_nulls()
    return _first_rows(_raw_rows(rows, key, judgements), "prompt_id")


def own_id_sources(rows: pl.DataFrame, judgements: pl.DataFrame) -> pl.DataFrame:
    """Return ``row_index`` and ``source`` of each row with an own id but without a source.

    A row with several sources is ambiguous.

    Args:
        rows: The result of ``keyed_rows``.
        judgements: The columns ``JUDGED`` of a shard.
    """
    bare = rows.filter(pl.col("source").is_null()).select("row_index", "own_id")
    known = judgements.select("own_id", "source").unique()
    return bare.join(known, on="own_id").select("row_index", "source")


def require_one_source(where: str, rows: pl.DataFrame, sources: Sequence[pl.DataFrame]) -> None:
    """Reject own ids that occur in several sources.

    Args:
        where: The name of the files in messages.
        rows: The result of ``keyed_rows``.
        sources: The results of ``own_id_sources`` for all shards.

    Raises:
        DataError: An own id occurs in several sources.
    """
    if not sources:
        return
    both = pl.concat(sources).unique().sort("row_index", "source")
    ambiguous = both.filter(pl.len().over("row_index") > 1)
    if ambiguous.height:
        position = ambiguous["row_index"][0]
        of_first = ambiguous.filter(pl.col("row_index") == position)
        sources_text = ", ".join(of_first["source"])
        raise DataError(
            f"{where}: own id `{rows['own_id'][position]}` occurs in the sources {sources_text}; "
            "select one with `source`, or add a source column with `key_columns: {source: ...}`"
        )


def _first_rows(matches: pl.DataFrame, key: str) -> pl.DataFrame:
    ordered = matches.select("row_index", key, *_FIRST).sort(key, *_FIRST, "row_index")
    return ordered.unique(["row_index", key], keep="first", maintain_order=True)


def _raw_rows(rows: pl.DataFrame, key: Key, judgements: pl.DataFrame) -> pl.DataFrame:
    """Return the judgements of the raw rows that the rows refer to, each with ``row_index``."""
    facts = judgements.rename({"file": "source_file", "row": "source_row"})
    named = pl.col("chosen_id").alias("named")
    if key == "row":
        return rows.select("row_index", named, *_FIRST).join(facts, on=_FIRST)
    by_id = rows.select("row_index", named, "own_id", pl.col("source").alias("requested"))
    joined = by_id.join(facts, on="own_id")
    return joined.filter(pl.col("requested").is_null() | (pl.col("requested") == pl.col("source")))


def _judged_pairs(judgements: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Return the pairs of judgements, with the response that their labels prefer."""
    columns = ["row_index", "pair_id", "named", "preferred", *_FIRST]
    low, high = (f("response_a", "response_b") for f in (pl.min_horizontal, pl.max_horizontal))
    unordered = pairs.select(
        "pair_id",
        pl.min_horizontal("chosen_id", "rejected_id").alias("low"),
        pl.max_horizontal("chosen_id", "rejected_id").alias("high"),
    )
    preferred = (
        pl.when(pl.col("winner") == Winner.A)
        .then(pl.col("response_a"))
        .when(pl.col("winner") == Winner.B)
        .then(pl.col("response_b"))
        .otherwise(pl.lit(None, pl.String))
    )
    labels = judgements.filter(pl.col("response_b").is_not_null()).with_columns(
        low.alias("low"), high.alias("high"), preferred.alias("preferred")
    )
    direct = labels.join(unordered, on=["low", "high"]).select(columns)
    single = judgements.filter(pl.col("response_b").is_null())
    members = single.sort("row_index", "response_a", *_FIRST).unique(
        ["row_index", "response_a"], keep="first", maintain_order=True
    )
    crossed = (
        members.join(unordered, left_on="response_a", right_on="low")
        .join(members.select("row_index", high="response_a"), on=["row_index", "high"], how="semi")
        .with_columns(pl.lit(None, pl.String).alias("preferred"))
        .select(columns)
    )
    return _one_per_pair(pl.concat([direct, crossed]))


def _joint_ids(rows: pl.DataFrame, pairs: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Return the pairs whose own id joins the ids of two raw rows, one for each side."""
    joint = pairs.filter(pl.col("own_id").str.contains("+", literal=True))
    by_id = rows.select(
        "row_index",
        "own_id",
        pl.col("chosen_id").alias("named"),
        pl.col("source").alias("requested"),
    )
    matches = by_id.join(joint, on="own_id").filter(
        pl.col("requested").is_null() | (pl.col("requested") == pl.col("source"))
    )
    return matches.with_columns(
        pl.lit(None, pl.String).alias("preferred"),
        pl.lit(None, pl.String).alias("source_file"),
        pl.lit(None, pl.Int64).alias("source_row"),
    ).select(columns)


def _one_per_pair(matches: pl.DataFrame) -> pl.DataFrame:
    """Keep one match per row and pair; contradicting labels give no preferred response."""
    sides = pl.col("preferred").drop_nulls()
    agreed = pl.when(sides.n_unique() == 1).then(sides.first()).otherwise(pl.lit(None, pl.String))
    first = [pl.col(name).first() for name in ("named", *_FIRST)]
    return (
        matches.sort("row_index", "pair_id", *_FIRST)
        .group_by("row_index", "pair_id", maintain_order=True)
        .agg(agreed.alias("preferred"), *first)
    )
