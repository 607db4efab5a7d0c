"""Which adapter reads which layout, and how a layout is recognised.

What comes in: the first rows of a file. What goes out: one layout with the reason, or a refusal.
What never happens: a choice between two layouts that both fit.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from prefine.errors import DataError
from prefine.ingest import choices, columns, fastchat, hh, ratings, trl
from prefine.ingest.record import Context, Record
from prefine.recipe import Format
from prefine.schema.json import Json


class Adapter(NamedTuple):
    """How one layout is recognised and read."""

    detect: Callable[[Json], str | None]
    """Returns the reason why a row fits, or null."""
    parse: Callable[[Json, Context], Record]


def _never(_: Json) -> None:
    return None


ADAPTERS: dict[Format, Adapter] = {
    "trl_explicit": Adapter(trl.detect_explicit, trl.parse_explicit),
    "trl_implicit": Adapter(trl.detect_implicit, trl.parse_implicit),
    "trl_unpaired": Adapter(trl.detect_unpaired, trl.parse_unpaired),
    "h4": Adapter(trl.detect_h4, trl.parse_h4),
    "hh": Adapter(hh.detect, hh.parse),
    "scored_text": Adapter(hh.detect_scored, hh.parse_scored),
    "ultrafeedback": Adapter(ratings.detect_ultrafeedback, ratings.parse_ultrafeedback),
    "helpsteer2": Adapter(ratings.detect_helpsteer2, ratings.parse_helpsteer2),
    "helpsteer2_preference": Adapter(choices.detect_helpsteer2, choices.parse_helpsteer2),
    "helpsteer3": Adapter(choices.detect_helpsteer3, choices.parse_helpsteer3),
    "arena_33k": Adapter(choices.detect_arena_33k, choices.parse_arena),
    "arena_55k": Adapter(choices.detect_arena_55k, choices.parse_arena_55k),
    "arena_140k": Adapter(choices.detect_arena_140k, choices.parse_arena),
    "nectar": Adapter(choices.detect_nectar, choices.parse_nectar),
    "on_policy": Adapter(ratings.detect_on_policy, ratings.parse_on_policy),
    "distilabel": Adapter(ratings.detect_distilabel, ratings.parse_distilabel),
    "alpaca_eval": Adapter(choices.detect_alpaca_eval, choices.parse_alpaca_eval),
    "sharegpt": Adapter(choices.detect_sharegpt, choices.parse_sharegpt),
    "sharegpt_unpaired": Adapter(choices.detect_sharegpt_unpaired, choices.parse_sharegpt_unpaired),
    "rm_bench": Adapter(choices.detect_rm_bench, choices.parse_rm_bench),
    "rmb_pairwise": Adapter(ratings.detect_rmb_pairwise, ratings.parse_rmb_pairwise),
    "rmb_bon": Adapter(ratings.detect_rmb_bon, ratings.parse_rmb_bon),
    "pandalm": Adapter(choices.detect_pandalm, choices.parse_pandalm),
    "finegrained": Adapter(choices.detect_finegrained, choices.parse_finegrained),
    "llmeval2": Adapter(ratings.detect_llmeval2, ratings.parse_llmeval2),
    "domains": Adapter(ratings.detect_domains, ratings.parse_domains),
    "fastchat": Adapter(fastchat.detect, fastchat.parse),
    "columns": Adapter(_never, columns.parse),
}
"""Every layout of ``recipe.Format``; ``columns`` is never detected, it must be described."""


class Detection(NamedTuple):
    """What a file's first rows look like."""

    format: Format
    reason: str


def detect(rows: Iterable[Json], name: str) -> Detection:
    """Recognise the layout of a file by its first readable rows.

    Args:
        rows: A few parsed rows; the first one that any layout fits decides.
        name: The file, for messages.

    Raises:
        DataError: No layout fits, or two do.
    """
    keys: list[str] = []
    for row in rows:
        keys = keys or sorted(str(key) for key in row)
        found = fitting(row)
        if len(found) > 1:
            listed = "; ".join(f"{item.format} ({item.reason})" for item in found)
            raise DataError(f"{name}: two layouts fit, set `format` to the right one: {listed}")
        if found:
            return found[0]
    shown = ", ".join(keys) or "none that can be read"
    raise DataError(
        f"{name}: no known layout has these keys: {shown}. "
        "Describe them with `format: columns` and a `columns` map"
    )


def fitting(row: Json) -> list[Detection]:
    """Return every layout that a row fits, with its reason."""
    return [
        Detection(name, reason)
        for name, adapter in ADAPTERS.items()
        if (reason := adapter.detect(row)) is not None
    ]
