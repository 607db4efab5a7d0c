"""Describe wrong arguments of a command in one sentence."""

from typing import Any

import typer

UsageError: Any = typer.BadParameter.__bases__[0]
"""The base class of all errors about arguments, which typer does not export."""


def shows_help(error: Any) -> bool:
    """Return whether an error only means that the help was printed, as by `prefine` alone."""
    return type(error).__name__ == "NoArgsIsHelpError"


def usage_text(error: Any) -> str:
    """Return one sentence about wrong arguments, and the command that lists the right ones.

    Args:
        error: The error of the parser.
    """
    from pydantic import ValidationError

    cause = error.__cause__
    if isinstance(cause, ValidationError) and getattr(error, "param", None) is not None:
        from prefine.settings.mistakes import sentence_of

        items = cause.errors(include_url=False)[:1]
        if items[0]["type"] != "value_error":  # those are typer's own sentences
            return f"{error.param.opts[0]}: {sentence_of(items)}"
    text = str(error.format_message()).replace("Value error, ", "").strip().rstrip(".")
    text = f"{text[:1].lower()}{text[1:]}".replace("'", "`").replace(". Did you", "; did you")
    if error.ctx is None:
        return text
    return f"{text}; see `{error.ctx.command_path} --help`"
