"""Unknown names: the most similar known name, or a short list of all."""

import difflib
from collections.abc import Iterable

_CUTOFF = 0.7
"""Minimum similarity of a known name that is suggested for an unknown one."""
_MIN_PART = 3
"""Minimum length of a name that is matched as a part of another one."""
_MAX_CHARS = 220
"""Length at which a list of names is truncated."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to another one, or null if none is.

    A name that is the beginning or the end of a known one is similar, too.
    """
    spelled = {one.casefold(): one for one in known}
    wanted = name.casefold()
    close = difflib.get_close_matches(wanted, list(spelled), n=1, cutoff=_CUTOFF)
    if not close and len(wanted) >= _MIN_PART:
        longer = [one for one in spelled if one.startswith(wanted) or one.endswith(f"_{wanted}")]
        close = sorted(longer, key=lambda one: (not one.startswith(wanted), len(one)))
    return spelled[close[0]] if close else None


def listed(names: Iterable[str], max_chars: int = _MAX_CHARS) -> str:
    """Return names as a list for a sentence, truncated if it is long.

    Args:
        names: What to list, in order.
        max_chars: Length after which no further name is shown.
    """
    shown = list(dict.fromkeys(names))
    if not shown:
        return "none"
    length = 0
    for number, name in enumerate(shown):
        length += len(name) + 2
        if number and length > max_chars:
            return f"{', '.join(shown[:number])}, ... ({len(shown)} in all)"
    return ", ".join(shown)


def unknown(what: str, name: str, known: Iterable[str], *, plural: str | None = None) -> str:
    """Return the sentence about a name that does not exist.

    Args:
        what: What the name should be the name of, such as ``source``.
        name: The unknown name.
        known: The names that exist.
        plural: The plural of ``what``; null appends an s.
    """
    names = list(known)
    close = nearest(name, names)
    shown = name if len(name) <= _MAX_CHARS // 3 else f"{name[: _MAX_CHARS // 3]}..."
    if close is not None and close != name:
        return f"no {what} `{shown}`; did you mean `{close}`?"
    return f"no {what} `{shown}`; the {plural or what + 's'} are: {listed(names)}"
