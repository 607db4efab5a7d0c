"""Select rows of a table of a run: by verdict, by rule, by an SQL condition; sorted, with texts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from prefine.errors import RecipeError
from prefine.planning.look import read_table
from prefine.planning.steps import Plan
from prefine.schema import TOOL_PARTS
from prefine.settings import Runtime
from prefine.settings.json import Json
from prefine.settings.names import listed, nearest

VERDICTS = ("keep", "drop", "flip", "hold")
_DECIDED = ("verdict", "rule")
"""Columns of the decisions that any table of pairs can be selected, sorted and shown by."""
_TEXTS: Mapping[str, tuple[str, str]] = {
    "prompt_id": ("prompts", "prompt"),
    "chosen_id": ("responses", "chosen"),
    "rejected_id": ("responses", "rejected"),
    "response_id": ("responses", "response"),
    "response_a": ("responses", "text_a"),
    "response_b": ("responses", "text_b"),
}
"""By id column: the table that has the text, and the column that shows it."""
_SHOWN = 200
"""Characters of a condition that a message shows."""
_PAIR_IDS = ("prompt_id", "chosen_id", "rejected_id")


@dataclass(frozen=True)
class Query:
    """The rows and columns of a table to return."""

    verdict: str | None = None
    """Only pairs with this verdict: keep, drop, flip or hold."""
    rule: str | None = None
    """Only pairs whose verdict comes from this rule."""
    where: str | None = None
    """An SQL condition on the columns."""
    sort: Sequence[str] = ()
    """Columns to sort by; A leading ``-`` sorts in descending order. Nulls are last."""
    columns: Sequence[str] = ()
    """Columns to return; empty returns all."""
    text: bool = False
    """Add the texts of prompts and responses."""
    limit: int | None = None
    """Maximum number of rows."""


class Selection(NamedTuple):
    """Rows that a query selects."""

    rows: pl.DataFrame
    total: int
    """How many rows there are without the limit."""


def select_rows(plan: Plan, runtime: Runtime, table: str, query: Query) -> Selection:
    """Return the rows of a table that a query selects.

    Args:
        plan: The plan of the run.
        runtime: Has the root.
        table: The name of the table.
        query: Which rows and columns.

    Raises:
        RecipeError: The table, the verdict, the rule or a column does not exist, or the condition
            is not valid.
        DataError: The step that writes the table has not run.
    """
    _require_known(plan, query)
    condition = None if query.where is None else _parse(query.where)
    rows = read_table(plan, runtime, table)
    sort = [name.removeprefix("-") for name in query.sort]
    named = {*query.columns, *sort, *([] if condition is None else condition.meta.root_names())}
    if query.verdict or query.rule or named.intersection(_DECIDED) - set(rows.columns):
        rows = _with_decisions(plan, runtime, table, rows)
    if query.verdict is not None:
        rows = rows.filter(pl.col("verdict") == query.verdict)
    if query.rule is not None:
        rows = rows.filter(pl.col("rule") == query.rule)
    if condition is not None:
        rows = _filter(rows, condition, table)
    _require_columns(sort, rows, table)
    total = rows.height
    rows = _sorted(rows, query.sort)
    rows = rows if query.limit is None else rows.head(min(query.limit, total))
    return Selection(_shown(plan, runtime, table, rows, query), total)


def _shown(
    plan: Plan, runtime: Runtime, table: str, rows: pl.DataFrame, query: Query
) -> pl.DataFrame:
    """Return the requested columns, those with texts last."""
    shown = list(dict.fromkeys(query.columns))
    if query.text:
        known = {name for _, name in _TEXTS.values()} | {"text"}
        _require_columns([name for name in shown if name not in known], rows, table)
        rows, added = _with_texts(plan, runtime, table, rows)
        shown += [name for name in added if shown and name not in shown]
    _require_columns(shown, rows, table)
    return rows.select(shown) if shown else rows


def _require_known(plan: Plan, query: Query) -> None:
    if query.verdict is not None and query.verdict not in VERDICTS:
        raise RecipeError(f"no verdict `{query.verdict}`; the verdicts are: {', '.join(VERDICTS)}")
    names = [rule.reason for rule in plan.recipe.all_rules]
    if query.rule is not None and query.rule not in names:
        listed = ", ".join(names) or "none"
        raise RecipeError(
            f"`{plan.recipe.name}` has no rule `{query.rule}`; its rules are: {listed}"
        )


def _parse(where: str) -> pl.Expr:
    try:
        return pl.sql_expr(where)
    except pl.exceptions.PolarsError as error:
        shown = where if len(where) <= _SHOWN else f"{where[:_SHOWN]}..."
        why = _first_line(error)[:_SHOWN]
        raise RecipeError(f"`{shown}` is not an SQL condition: {why}") from error


def _filter(rows: pl.DataFrame, condition: pl.Expr, table: str) -> pl.DataFrame:
    try:
        _require_columns(condition.meta.root_names(), rows, table)
    except RecipeError as error:
        raise RecipeError(f"{error}; a text in SQL needs single quotes") from error
    try:
        return rows.filter(condition)
    except pl.exceptions.PolarsError as error:
        text = f"the SQL condition cannot be tested on `{table}`: {_first_line(error)}"
        raise RecipeError(text) from error


def _first_line(error: Exception) -> str:
    """Return the beginning of a message, without the values that some messages list."""
    line = next(iter(str(error).splitlines()), type(error).__name__)
    return line.partition(": [")[0]


def _require_columns(names: Iterable[str], rows: pl.DataFrame, table: str) -> None:
    for name in names:
        if name not in rows.columns:
            close = nearest(name, rows.columns)
            known = f"its columns are: {listed(rows.columns)}"
            hint = known if close is None else f"did you mean `{close}`?"
            raise RecipeError(f"no column `{name}` in `{table}`; {hint}")


def _sorted(rows: pl.DataFrame, sort: Sequence[str]) -> pl.DataFrame:
    if not sort:
        return rows
    columns = [name.removeprefix("-") for name in sort]
    descending = [name.startswith("-") for name in sort]
    try:
        return rows.sort(columns, descending=descending, nulls_last=True, maintain_order=True)
    except pl.exceptions.PolarsError as error:
        raise RecipeError(f"cannot sort by {', '.join(columns)}: {_first_line(error)}") from error


def _with_decisions(plan: Plan, runtime: Runtime, table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Add verdict and rule to a table of pairs that does not have them.

    Raises:
        RecipeError: The rows are not pairs.
    """
    if set(_DECIDED) <= set(rows.columns):
        return rows
    if "pair_id" not in rows.columns:
        listed = ", ".join(
            dict.fromkeys(
                name
                for step in plan.steps
                for name, schema in step.writes.items()
                if "pair_id" in schema.names
            )
        )
        raise RecipeError(
            f"the rows of `{table}` are not pairs and have no verdict; those of these tables are: "
            f"{listed}"
        )
    decisions = read_table(plan, runtime, "decisions").select("pair_id", *_DECIDED)
    joined = rows.join(decisions, on="pair_id", how="left", maintain_order="left")
    first = rows.columns.index("pair_id") + 1
    return joined.select(*rows.columns[:first], *_DECIDED, *rows.columns[first:])


def _with_texts(
    plan: Plan, runtime: Runtime, table: str, rows: pl.DataFrame
) -> tuple[pl.DataFrame, list[str]]:
    """Add the texts of the prompts and responses that rows name; return the new columns, too."""
    if "messages" in rows.columns:
        texts = pl.Series("text", map(conversation, rows["messages"].to_list()), dtype=pl.String)
        return rows.drop("messages").with_columns(texts), ["text"]
    if "pair_id" in rows.columns and "chosen_id" not in rows.columns:
        ids = read_table(plan, runtime, "pairs", pl.col("pair_id").is_in(rows["pair_id"].to_list()))
        missing = [name for name in _PAIR_IDS if name not in rows.columns]
        ids = ids.select("pair_id", *missing)
        rows = rows.join(ids, on="pair_id", how="left", maintain_order="left")
    added = [column for column in _TEXTS if column in rows.columns]
    if not added:
        raise RecipeError(f"the rows of `{table}` have no texts: they name no prompt or response")
    for column in added:
        source, name = _TEXTS[column]
        texts = _texts(plan, runtime, source, rows[column].drop_nulls().unique().to_list())
        rows = rows.with_columns(
            pl.col(column).replace_strict(texts, default=None, return_dtype=pl.String).alias(name)
        )
    return rows, [_TEXTS[column][1] for column in added]


def _texts(plan: Plan, runtime: Runtime, table: str, ids: list[str]) -> dict[str, str]:
    id_column = "prompt_id" if table == "prompts" else "response_id"
    rows = read_table(plan, runtime, table, pl.col(id_column).is_in(ids))
    texts = map(conversation, rows["messages"].to_list())
    return dict(zip(rows[id_column], texts, strict=True))


def conversation(messages: Sequence[Json]) -> str:
    """Return messages as text: only the content of a single one, several with their roles."""
    if len(messages) == 1 and not any(messages[0].get(part) for part in TOOL_PARTS):
        return messages[0]["content"]
    return "\n".join(f"{name}: {text}" for turn in messages for name, text in turn_parts(turn))


def turn_parts(turn: Json) -> list[tuple[str, str]]:
    """Return the content of a turn after its role, and its tool calls where it has any."""
    tools = [(f"  {part}", turn[part]) for part in TOOL_PARTS if turn.get(part)]
    return [(turn["role"], turn["content"]), *tools]
