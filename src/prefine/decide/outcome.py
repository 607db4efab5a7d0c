"""What has become of each pair so far, and the table of decisions that is made of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from prefine.decide.arrays import Array, Bools, Facts, Floats, Places, to_arrow
from prefine.decide.rule import Hit, Rule
from prefine.decide.seen import Seen

_VERDICTS = ("keep", "drop", "hold", "flip")
_REMOVED = {"drop": 1, "hold": 2}
_FLIP = 3
_NOBODY = -1

Codes = npt.NDArray[np.int32]


@dataclass(frozen=True)
class _Recorded:
    """What all decisions by one rule share."""

    reason: str
    subject: str | None
    flips: bool
    texts: tuple[str, ...] | None
    """What the codes in values stand for; null where they are numbers."""
    threshold_text: str | None


@dataclass
class Outcome:
    """What has become of each pair; arrays have one place for each row of the facts."""

    facts: Facts
    live: Places
    """The rows of the pairs that are in, ascending."""
    flipped: Bools
    verdict: npt.NDArray[np.int8]
    rule: Codes
    """The rule that decided, by its number; -1 for none."""
    value: Floats
    threshold: Floats
    history: Codes
    """The rules that flipped the pair, as a place in ``histories``."""
    histories: list[tuple[int, ...]]
    rules: list[_Recorded] = field(default_factory=list["_Recorded"])

    @classmethod
    def undecided(cls, facts: Facts) -> Self:
        """Return that all pairs are in, as they were labelled."""
        count = facts.table.num_rows
        return cls(
            facts=facts,
            live=np.arange(count),
            flipped=np.zeros(count, np.bool_),
            verdict=np.zeros(count, np.int8),
            rule=np.full(count, _NOBODY, np.int32),
            value=np.full(count, np.nan),
            threshold=np.full(count, np.nan),
            history=np.zeros(count, np.int32),
            histories=[()],
        )

    def start(self, rule: Rule, hit: Hit, seen: Seen) -> int:
        """Note a rule, and return its number."""
        texts = None if rule.tested is None else seen.text(rule.tested)
        flips = rule.verdict == "flip"
        one = _Recorded(rule.reason, rule.subject, flips, texts, hit.threshold_text)
        self.rules.append(one)
        return len(self.rules) - 1

    def record(self, number: int, chosen: Bools, seen: Seen, hit: Hit) -> None:
        """Record that a rule decided on some of the pairs that it looked at."""
        rows = seen.rows[chosen]
        self.rule[rows] = number
        self.value[rows] = hit.value[chosen]
        threshold = hit.threshold
        self.threshold[rows] = threshold[chosen] if isinstance(threshold, np.ndarray) else threshold

    def flip(self, number: int, rows: Places) -> None:
        """Turn pairs round; one that is turned back has no decision any more."""
        back = rows[self.flipped[rows]]
        self.rule[back] = _NOBODY
        self.value[back] = self.threshold[back] = np.nan
        self.flipped[rows] ^= True
        known, places = np.unique(self.history[rows], return_inverse=True)
        grown = [(*self.histories[int(one)], number) for one in known]
        first = len(self.histories)
        self.histories += grown
        self.history[rows] = first + places

    def remove(self, verdict: Literal["drop", "hold"], rows: Places) -> None:
        """Take pairs out."""
        if len(rows):
            self.verdict[rows] = _REMOVED[verdict]
            self.live = self.live[self.verdict[self.live] == 0]

    def table(self) -> pa.Table:
        """Return the decisions, in the order of the facts."""
        verdict = self.verdict.copy()
        verdict[(verdict == 0) & self.flipped] = _FLIP
        reasons = [rule.reason for rule in self.rules]
        count = len(verdict)
        values, thresholds = self._texts()
        return pa.table(
            {
                "verdict": _named(verdict, _VERDICTS),
                "rule": _named(self.rule, reasons),
                "column": _named(self.rule, [rule.subject for rule in self.rules]),
                "value": _numbers(self.value, self._is_text),
                "threshold": _numbers(self.threshold, self._is_text),
                "value_text": values,
                "threshold_text": thresholds,
                "flipped_by": self._last_flips(reasons),
                "flips": self._flips(reasons),
                "order": to_arrow(self.facts.order),
                "weight": to_arrow(np.ones(count)),
            }
        )

    @property
    def _is_text(self) -> Bools:
        """Return where a rule on a text decided."""
        texts = np.array([*(rule.texts is not None for rule in self.rules), False])
        return texts[self.rule]

    def _texts(self) -> tuple[Array, Array]:
        """Return value and threshold of the decisions by rules on texts."""
        count = len(self.rule)
        values, named = np.full(count, -1, np.int32), list[str]()
        for number, rule in enumerate(self.rules):
            if rule.texts is None:
                continue
            rows = np.flatnonzero(self.rule == number)
            known = ~np.isnan(self.value[rows])
            values[rows[known]] = self.value[rows[known]].astype(np.int32) + len(named)
            named += rule.texts
        thresholds = [rule.threshold_text for rule in self.rules]
        return _named(values, named), _named(self.rule, thresholds)

    def _last_flips(self, reasons: list[str]) -> Array:
        last = [reasons[one[-1]] if len(one) % 2 else None for one in self.histories]
        return _named(self.history, last)

    def _flips(self, reasons: list[str]) -> Array:
        named = [[reasons[number] for number in one] or None for one in self.histories]
        lists = _listed(pl.Series(named, dtype=pl.List(pl.String)))
        return lists.take(cast("Any", to_arrow(self.history)))


def _named(codes: npt.NDArray[np.signedinteger], names: Sequence[str | None]) -> Array:
    """Return texts by their places; a place below 0, and a name of null, is null."""
    known = [name for name in dict.fromkeys(names) if name is not None]
    place = {name: number for number, name in enumerate(known)}
    places = np.array([*(-1 if name is None else place[name] for name in names), -1], np.int32)
    found = places[codes]
    indices = cast("Any", to_arrow(found, missing=found < 0))
    texts = _listed(pl.Series(known, dtype=pl.String))
    return cast("Array", pa.DictionaryArray.from_arrays(indices, texts))


def _listed(texts: pl.Series) -> Array:
    """Return texts, or lists of them, as the large types of Arrow."""
    return cast("Array", texts.to_arrow(compat_level=pl.CompatLevel.oldest()))


def _numbers(values: Floats, are_texts: Bools) -> Array:
    return to_arrow(values, missing=np.isnan(values) | are_texts)
