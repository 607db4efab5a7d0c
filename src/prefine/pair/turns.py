"""Columns about the turns of a pair's conversations, which strict chat templates may refuse."""

import polars as pl

from prefine.tables.texts import tool_text

_ROLES = {"system": "s", "user": "u", "assistant": "a", "tool": "t"}
_ALTERNATE = r"^s?(ua(t+a)*)+$"
"""Pattern of the roles of an alternating conversation, one letter per turn. After an assistant turn
there may be tool turns, which are followed by another assistant turn."""
_STARTS_WITH_USER = "^s*u"
_SYSTEM_FIRST = "^s?[^s]*$"


def prompt_turns(prompts: pl.DataFrame) -> pl.DataFrame:
    """Return counts of the turns of each prompt, and its roles for ``with_turns``.

    Args:
        prompts: ``prompt_id`` and ``messages``.
    """
    roles = pl.col("messages").list.eval(_letter())
    blank = pl.element().struct.field("content").str.strip_chars() + tool_text() == ""
    return prompts.select(
        "prompt_id",
        roles.list.join("").alias("prompt_roles"),
        pl.col("messages").list.len().cast(pl.Int64).alias("num_prompt_turns"),
        pl.col("messages").list.eval(blank).list.sum().cast(pl.Int64).alias("num_empty_turns"),
        (roles.list.eval(pl.element() == "s").list.sum().cast(pl.Int64)).alias("num_system_turns"),
    )


def roles_of(messages: pl.Expr) -> pl.Expr:
    """Return the roles of messages, one letter per turn."""
    return messages.list.eval(_letter()).list.join("")


def with_turns(pairs: pl.DataFrame) -> pl.DataFrame:
    """Add whether turns alternate, start with the user, and have the system turn first.

    Args:
        pairs: ``prompt_roles``, ``chosen_roles`` and ``rejected_roles``, which are dropped.
    """
    whole = [pl.col("prompt_roles") + pl.col(f"{side}_roles") for side in ("chosen", "rejected")]

    def both(pattern: str) -> pl.Expr:
        return pl.all_horizontal(roles.str.contains(pattern) for roles in whole)

    return pairs.with_columns(
        both(_ALTERNATE).alias("turns_alternate"),
        pl.col("prompt_roles").str.contains(_STARTS_WITH_USER).alias("starts_with_user"),
        both(_SYSTEM_FIRST).alias("system_first"),
    ).drop("prompt_roles", "chosen_roles", "rejected_roles")


def _letter() -> pl.Expr:
    role = pl.element().struct.field("role")
    return role.replace_strict(_ROLES, default="?", return_dtype=pl.String)
