"""Decide which judgements direct pairs: one kind per prompt and source, and one aspect."""

from collections.abc import Iterable

import polars as pl

from prefine.errors import DataError
from prefine.pair.ratings import OVERALL
from prefine.pair.settings import Pairs
from prefine.schema import Kind, Winner

_KIND_OF = {"label": Kind.PAIR, "rank": Kind.RANK, "rating": Kind.RATING}
_JUDGES = {Kind.PAIR: "labels pairs", Kind.RANK: "ranks responses"}
_SOURCE = ("prompt_id", "source")
_ASPECT = pl.col("aspect").cast(pl.String)
_GENERAL = _ASPECT.is_null() | (_ASPECT == OVERALL)
_IS_LABEL = pl.col("kind") == Kind.PAIR
_NO_VALUE = ~_IS_LABEL & pl.col("winner").eq_missing(Winner.INVALID)


def outcomes(
    judgements: pl.DataFrame, config: Pairs, rewards: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Add ``outcome``: why no pair can be built from a judgement; null if one can.

    For each prompt and source, the first kind in ``config.use`` that has judgements is used. If
    ``reward`` comes before the kinds of all judgements of a prompt, none of them is used.

    Args:
        judgements: The table ``judgements``.
        config: The kinds to use, in order, and the aspect.
        rewards: Rewards of responses for ``use: [reward]``; None if it is not used.

    Raises:
        DataError: A source has labels on several aspects, and the recipe does not choose one.
    """
    order = {str(_KIND_OF[use]): i for i, use in enumerate(config.use) if use in _KIND_OF}
    position = pl.col("kind").replace_strict(order, default=None, return_dtype=pl.Int64)
    counts = pl.col("counts")
    first = pl.col("position").filter(counts & ~_NO_VALUE).min().over(*_SOURCE)
    by_aspect = counts_by_aspect(config)
    marked = judgements.with_columns(position.alias("position"), by_aspect.alias("counts"))
    marked = marked.with_columns(first.alias("first"))
    if rewards is not None:
        rewarded = pl.col("prompt_id").is_in(rewards["prompt_id"].unique().implode())
        of_reward = pl.lit(config.use.index("reward"), pl.Int64)
        of_prompt = pl.col("first").min().over("prompt_id")
        wins = rewarded & (of_prompt.is_null() | (of_reward < of_prompt))
        by_reward = pl.when(wins).then(of_reward).otherwise("first")
        marked = marked.with_columns(by_reward.alias("first"))
    outcome = (
        pl.when(pl.col("position").is_null() | (pl.col("position") != pl.col("first")))
        .then(pl.lit("other_kind"))
        .when(~counts)
        .then(pl.lit("other_aspect"))
        .when(_NO_VALUE)
        .then(pl.lit("no_value"))
    )
    marked = marked.with_columns(outcome.alias("outcome")).drop("position", "counts", "first")
    _require_one_aspect(marked.filter(pl.col("outcome").is_null()))
    return marked


def counts_by_aspect(config: Pairs) -> pl.Expr:
    """Return whether a judgement counts according to its aspect.

    Within each kind, prompt and source, the judgements on the recipe's aspect count; if there are
    none, those without an aspect or on ``overall``. If the recipe sets no aspect, labels and ranks
    without an aspect take precedence over others, and ratings are selected by their weights.
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
    """Require that the data have the aspects that the recipe names.

    Args:
        config: The settings with the aspects.
        parts: ``kind`` and ``aspect`` of the judgements, by shard; reading stops when all aspects
            have occurred.

    Raises:
        DataError: There are judgements, but none has one of the aspects.
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
    raise DataError(f"`pairs.{setting}` names `{name}`, but no {what} has that aspect; {known}")


def _missing(config: Pairs, judged: set[str], rated: set[str]) -> list[tuple[str, str]]:
    named = [] if config.aspect is None else [("aspect", config.aspect)]
    missing = [(setting, aspect) for setting, aspect in named if aspect not in judged]
    return missing + [("aspects", name) for name in sorted(config.aspects) if name not in rated]


def _require_one_aspect(used: pl.DataFrame) -> None:
    """Refuse labels or ranks on several aspects if the recipe does not choose one."""
    for kind, judges in _JUDGES.items():
        aspects = _ASPECT.n_unique().over(*_SOURCE)
        several = used.filter(pl.col("kind") == kind, ~_GENERAL).filter(aspects > 1)
        if several.height:
            sources = sorted(several["source"].unique())
            names = sorted(several["aspect"].unique())
            raise DataError(
                f"source {', '.join(sources)} {judges} by several aspects ({', '.join(names)}); "
                "set `pairs.aspect` to one of them"
            )
