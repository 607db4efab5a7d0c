"""Everything that a run knows about one pair."""

from dataclasses import dataclass

import polars as pl

from prefine.errors import DataError
from prefine.planning.look import read_table
from prefine.planning.steps import Plan
from prefine.planning.vote_reasons import with_reasons
from prefine.settings import Runtime
from prefine.settings.json import Json

_EXAMPLES = {"benchmark": pl.String, "text": pl.String, "file": pl.String, "row": pl.Int64}
_LISTED = 5
"""Maximum number of pair ids in a message."""


@dataclass(frozen=True)
class Dossier:
    """Everything that is known about one pair."""

    pair: Json
    """The row of the pair in the table of facts."""
    decision: Json
    """The row of the pair in the table of decisions."""
    prompt: list[Json]
    tools: str | None
    """JSON text of the tools that the prompt offers."""
    chosen: list[Json]
    rejected: list[Json]
    judgements: pl.DataFrame
    """The raw labels of the pair, with ``not_counted``: why a label is not a vote, null for votes.
    ``response_a`` and ``response_b`` are ``chosen`` or ``rejected``."""
    matches: pl.DataFrame
    """Benchmark texts found in the pair, with their answers if the benchmark has them:
    ``benchmark``, ``text``, ``file`` and ``row``."""


def dossier(plan: Plan, runtime: Runtime, pair: str) -> Dossier:
    """Collect everything that is known about a pair.

    Args:
        plan: The plan of the run.
        runtime: Has the root.
        pair: A pair id, the user's own id of any raw row of the pair, or the beginning of a pair
            id; a whole id takes precedence.

    Raises:
        DataError: No pair has this id, or several have it or begin with it.
    """
    facts = _find(plan, runtime, pair)
    sides = [facts["chosen_id"], facts["rejected_id"]]
    responses = read_table(plan, runtime, "responses", pl.col("response_id").is_in(sides))
    messages = dict(zip(responses["response_id"], responses["messages"].to_list(), strict=True))
    of_prompt = pl.col("prompt_id") == facts["prompt_id"]
    prompt = read_table(plan, runtime, "prompts", of_prompt).row(0, named=True)
    decision = read_table(plan, runtime, "decisions", pl.col("pair_id") == facts["pair_id"])
    return Dossier(
        pair=facts,
        decision=decision.row(0, named=True),
        prompt=prompt["messages"],
        tools=prompt["tools"],
        chosen=messages[sides[0]],
        rejected=messages[sides[1]],
        judgements=_judgements(plan, runtime, facts),
        matches=_matches(plan, runtime, facts),
    )


def _find(plan: Plan, runtime: Runtime, pair: str) -> Json:
    """Return the facts of the pair with an id; a whole id takes precedence over a beginning."""
    exact = (pl.col("pair_id") == pair) | (pl.col("own_id") == pair)
    facts = read_table(plan, runtime, "facts", exact)
    if not facts.height:
        facts = _of_raw_rows(plan, runtime, pair)
    if not facts.height and pair:
        facts = read_table(plan, runtime, "facts", pl.col("pair_id").str.starts_with(pair))
    if facts.height > 1:
        ids = ", ".join(facts["pair_id"].head(_LISTED))
        raise DataError(f"{facts.height} pairs have the id `{pair}` or begin with it: {ids}")
    if not facts.height:
        raise DataError(
            f"no pair of this run of `{plan.recipe.name}` has the id `{pair}`; --recipe NAME or "
            "--run ID looks at another run"
        )
    return facts.row(0, named=True)


def _of_raw_rows(plan: Plan, runtime: Runtime, own_id: str) -> pl.DataFrame:
    """Return the facts of the pairs that come from a raw row with this id."""
    rows = read_table(plan, runtime, "judgements", pl.col("own_id") == own_id)
    names = [*rows["response_a"], *rows["response_b"].drop_nulls()]
    chosen, rejected = (pl.col(f"{side}_id").is_in(names) for side in ("chosen", "rejected"))
    facts = read_table(plan, runtime, "facts", chosen | rejected)
    both = facts.filter(chosen & rejected)
    return both if both.height else facts


def _judgements(plan: Plan, runtime: Runtime, facts: Json) -> pl.DataFrame:
    """Return the raw labels of a pair, and why some of them are not votes."""
    of_prompt = pl.col("prompt_id") == facts["prompt_id"]
    rows = read_table(plan, runtime, "judgements", of_prompt)
    several = [source.name for source in plan.recipe.sources if source.anonymous == "several"]
    rows = with_reasons(rows, plan.recipe.pairs, several, _rewarded(plan, runtime, facts))
    sides = [facts["chosen_id"], facts["rejected_id"]]
    of_pair = pl.col("response_a").is_in(sides) & (
        pl.col("response_b").is_null() | pl.col("response_b").is_in(sides)
    )
    names = dict(zip(sides, ("chosen", "rejected"), strict=True))
    # in a pair of identical responses both sides have one id, and both become `chosen`
    return rows.filter(of_pair).with_columns(
        pl.col(name).replace(names).alias(name) for name in ("response_a", "response_b")
    )


def _rewarded(plan: Plan, runtime: Runtime, facts: Json) -> pl.DataFrame | None:
    """Return the pair's prompt where its responses have a reward; null where none is used."""
    if plan.recipe.pairs.reward is None:
        return None
    reward = plan.recipe.view().rewards[plan.recipe.pairs.reward]
    of_prompt = pl.col("prompt_id") == facts["prompt_id"]
    responses = read_table(plan, runtime, "responses", of_prompt)
    has_reward = pl.col("response_id").is_in(responses["response_id"].to_list())
    rewards = read_table(
        plan, runtime, reward.table, has_reward & pl.col(reward.column).is_not_null()
    )
    return responses.join(rewards, on="response_id", how="semi").select("prompt_id").unique()


def _matches(plan: Plan, runtime: Runtime, facts: Json) -> pl.DataFrame:
    """Return the texts that a pair's facts refer to, such as those of benchmarks, each once."""
    frames = [pl.DataFrame(schema=_EXAMPLES)]
    for measure in plan.recipe.measures:
        for table, columns in measure.references().items():
            ids = [name for column in columns if (name := facts.get(column)) is not None]
            if not ids:
                continue
            texts = read_table(plan, runtime, table, pl.col("example_id").is_in(ids))
            texts = texts.sort("file", "row").unique(
                "example_id", keep="first", maintain_order=True
            )
            name = pl.lit(table.removeprefix("examples_")).alias("benchmark")
            whole = pl.concat_str("text", "answer", separator="\n\n", ignore_nulls=True)
            frames.append(
                texts.with_columns(whole.alias("text")).select(name, *list(_EXAMPLES)[1:])
            )
    return pl.concat(frames)
