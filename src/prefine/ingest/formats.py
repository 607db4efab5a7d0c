"""Which adapter reads which layout, and how a layout is recognised.

What comes in: the first rows of a file. What goes out: one layout with the reason, or a refusal.
What never happens: a choice between two layouts that both fit.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from prefine.errors import DataError
from prefine.ingest import (
    alpaca_eval,
    arena,
    columns,
    domains,
    fastchat,
    helpsteer,
    hh,
    llmeval2,
    nectar,
    rmb,
    samples,
    sharegpt,
    trl,
    ultrafeedback,
    votes,
)
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
    "ultrafeedback": Adapter(ultrafeedback.detect, ultrafeedback.parse),
    "helpsteer2": Adapter(helpsteer.detect_ratings, helpsteer.parse_ratings),
    "helpsteer2_preference": Adapter(helpsteer.detect_strength, helpsteer.parse_strength),
    "helpsteer3": Adapter(helpsteer.detect_votes, helpsteer.parse_votes),
    "arena_33k": Adapter(arena.detect_33k, arena.parse),
    "arena_55k": Adapter(arena.detect_55k, arena.parse_55k),
    "arena_140k": Adapter(arena.detect_140k, arena.parse),
    "nectar": Adapter(nectar.detect, nectar.parse),
    "on_policy": Adapter(samples.detect_on_policy, samples.parse_on_policy),
    "distilabel": Adapter(samples.detect_distilabel, samples.parse_distilabel),
    "alpaca_eval": Adapter(alpaca_eval.detect, alpaca_eval.parse),
    "sharegpt": Adapter(sharegpt.detect, sharegpt.parse),
    "sharegpt_unpaired": Adapter(sharegpt.detect_unpaired, sharegpt.parse_unpaired),
    "reward_bench_2": Adapter(votes.detect_reward_bench_2, votes.parse_reward_bench_2),
    "rm_bench": Adapter(votes.detect_rm_bench, votes.parse_rm_bench),
    "rmb_pairwise": Adapter(rmb.detect_pairwise, rmb.parse_pairwise),
    "rmb_bon": Adapter(rmb.detect_bon, rmb.parse_bon),
    "pandalm": Adapter(votes.detect_pandalm, votes.parse_pandalm),
    "finegrained": Adapter(votes.detect_finegrained, votes.parse_finegrained),
    "llmeval2": Adapter(llmeval2.detect, llmeval2.parse),
    "domains": Adapter(domains.detect, domains.parse),
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
