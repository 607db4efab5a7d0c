"""The state of all pairs while rules are applied, and the table of decisions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from prefine.decide.arrays import Array, Bools, Facts, Floats, Places, to_arrow
from prefine.decide.rule import Hit, Rule
from prefine.decide.tested import TestedPairs

_VERDICTS = ("keep", "drop", "hold", "flip")
_REMOVED = {"drop": 1, "hold": 2}
_FLIP = 3
_NO_RULE = -1

Codes = npt.NDArray[np.int32]


@dataclass(frozen=True)
class _Recorded:
    """The common properties of all decisions by one rule."""

    reason: str
    """The name of the rule."""
    subject: str | None
    """The column that its decisions name."""
    flips: bool
    """Whether the rule flips pairs."""
    texts: tuple[str, ...] | None
    """The texts of the codes in values; None if values are numbers."""
    threshold_text: str | None
    """The threshold of a test on texts."""


@dataclass
class Outcome:
    """The state of each pair; all arrays have the shape (pairs,) unless stated otherwise."""

    facts: Facts
    """The columns of all pairs."""
    live: Places
    """The rows of the remaining pairs, ascending."""
    flipped: Bools
    """Whether chosen and rejected are swapped."""
    verdict: npt.NDArray[np.int8]
    """The verdict: 0 if the pair remains, 1 for drop, 2 for hold."""
    rule: Codes
    """The number of the rule that decided; -1 for none."""
    value: Floats
    """The value that the rule tested."""
    threshold: Floats
    """The threshold of the rule."""
    history: Codes
    """The position in ``histories`` of the rules that flipped the pair."""
    histories: list[tuple[int, ...]]
    """The distinct sequences of rules that flipped pairs."""
    rules: list[_Recorded] = field(default_factory=list["_Recorded"])
    """The rules, by number."""

    @classmethod
    def undecided(cls, facts: Facts) -> Self:
        """Return the initial state: all pairs remain in their labelled direction."""
        count = facts.table.num_rows
        return cls(
            facts=facts,
            live=np.arange(count),
            flipped=np.zeros(count, np.bool_),
            verdict=np.zeros(count, np.int8),
            rule=np.full(count, _NO_RULE, np.int32),
            value=np.full(count, np.nan),
            threshold=np.full(count, np.nan),
            history=np.zeros(count, np.int32),
            histories=[()],
        )

    def start(self, rule: Rule, hit: Hit, pairs: TestedPairs) -> int:
        """Register a rule, and return its number."""
        texts = None if rule.tested is None else pairs.text(rule.tested)
        flips = rule.verdict == "flip"
        self.rules.append(_Recorded(rule.reason, rule.subject, flips, texts, hit.threshold_text))
        return len(self.rules) - 1

    def record(self, number: int, chosen: Bools, pairs: TestedPairs, hit: Hit) -> None:
        """Record the decisions of a rule on some of the pairs that it tested.

        Args:
            number: The rule.
            chosen: Which of the tested pairs, shape (tested,).
            pairs: The tested pairs.
            hit: The result of the rule for them.
        """
        rows = pairs.rows[chosen]
        self.rule[rows] = number
        self.value[rows] = hit.value[chosen]
        threshold = hit.threshold
        self.threshold[rows] = threshold[chosen] if isinstance(threshold, np.ndarray) else threshold

    def flip(self, number: int, rows: Places) -> None:
        """Flip pairs; the decision on a pair that is flipped back is deleted."""
        flipped_back = rows[self.flipped[rows]]
        self.rule[flipped_back] = _NO_RULE
        self.value[flipped_back] = self.threshold[flipped_back] = np.nan
        self.flipped[rows] ^= True
        present, positions = np.unique(self.history[rows], return_inverse=True)
        extended = [(*self.histories[int(history)], number) for history in present]
        first = len(self.histories)
        self.histories += extended
        self.history[rows] = first + positions

    def remove(self, verdict: Literal["drop", "hold"], rows: Places) -> None:
        """Drop or hold pairs, so that later rules do not test them."""
        if len(rows):
            self.verdict[rows] = _REMOVED[verdict]
            self.live = self.live[self.verdict[self.live] == 0]

    def table(self) -> pa.Table:
        """Return the table of decisions, in the order of the facts."""
        verdict = self.verdict.copy()
        verdict[(verdict == 0) & self.flipped] = _FLIP
        reasons = [rule.reason for rule in self.rules]
        count = len(verdict)
        values, thresholds = self._texts()
        return pa.table(
            {
                "verdict": _decode(verdict, _VERDICTS),
                "rule": _decode(self.rule, reasons),
                "column": _decode(self.rule, [rule.subject for rule in self.rules]),
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
        """Whether the deciding rule tests a text."""
        texts = np.array([*(rule.texts is not None for rule in self.rules), False])
        return texts[self.rule]

    def _texts(self) -> tuple[Array, Array]:
        """Return the values and thresholds of decisions by rules on texts."""
        count = len(self.rule)
        values, all_texts = np.full(count, -1, np.int32), list[str]()
        for number, rule in enumerate(self.rules):
            if rule.texts is None:
                continue
            rows = np.flatnonzero(self.rule == number)
            known = ~np.isnan(self.value[rows])
            values[rows[known]] = self.value[rows[known]].astype(np.int32) + len(all_texts)
            all_texts += rule.texts
        thresholds = [rule.threshold_text for rule in self.rules]
        return _decode(values, all_texts), _decode(self.rule, thresholds)

    def _last_flips(self, reasons: list[str]) -> Array:
        last = [reasons[numbers[-1]] if len(numbers) % 2 else None for numbers in self.histories]
        return _decode(self.history, last)

    def _flips(self, reasons: list[str]) -> Array:
        names = [[reasons[number] for number in numbers] or None for numbers in self.histories]
        lists = _large_arrow(pl.Series(names, dtype=pl.List(pl.String)))
        return lists.take(cast("Any", to_arrow(self.history)))


def _decode(codes: npt.NDArray[np.signedinteger], names: Sequence[str | None]) -> Array:
    """Return the names of codes as a dictionary array; a negative code is null."""
    distinct = [name for name in dict.fromkeys(names) if name is not None]
    index_of = {name: index for index, name in enumerate(distinct)}
    indices = np.array([*(-1 if name is None else index_of[name] for name in names), -1], np.int32)
    of_codes = indices[codes]
    arrow_indices = cast("Any", to_arrow(of_codes, missing=of_codes < 0))
    texts = _large_arrow(pl.Series(distinct, dtype=pl.String))
    return cast("Array", pa.DictionaryArray.from_arrays(arrow_indices, texts))


def _large_arrow(texts: pl.Series) -> Array:
    """Return texts, or lists of them, as Arrow arrays with 64-bit offsets."""
    return cast("Array", texts.to_arrow(compat_level=pl.CompatLevel.oldest()))


def _numbers(values: Floats, are_texts: Bools) -> Array:
    return to_arrow(values, missing=np.isnan(values) | are_texts)
