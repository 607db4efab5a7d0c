"""Which judgements can direct pairs: one kind for each prompt of a source, and one aspect."""

from collections.abc import Iterable

import polars as pl

from prefine.errors import DataError
from prefine.pair.ratings import OVERALL
from prefine.pair.settings import Pairs
from prefine.schema import Kind, Winner

_KIND_OF = {"label": Kind.PAIR, "rank": Kind.RANK, "rating": Kind.RATING}
_JUDGES = {Kind.PAIR: "judges pairs", Kind.RANK: "ranks responses"}
_SOURCE = ("prompt_id", "source")
_ASPECT = pl.col("aspect").cast(pl.String)
_GENERAL = _ASPECT.is_null() | (_ASPECT == OVERALL)
_IS_LABEL = pl.col("kind") == Kind.PAIR
_NO_VALUE = ~_IS_LABEL & pl.col("winner").eq_missing(Winner.INVALID)


def outcomes(
    judgements: pl.DataFrame, config: Pairs, rewards: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Add ``outcome``: why a judgement cannot lead to a pair; null where it can.

    A prompt of a source uses the first kind in ``config.use`` that it has. A reward belongs to no
    source: where it comes before everything else that a prompt has, no judgement of it is used.

    Args:
        judgements: Raw labels, with the columns of their table.
        config: Which kinds are used, in order, and which aspect.
        rewards: What ``use: reward`` stands for; null where it is not used.

    Raises:
        DataError: A source judges several aspects, and the recipe does not say which one counts.
    """
    order = {str(_KIND_OF[use]): i for i, use in enumerate(config.use) if use in _KIND_OF}
    place = pl.col("kind").replace_strict(order, default=None, return_dtype=pl.Int64)
    counts = pl.col("counts")
    first = pl.col("place").filter(counts & ~_NO_VALUE).min().over(*_SOURCE)
    marked = judgements.with_columns(place.alias("place"), counts_by_aspect(config).alias("counts"))
    marked = marked.with_columns(first.alias("first"))
    if rewards is not None:
        rewarded = pl.col("prompt_id").is_in(rewards["prompt_id"].unique().implode())
        reward_place = pl.lit(config.use.index("reward"), pl.Int64)
        of_prompt = pl.col("first").min().over("prompt_id")
        wins = rewarded & (of_prompt.is_null() | (reward_place < of_prompt))
        by_reward = pl.when(wins).then(reward_place).otherwise("first")
        marked = marked.with_columns(by_reward.alias("first"))
    outcome = (
        pl.when(pl.col("place").is_null() | (pl.col("place") != pl.col("first")))
        .then(pl.lit("other_kind"))
        .when(~counts)
        .then(pl.lit("other_aspect"))
        .when(_NO_VALUE)
        .then(pl.lit("no_value"))
    )
    found = marked.with_columns(outcome.alias("outcome")).drop("place", "counts", "first")
    _require_one_aspect(found.filter(pl.col("outcome").is_null()))
    return found


def counts_by_aspect(config: Pairs) -> pl.Expr:
    """Return whether a judgement counts, as far as its aspect decides.

    Judgements are compared within a kind, a prompt and a source. Those of the recipe's aspect
    count where there are any; elsewhere, those without aspect or of the aspect ``overall``.
    Without such a setting, labels and ranks without aspect come before those with one, and ratings
    are left to their weights.
    """
    keys = (*_SOURCE, "kind")
    is_rating = pl.col("kind") == Kind.RATING
    if config.aspect is None:
        return is_rating | _GENERAL | ~_GENERAL.any().over(*keys)
    wanted = _ASPECT.eq_missing(pl.lit(config.aspect))
    counts = pl.when(wanted.any().over(*keys)).then(wanted).otherwise(_GENERAL)
    if not config.aspects:
        return counts
    has_weight = _ASPECT.is_in(list(config.aspects)).fill_null(value=False)
    return counts | (is_rating & has_weight.any().over(*keys))


def require_aspects(config: Pairs, parts: Iterable[pl.DataFrame]) -> None:
    """Refuse aspects of the recipe that nothing in the data has.

    Args:
        config: Names aspects of judgements, and of ratings.
        parts: ``kind`` and ``aspect`` of all judgements, shard by shard; those after the first that
            together have all aspects are not read.

    Raises:
        DataError: There is one, and there are judgements.
    """
    judged: set[str] = set()
    rated: set[str] = set()
    missing = _missing(config, judged, rated)
    if not missing:
        return
    any_judgement = False
    for part in parts:
        named = part.select("kind", _ASPECT.fill_null(OVERALL).alias("aspect")).unique()
        any_judgement |= part.height > 0
        judged.update(named["aspect"])
        rated.update(named.filter(pl.col("kind") == Kind.RATING)["aspect"])
        missing = _missing(config, judged, rated)
        if not missing:
            return
    if not any_judgement:
        return
    setting, name = missing[0]
    has, what = (judged, "judgement") if setting == "aspect" else (rated, "rating")
    known = f"the data have {', '.join(sorted(has))}" if has else f"the data have no {what}s"
    raise DataError(f"`pairs.{setting}` names `{name}`, but no {what} has this aspect; {known}")


def _missing(config: Pairs, judged: set[str], rated: set[str]) -> list[tuple[str, str]]:
    named = [] if config.aspect is None else [("aspect", config.aspect)]
    missing = [one for one in named if one[1] not in judged]
    return missing + [("aspects", name) for name in sorted(config.aspects) if name not in rated]


def _require_one_aspect(used: pl.DataFrame) -> None:
    """Refuse labels or ranks of several aspects of which nothing says which one counts."""
    for kind, judges in _JUDGES.items():
        aspects = _ASPECT.n_unique().over(*_SOURCE)
        several = used.filter(pl.col("kind") == kind, ~_GENERAL).filter(aspects > 1)
        if several.height:
            sources = sorted(several["source"].unique())
            names = sorted(several["aspect"].unique())
            raise DataError(
                f"source {', '.join(sources)} {judges} by {', '.join(names)}: "
                "set `pairs.aspect` to the one that decides"
            )
