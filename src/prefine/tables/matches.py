"""Find the pairs, responses and prompts that the rows of keyed files are about."""

from collections.abc import Sequence

import polars as pl

from prefine.errors import DataError
from prefine.schema import Winner
from prefine.step import Work
from prefine.tables.keyed import Key, KeyedFiles

PAIR = ["pair_id", "prompt_id", "chosen_id", "rejected_id", "own_id", "source"]
"""The columns of ``pairs`` that are read here."""
JUDGED = ["prompt_id", "response_a", "response_b", "winner", "source", "file", "row", "own_id"]
"""The columns of ``judgements`` that are read here."""

_BY_RAW_ROW = ("own_id", "row")
_FIRST = ["source", "source_file", "source_row"]


def keyed_rows(work: Work, keyed: KeyedFiles) -> pl.DataFrame:
    """Return the rows of all files, with a number ``place`` from 0."""
    return work.read_all(keyed.rows_table).with_row_index("place")


def needs_judgements(key: Key) -> bool:
    """Tell whether judgements are needed to find what a row is about."""
    return key in _BY_RAW_ROW


def matched_pairs(
    rows: pl.DataFrame, key: Key, pairs: pl.DataFrame, judgements: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Find which pairs of a shard the rows are about.

    An own id or a raw row is about the couples that it judges; where it rates or ranks single
    responses, about every pair of two of these.

    Args:
        rows: As ``keyed_rows`` returns them.
        key: What the rows are matched by.
        pairs: With the columns ``PAIR``; before pairs have an own id, without the last two.
        judgements: Those of the same shard, with the columns ``JUDGED``, where
            ``needs_judgements``.

    Returns:
        ``place`` of a row, ``pair_id``, ``chosen_id`` and, for keys that name raw rows, ``source``,
        ``source_file`` and ``source_row`` of the first of these behind the pair; one row for each
        row and pair. ``chosen_id`` is the response that the row takes for the chosen one: the one
        that it names, else the one that the raw row's labels prefer, else null. A row that names a
        response of another pair matches nothing.
    """
    if judgements is None:
        found = rows.select("place", "pair_id", pl.col("chosen_id").alias("named")).join(
            pairs.select("pair_id"), on="pair_id"
        )
        found = found.with_columns(
            *[pl.lit(None, pl.String).alias(name) for name in ("preferred", *_FIRST[:2])],
            pl.lit(None, pl.Int64).alias("source_row"),
        )
    else:
        found = _judged_pairs(_raw_rows(rows, key, judgements), pairs)
        if key == "own_id" and "own_id" in pairs.columns:
            found = _one_a_pair(pl.concat([found, _joint_ids(rows, pairs, found.columns)]))
    directed = found.join(pairs.select("pair_id", "chosen_id", "rejected_id"), on="pair_id")
    named = pl.col("named")
    belongs = named.is_null() | (named == pl.col("chosen_id")) | (named == pl.col("rejected_id"))
    return (
        directed.filter(belongs)
        .select("place", "pair_id", pl.coalesce("named", "preferred").alias("chosen_id"), *_FIRST)
        .sort("pair_id", *_FIRST, "place")
    )


def matched_responses(
    rows: pl.DataFrame, key: Key, judgements: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Find which responses the rows are about.

    An own id or a raw row is about the responses that it rates or ranks one by one.

    Args:
        rows: As ``keyed_rows`` returns them.
        key: What the rows are matched by.
        judgements: Those of a shard, with the columns ``JUDGED``, where ``needs_judgements``.

    Returns:
        ``place`` and ``response_id``, and the first raw row as in ``matched_pairs``.
    """
    if judgements is None:
        return rows.select("place", "response_id").drop_nulls()
    single = _raw_rows(rows, key, judgements).filter(pl.col("response_b").is_null())
    return _first_rows(single.rename({"response_a": "response_id"}), "response_id")


def matched_prompts(
    rows: pl.DataFrame, key: Key, judgements: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Find which prompts the rows are about.

    Args:
        rows: As ``keyed_rows`` returns them.
        key: What the rows are matched by.
        judgements: Those of a shard, with the columns ``JUDGED``, where ``needs_judgements``.

    Returns:
        ``place`` and ``prompt_id``, and the first raw row as in ``matched_pairs``.
    """
    if judgements is None:
        return rows.select("place", "prompt_id").drop_nulls()
    return _first_rows(_raw_rows(rows, key, judgements), "prompt_id")


def own_id_sources(rows: pl.DataFrame, judgements: pl.DataFrame) -> pl.DataFrame:
    """Return ``place`` and ``source`` of each row that has an own id and names no source.

    A row with several sources is ambiguous.

    Args:
        rows: As ``keyed_rows`` returns them.
        judgements: Those of a shard, with the columns ``JUDGED``.
    """
    bare = rows.filter(pl.col("source").is_null()).select("place", "own_id")
    known = judgements.select("own_id", "source").unique()
    return bare.join(known, on="own_id").select("place", "source")


def require_one_source(where: str, rows: pl.DataFrame, sources: Sequence[pl.DataFrame]) -> None:
    """Refuse an own id that stands in several sources.

    Args:
        where: What the files are called in messages.
        rows: As ``keyed_rows`` returns them.
        sources: What ``own_id_sources`` returned for each shard.

    Raises:
        DataError: There is one.
    """
    if not sources:
        return
    both = pl.concat(sources).unique().sort("place", "source")
    twice = both.filter(pl.len().over("place") > 1)
    if twice.height:
        place = twice["place"][0]
        named = ", ".join(twice.filter(pl.col("place") == place)["source"])
        raise DataError(
            f"{where}: the own id `{rows['own_id'][place]}` stands in the sources {named}; say "
            "which one is meant with `source`, or with a column `key_columns: {source: ...}`"
        )


def _first_rows(found: pl.DataFrame, key: str) -> pl.DataFrame:
    ordered = found.select("place", key, *_FIRST).sort(key, *_FIRST, "place")
    return ordered.unique(["place", key], keep="first", maintain_order=True)


def _raw_rows(rows: pl.DataFrame, key: Key, judgements: pl.DataFrame) -> pl.DataFrame:
    """Return the judgements of the raw rows that the rows name, each with ``place``."""
    facts = judgements.rename({"file": "source_file", "row": "source_row"})
    named = pl.col("chosen_id").alias("named")
    if key == "row":
        return rows.select("place", named, *_FIRST).join(facts, on=_FIRST)
    wanted = rows.select("place", named, "own_id", pl.col("source").alias("wanted"))
    found = wanted.join(facts, on="own_id")
    return found.filter(pl.col("wanted").is_null() | (pl.col("wanted") == pl.col("source")))


def _judged_pairs(found: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Return the pairs behind judgements, with the response that their labels prefer."""
    columns = ["place", "pair_id", "named", "preferred", *_FIRST]
    low, high = (f("response_a", "response_b") for f in (pl.min_horizontal, pl.max_horizontal))
    couples = pairs.select(
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
    labels = found.filter(pl.col("response_b").is_not_null()).with_columns(
        low.alias("low"), high.alias("high"), preferred.alias("preferred")
    )
    direct = labels.join(couples, on=["low", "high"]).select(columns)
    single = found.filter(pl.col("response_b").is_null())
    members = single.sort("place", "response_a", *_FIRST).unique(
        ["place", "response_a"], keep="first", maintain_order=True
    )
    crossed = (
        members.join(couples, left_on="response_a", right_on="low")
        .join(members.select("place", high="response_a"), on=["place", "high"], how="semi")
        .with_columns(pl.lit(None, pl.String).alias("preferred"))
        .select(columns)
    )
    return _one_a_pair(pl.concat([direct, crossed]))


def _joint_ids(rows: pl.DataFrame, pairs: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Return the pairs whose own id is made of those of two raw rows, one for each side."""
    joint = pairs.filter(pl.col("own_id").str.contains("+", literal=True))
    named = rows.select(
        "place", "own_id", pl.col("chosen_id").alias("named"), pl.col("source").alias("wanted")
    )
    found = named.join(joint, on="own_id").filter(
        pl.col("wanted").is_null() | (pl.col("wanted") == pl.col("source"))
    )
    return found.with_columns(
        pl.lit(None, pl.String).alias("preferred"),
        pl.lit(None, pl.String).alias("source_file"),
        pl.lit(None, pl.Int64).alias("source_row"),
    ).select(columns)


def _one_a_pair(found: pl.DataFrame) -> pl.DataFrame:
    """Keep one row for each row and pair; labels that prefer different sides prefer none."""
    sides = pl.col("preferred").drop_nulls()
    agreed = pl.when(sides.n_unique() == 1).then(sides.first()).otherwise(pl.lit(None, pl.String))
    first = [pl.col(name).first() for name in ("named", *_FIRST)]
    return (
        found.sort("place", "pair_id", *_FIRST)
        .group_by("place", "pair_id", maintain_order=True)
        .agg(agreed.alias("preferred"), *first)
    )
