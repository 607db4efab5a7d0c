"""The rules of ``docs/rules.md`` in plain Python: a second implementation, from the page alone.

It is slow and obvious: lists, dictionaries and floats, one pair after the other. It shares no code
with ``prefine.decide``; the property tests compare the two on random recipes. ``diverse`` is left
out, because the page refers to the code for its formulas.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

Facts = Mapping[str, Sequence[Any]]
"""The columns of the facts: one value per pair, null as None."""
Rule = Mapping[str, Any]
"""The settings of a rule, as a recipe has them."""
Group = tuple[bool, Any]

KEYS = ("prompt_id", "pair_id", "chosen_id", "rejected_id")
TURNED_IDS = {"chosen_id": "rejected_id", "rejected_id": "chosen_id"}
LABELS = ("rating_gap", "chosen_rating", "rejected_rating", "strength")
TESTS = {
    "minimum": "bound",
    "maximum": "bound",
    "minimum_quantile": "quantile",
    "maximum_quantile": "quantile",
    "equals": "equals",
    "differs": "differs",
    "flip_when": "flip",
    "hold_when": "hold",
    "cap": "cap",
    "budget": "budget",
    "refused": "refused",
}
MISSING = {"flip": "keep", "hold": "hold", "cap": "keep", "budget": "keep", "refused": "keep"}
ACTS = ("dropped", "held", "flipped", "turned_back")


class PlaceholderError(Exception):
    """A bound or quantile on a label column that is one constant."""


@dataclass(frozen=True)
class Field:
    """The type of a column."""

    type: str
    """``text``, ``integer``, ``number`` or ``truth``."""
    flip: str = "same"
    partner: str | None = None
    cluster: str | None = None
    rank: str | None = None


class Record(NamedTuple):
    """What is recorded of a pair that a rule acted on."""

    rule: str | None = None
    column: str | None = None
    value: float | None = None
    threshold: float | None = None
    value_text: str | None = None
    threshold_text: str | None = None


NOTHING = Record()


@dataclass
class State:
    """The state of a pair."""

    out: str | None = None
    """``drop`` or ``hold`` once a rule has removed the pair."""
    flips: list[str] = field(default_factory=list)
    record: Record = NOTHING

    @property
    def flipped(self) -> bool:
        return len(self.flips) % 2 == 1

    @property
    def verdict(self) -> str:
        return self.out or ("flip" if self.flipped else "keep")


def structure_rules(policies: Mapping[str, str], *, verdicts: bool) -> list[dict[str, Any]]:
    """Return the policies of ``structure`` as rules."""
    chosen = {name: policies.get(name, "drop") for name in STRUCTURE}
    rules = []
    for name, (dropping, holding, more) in STRUCTURE.items():
        if name == "verdict":
            if verdicts:
                rules.append({"name": name, "column": "human_verdict", "refused": chosen[name]})
        else:
            rules.append(
                {"name": name, **(holding if chosen[name] == "hold" else dropping), **more}
            )
    return rules


STRUCTURE: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "identical": (
        {"column": "is_identical", "equals": False},
        {"column": "is_identical", "hold_when": {"equals": True}},
        {"verdicts": True},
    ),
    "verdict": ({}, {}, {}),
    "empty": (
        {"column": "num_empty", "maximum": 0},
        {"column": "num_empty", "hold_when": {"minimum": 1}},
        {},
    ),
    "unlabelled": (
        {"column": "num_votes", "minimum": 1},
        {"column": "num_votes", "hold_when": {"maximum": 0}},
        {},
    ),
    "tie": (
        {"column": "is_tie", "equals": False},
        {"column": "is_tie", "hold_when": {"equals": True}},
        {},
    ),
}


def test_of(rule: Rule) -> str:
    """Return the one test of a rule."""
    (test,) = {TESTS[key] for key, value in rule.items() if key in TESTS and value is not None}
    return test


def name_of(rule: Rule) -> str:
    """Return the name of a rule in decisions."""
    if rule.get("name") is not None:
        return str(rule["name"])
    test = test_of(rule)
    column = {"cap": rule.get("per"), "budget": "all"}.get(test, rule.get("column"))
    return f"{column}_{test}"


def seeded(seed: int, pair_id: str) -> float:
    """Return the seeded order of a pair."""
    digest = sha256(f"{seed}/order/{pair_id}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def number(value: Any) -> float | None:
    """Return a number as float64; NaN is null."""
    if value is None or math.isnan(value):
        return None
    return float(value)


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return a quantile of values in ascending order; null where there are none."""
    if not values:
        return None
    place = share * (len(values) - 1)
    below = math.floor(place)
    low = values[below]
    if place == below or low == values[below + 1] or low == -math.inf:
        return low
    return low + (place - below) * (values[below + 1] - low)


def holds(condition: Mapping[str, Any], value: Any) -> bool:
    """Return whether a condition holds for a value that is not null."""
    if condition.get("equals") is not None:
        return bool(value == constant(condition["equals"]))
    low, high = condition.get("minimum"), condition.get("maximum")
    return (low is None or value >= low) and (high is None or value <= high)


def constant(value: Any) -> Any:
    """Return a value of a recipe: a text, or a number as float64."""
    return value if isinstance(value, str) else float(value)


class Engine:
    """Applies rules to facts, one after the other."""

    def __init__(self, facts: Facts, fields: Mapping[str, Field], seed: int) -> None:
        self.facts = facts
        self.fields = fields
        self.ids = facts["pair_id"]
        self.states = [State() for _ in self.ids]
        self.order = [seeded(seed, pair_id) for pair_id in self.ids]
        self.sources = ["" if s is None else s for s in facts.get("source", [None] * len(self.ids))]
        self.log: list[dict[str, Any]] = []
        self._lowest: dict[str, dict[Group, float]] = {}

    # Columns of pairs

    def raw(self, name: str, pair: int) -> Any:
        """Return the value of a column in the current direction of a pair."""
        flipped = self.states[pair].flipped
        if name in KEYS:
            return self.facts[TURNED_IDS.get(name, name) if flipped else name][pair]
        about = self.fields[name]
        if about.cluster is not None:
            return self._represents(name, pair)
        value = self.facts[name][pair]
        if not flipped or about.flip == "same":
            return value
        if about.flip == "swap":
            return self.facts[str(about.partner)][pair]
        if value is None:
            return None
        return -value if about.flip == "negate" else 1 - value

    def value(self, name: str, pair: int) -> Any:
        """Return the value of a column as tests compare it."""
        value = self.raw(name, pair)
        return value if self._type(name) == "text" else number(value)

    def group(self, name: str, pair: int) -> Group:
        """Return the group of a pair: whether the value is there, and the value."""
        value = self.raw(name, pair)
        if self._type(name) in {"number", "truth"}:
            value = number(value)
        return value is not None, value

    def _type(self, name: str) -> str:
        return "text" if name in KEYS else self.fields[name].type

    def _represents(self, name: str, pair: int) -> bool | None:
        cluster, rank = self._cluster(name, pair)
        if not cluster[0] or rank is None:
            return None
        return rank == self._lowest_ranks(name)[cluster]

    def _cluster(self, name: str, pair: int) -> tuple[Group, float | None]:
        about = self.fields[name]
        return self.group(str(about.cluster), pair), self.value(str(about.rank), pair)

    def _lowest_ranks(self, name: str) -> dict[Group, float]:
        """Return the lowest rank of each cluster among all remaining pairs."""
        if name not in self._lowest:
            ranks: dict[Group, list[float]] = defaultdict(list)
            for pair, state in enumerate(self.states):
                cluster, rank = self._cluster(name, pair)
                if state.out is None and cluster[0] and rank is not None:
                    ranks[cluster].append(rank)
            self._lowest[name] = {cluster: min(found) for cluster, found in ranks.items()}
        return self._lowest[name]

    def looks_at(self, rule: Rule, pair: int) -> bool:
        """Return whether a rule tests a pair."""
        if self.states[pair].out is not None:
            return False
        if not rule.get("verdicts") and self._directed(pair):
            return False
        unless = rule.get("unless")
        if unless is None:
            return True
        value = self.value(unless["column"], pair)
        return value is None or not holds(unless, value)

    def _directed(self, pair: int) -> bool:
        """Return whether a human verdict directs a pair."""
        return "human_verdict" in self.facts and (
            self.facts["human_verdict"][pair] in {"right", "wrong"}
        )

    # Rules

    def apply(self, rule: Rule) -> None:
        """Let a rule act on all pairs at once."""
        self._lowest = {}
        looked = [pair for pair in range(len(self.ids)) if self.looks_at(rule, pair)]
        self._require_labels(rule, looked)
        acting = self._placed if test_of(rule) in {"cap", "budget"} else self._tested
        name = name_of(rule)
        counts = {source: dict.fromkeys(("in", *ACTS), 0) for source in sorted(set(self.sources))}
        for pair in looked:
            counts[self.sources[pair]]["in"] += 1
        for pair, action, record in list(acting(rule, looked)):
            counts[self.sources[pair]][self._act(pair, action, name, record)] += 1
        total = {key: sum(one[key] for one in counts.values()) for key in ("in", *ACTS)}
        self.log.append({"rule": name, **total, "by_source": counts})

    def _act(self, pair: int, action: str, name: str, record: Record) -> str:
        state = self.states[pair]
        if action == "flip":
            state.flips.append(name)
            state.record = record if state.flipped else NOTHING
            return "flipped" if state.flipped else "turned_back"
        state.out, state.record = action, record
        return "dropped" if action == "drop" else "held"

    def _tested(self, rule: Rule, looked: list[int]) -> Iterable[tuple[int, str, Record]]:
        """Yield the pairs that a test of a column acts on."""
        test, column, name = test_of(rule), rule["column"], name_of(rule)
        bounds = self._bounds(rule, looked)
        action = {"flip": "flip", "hold": "hold", "refused": rule.get("refused")}.get(test, "drop")
        missing = rule.get("missing") or MISSING.get(test, "drop")
        for pair in looked:
            value = self.value(column, pair)
            low, high = bounds(pair)
            if value is None:
                done = None if missing == "keep" else missing
            else:
                done = action if acts_on(rule, value, low, high) else None
            if done is not None:
                threshold = threshold_of(rule, value, low, high)
                yield pair, done, self._record(name, column, value, threshold)

    def _record(self, name: str, column: str, value: Any, threshold: Any) -> Record:
        if self._type(column) == "text":
            return Record(name, column, None, None, value, threshold)
        return Record(name, column, value, threshold)

    def _bounds(self, rule: Rule, looked: list[int]) -> Callable[[int], tuple[Any, Any]]:
        """Return a function that gives both bounds for a pair."""
        if test_of(rule) != "quantile":
            low, high = rule.get("minimum"), rule.get("maximum")
            return lambda _: (number(low), number(high))
        per = rule.get("per")
        values: dict[Any, list[float]] = defaultdict(list)
        for pair in looked:
            group = None if per is None else self.group(per, pair)
            value = self.value(rule["column"], pair)
            if value is not None:
                values[group].append(value)
        shares = rule.get("minimum_quantile"), rule.get("maximum_quantile")
        found: dict[Any, tuple[Any, Any]] = {}
        for group, members in values.items():
            members.sort()
            low, high = (None if q is None else quantile(members, q) for q in shares)
            found[group] = low, high
        nothing = None, None
        return lambda p: found.get(None if per is None else self.group(per, p), nothing)

    def _require_labels(self, rule: Rule, looked: list[int]) -> None:
        """Refuse a bound or quantile on a label that is one constant."""
        least = rule.get("placeholder_pairs", 50)
        if test_of(rule) not in {"bound", "quantile"} or rule["column"] not in LABELS:
            return
        values: dict[Any, list[float]] = defaultdict(list)
        for pair in looked:
            value = number(self.facts[rule["column"]][pair])
            per = rule.get("per")
            group = self.sources[pair], None if per is None else self.group(per, pair)
            if value is not None:
                values[group].append(value)
        for found in values.values():
            if least is not None and len(found) >= least and len(set(found)) == 1:
                raise PlaceholderError(rule["column"])

    # Caps and budgets

    def _placed(self, rule: Rule, looked: list[int]) -> Iterable[tuple[int, str, Record]]:
        """Yield the pairs beyond a cap or budget, and those without a rank value."""
        test, per, name = test_of(rule), rule.get("per"), name_of(rule)
        limit, missing = rule[test], rule.get("missing") or "keep"
        by = rule.get("order_by")
        ranked: list[int] = []
        for pair in looked:
            lacks = by is not None and self.value(by.removeprefix("-"), pair) is None
            lacks = lacks or (per is not None and not self.group(per, pair)[0])
            if lacks and missing != "keep":
                yield pair, missing, Record(name, per, None, float(limit))
            else:
                ranked.append(pair)
        ranked.sort(key=lambda pair: self._rank(by, pair))
        if rule.get("balance"):
            ranked = self._balanced(rule["balance"], ranked)
        seen: dict[Any, int] = defaultdict(int)
        for pair in ranked:
            group = None if per is None else self.group(per, pair)
            seen[group] += 1
            if seen[group] > limit:
                yield pair, "drop", Record(name, per, float(seen[group]), float(limit))

    def _rank(self, by: str | None, pair: int) -> tuple[bool, float, float, str]:
        value = 0.0 if by is None else self.value(by.removeprefix("-"), pair)
        sign = -1 if by is not None and by.startswith("-") else 1
        return value is None, sign * (value or 0.0), self.order[pair], self.ids[pair]

    def _balanced(self, columns: Sequence[str], ranked: Sequence[int]) -> list[int]:
        """Return pairs in the order in which balanced selection takes them."""
        waiting: dict[tuple[Group, ...], list[int]] = defaultdict(list)
        for pair in reversed(ranked):
            waiting[tuple(self.group(name, pair) for name in columns)].append(pair)
        place = {pair: position for position, pair in enumerate(ranked)}
        sizes = [len({groups[c] for groups in waiting}) for c in range(len(columns))]
        taken: list[dict[Group, int]] = [defaultdict(int) for _ in columns]
        order: list[int] = []

        def load(groups: tuple[Group, ...]) -> tuple[int, int]:
            total = sum(taken[c][g] * sizes[c] for c, g in enumerate(groups))
            return total, place[waiting[groups][-1]]

        while waiting:
            groups = min(waiting, key=load)
            order.append(waiting[groups].pop())
            for column, group in enumerate(groups):
                taken[column][group] += 1
            if not waiting[groups]:
                del waiting[groups]
        return order


def acts_on(rule: Rule, value: Any, low: float | None, high: float | None) -> bool:
    """Return whether the test of a rule acts on a value that is not null."""
    match test_of(rule):
        case "equals":
            return bool(value != constant(rule["equals"]))
        case "differs":
            return bool(value == constant(rule["differs"]))
        case "flip":
            return holds(rule["flip_when"], value)
        case "hold":
            return holds(rule["hold_when"], value)
        case "refused":
            return value in {"both_bad", "drop"}
        case _:
            return (low is not None and value < low) or (high is not None and value > high)


def threshold_of(rule: Rule, value: Any, low: float | None, high: float | None) -> Any:
    """Return the threshold that is recorded with a value."""
    match test_of(rule):
        case "equals" | "differs" as test:
            return constant(rule[test])
        case "flip" | "hold" as test:
            condition = rule[f"{test}_when"]
            if condition.get("equals") is not None:
                return constant(condition["equals"])
            low, high = condition.get("minimum"), condition.get("maximum")
            return number(high if low is None else low)
        case "refused":
            return None
        case _:
            below = value is not None and low is not None and value < low
            return low if below or high is None else high


class Decided(NamedTuple):
    """One verdict per pair, and the counts of each rule."""

    states: list[State]
    log: list[dict[str, Any]]
    order: list[float]


def decide(facts: Facts, rules: Iterable[Rule], fields: Mapping[str, Field], seed: int) -> Decided:
    """Decide on pairs.

    Args:
        facts: ``pair_id``, and the columns that rules read.
        rules: Those of ``structure`` first.
        fields: What the columns are; ids need not be there.
        seed: The recipe's.

    Raises:
        PlaceholderError: A rule bounds a label column that is one constant.
    """
    engine = Engine(facts, fields, seed)
    for rule in rules:
        engine.apply(rule)
    return Decided(engine.states, engine.log, engine.order)
