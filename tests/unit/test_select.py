"""Diverse and balanced caps and budgets: hand-computed orders, laws, exact counts."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefine.decide import add_explanations, apply_rules
from prefine.decide.balance import balanced
from prefine.decide.diverse import Diverse, greedy
from prefine.decide.neighbours import Graph, Nearby, build_graph, graph_of
from tests.examples import examples
from tests.rules import make_rule, make_rules
from tests.unit.test_decide import COLUMNS, facts

quick = examples(60)

EDGES = [(0, 1, 0.75), (1, 2, 0.75), (0, 2, 0.5), (2, 3, 0.25), (3, 4, 0.5)]
"""Five prompts; the cosines are powers of two and their sums, so that ties are exact."""
QUALITY = [0.2, 0.4, 0.6, 0.8, 1.0]


def laid_out(count: int, edges: list[tuple[int, int, float]]) -> Graph:
    columns = list(zip(*edges, strict=True)) or [(), (), ()]
    sources, targets = (np.array(column, np.int64) for column in columns[:2])
    return graph_of(np.zeros(count), sources, targets, np.array(columns[2], np.float64))


@pytest.mark.parametrize(
    ("config", "quality", "expected"),
    [
        (Diverse(by="cover"), [1.0] * 5, [1, 3, 4, 0, 2]),
        (Diverse(by="spread"), [1.0] * 5, [0, 3, 2, 4, 1]),
        (Diverse(by="spread"), QUALITY, [4, 2, 3, 1, 0]),
        (Diverse(by="spread", weight=2), QUALITY, [4, 2, 3, 0, 1]),
        (Diverse(by="cover"), [0.5, 0.75, 0.5, 0.25, 0.25], [1, 3, 0, 2, 4]),
    ],
)
def test_five_prompts_are_taken_in_the_order_worked_out_by_hand(
    config: Diverse, quality: list[float], expected: list[int]
) -> None:
    order = greedy(laid_out(5, EDGES), np.array(quality), np.arange(5.0), config)

    assert order.tolist() == expected


def test_what_is_not_listed_is_as_near_as_the_last_that_is() -> None:
    """0 lists 1 (0.75) of three others, 1 lists 0: nothing else can be nearer to them than 0.75."""
    near = build_graph(
        pl.DataFrame(
            {
                "prompt_id": ["q0", "q1", "q2", "q3"],
                "places": [[1], [0], [3], [2]],
                "similarities": [[0.75], [0.75], [0.25], [0.25]],
                "is_blank": [False] * 4,
            }
        )
    )

    assert near.graph.bounds.tolist() == [0.75, 0.75, 0.25, 0.25]
    assert near.graph.within(np.array([1, 2])).bounds.tolist() == [0.75, 0.25]
    spread, cover = (
        greedy(near.graph, np.ones(4), np.arange(4.0), Diverse(by=by)).tolist()
        for by in ("spread", "cover")
    )
    assert spread == [2, 3, 0, 1]
    assert cover == [0, 2, 3, 1]


def test_an_edge_told_from_both_ends_counts_once_and_none_leads_to_itself() -> None:
    graph = laid_out(3, [(0, 1, 0.5), (1, 0, 0.75), (2, 2, 1.0), (1, 2, -0.5)])

    assert graph.starts.tolist() == [0, 1, 2, 2]
    assert graph.places.tolist() == [1, 0]
    assert graph.similarities.tolist() == [0.75, 0.75]


def test_a_part_of_the_graph_has_the_edges_inside_it() -> None:
    part = laid_out(5, EDGES).within(np.array([1, 2, 4]))

    assert part.starts.tolist() == [0, 1, 2, 2]
    assert part.places.tolist() == [1, 0]


def eager(graph: Graph, quality: Any, tie: Any, config: Diverse) -> list[int]:
    """Compute every gain anew each time, from the full matrix."""
    count = len(quality)
    cosines = np.eye(count)
    for i in range(count):
        row = slice(graph.starts[i], graph.starts[i + 1])
        cosines[i, graph.places[row]] = graph.similarities[row]
    covered, left, order = np.zeros(count), set(range(count)), list[int]()
    while left:

        def key(i: int, covered: Any = covered) -> tuple[float, float, float]:
            cover = np.maximum(cosines[i] - covered, 0).sum()
            gain = cover if config.by == "cover" else 1 - covered[i]
            return (-quality[i] * gain**config.weight, -quality[i], tie[i])

        best = min(left, key=key)
        left.remove(best)
        order.append(best)
        covered = np.maximum(covered, cosines[best])
    return order


sixteenths = st.integers(1, 16).map(lambda n: n / 16)


@st.composite
def problems(draw: Any) -> tuple[int, list[tuple[int, int, float]], list[float]]:
    count = draw(st.integers(1, 9))
    ends = st.integers(0, count - 1)
    edges = draw(st.lists(st.tuples(ends, ends, sixteenths), max_size=20))
    return count, edges, draw(st.lists(sixteenths, min_size=count, max_size=count))


@quick
@given(problems(), st.sampled_from(["cover", "spread"]), st.sampled_from([1.0, 2.0]))
def test_the_lazy_order_is_the_eager_one(problem: Any, by: Any, weight: float) -> None:
    count, edges, quality = problem
    graph, config = laid_out(count, edges), Diverse(by=by, weight=weight)
    tie = np.random.default_rng(0).permutation(count).astype(float)

    order = greedy(graph, np.array(quality), tie, config)

    assert order.tolist() == eager(graph, quality, tie, config)


def naive(groups: list[Any], preferred: Any) -> list[int]:
    """Add up the loads of all pairs each time."""
    left, order = set(range(len(preferred))), list[int]()
    while left:

        def load(pair: int) -> int:
            return sum(
                int((of_column[order] == of_column[pair]).sum()) * (int(of_column.max()) + 1)
                for of_column in groups
            )

        best = min(left, key=lambda pair: (load(pair), preferred[pair]))
        left.remove(best)
        order.append(best)
    return order


@st.composite
def columns_of_groups(draw: Any) -> tuple[list[Any], Any]:
    count = draw(st.integers(1, 12))
    values = st.lists(st.integers(0, 3), min_size=count, max_size=count)
    columns = [
        np.unique(draw(values), return_inverse=True)[1] for _ in range(draw(st.integers(1, 3)))
    ]
    return columns, np.array(draw(st.permutations(range(count))))


@quick
@given(columns_of_groups())
def test_the_least_loaded_pair_is_always_the_next(problem: Any) -> None:
    groups, preferred = problem

    assert balanced(groups, preferred).tolist() == naive(groups, preferred)


@quick
@given(columns_of_groups(), st.integers(1, 12))
def test_with_one_column_groups_differ_by_one_pair_or_are_used_up(problem: Any, n: int) -> None:
    group, preferred = problem[0][0], problem[1]

    taken = balanced([group], preferred)[:n]

    counts, whole = np.bincount(group[taken], minlength=group.max() + 1), np.bincount(group)
    open_ = counts < whole
    assert not open_.any() or counts.max() - counts[open_].min() <= 1


def near_of(count: int, edges: list[tuple[int, int, float]], blank: tuple[int, ...] = ()) -> Nearby:
    """Lay out edges; what no edge joins is known to be at cosine 0."""
    lists: dict[int, list[tuple[int, float]]] = {place: [] for place in range(count)}
    for source, target, cosine in edges:
        lists[source].append((target, cosine))
    found = build_graph(
        pl.DataFrame(
            {
                "prompt_id": [f"q{place}" for place in lists],
                "places": [[target for target, _ in found] for found in lists.values()],
                "similarities": [[cosine for _, cosine in found] for found in lists.values()],
                "is_blank": [place in blank for place in lists],
            },
            schema_overrides={
                "places": pl.List(pl.Int32),
                "similarities": pl.List(pl.Float32),
            },
        )
    )
    return found._replace(graph=found.graph._replace(bounds=np.zeros(count)))


def kept(
    frame: pl.DataFrame, *rules: dict[str, Any], near: Nearby | None = None, seed: int = 0
) -> set[str]:
    decided, _ = apply_rules(frame, make_rules(*rules), COLUMNS, seed, near=near)
    return set(decided.filter(pl.col("verdict").is_in(["keep", "flip"]))["pair_id"])


DIVERSE = {"order_by": "-margin", "diverse": {"by": "spread"}}


@pytest.mark.parametrize("budget", [1, 2, 3, 4, 5])
def test_a_diverse_budget_takes_the_first_of_the_greedy_order(budget: int) -> None:
    """Ranks of the margins are the qualities 0.2 to 1: the order is p4 p2 p3 p1 p0."""
    frame = facts(margin=[1.0, 2.0, 30.0, 40.0, 500.0])
    near = near_of(5, EDGES)

    found = kept(frame, {"budget": budget, **DIVERSE}, near=near)

    assert found == set(["p4", "p2", "p3", "p1", "p0"][:budget])
    assert found == kept(frame[::-1], {"budget": budget, **DIVERSE}, near=near, seed=9)


def test_only_what_is_still_in_covers_others() -> None:
    """Without p2 and p4 nothing is near p3, and p0 is near p1 alone."""
    frame = facts(margin=[1.0, 2.0, 30.0, 40.0, 500.0], is_tie=[False, False, True, False, True])
    rules = [{"column": "is_tie", "equals": False}, {"budget": 2, **DIVERSE}]

    assert kept(frame, *rules, near=near_of(5, EDGES)) == {"p3", "p1"}


def test_second_pairs_of_a_prompt_come_after_the_first_pairs_of_all() -> None:
    frame = facts(margin=[9.0, 8.0, 7.0, 1.0, 2.0], prompt_id=["q0", "q0", "q0", "q1", "q2"])
    near = near_of(3, [(0, 1, 0.5)])

    assert kept(frame, {"budget": 3, **DIVERSE}, near=near) == {"p0", "p3", "p4"}
    assert kept(frame, {"budget": 4, **DIVERSE}, near=near) == {"p0", "p1", "p3", "p4"}


def test_without_a_value_or_a_vector_a_pair_comes_last_and_the_count_is_exact() -> None:
    frame = facts(margin=[None, 5.0, 1.0, float("nan")])
    near = near_of(4, [], blank=(1,))

    assert kept(frame, {"budget": 1, **DIVERSE}, near=near) == {"p2"}
    assert kept(frame, {"budget": 2, **DIVERSE}, near=near) == {"p2", "p1"}
    assert len(kept(frame, {"budget": 3, **DIVERSE}, near=near)) == 3
    assert len(kept(frame, {"budget": 9, **DIVERSE}, near=near)) == 4


def test_a_diverse_cap_takes_the_first_of_each_group() -> None:
    frame = facts(margin=[1.0, 2.0, 30.0, 40.0, 500.0], source=["a", "a", "a", "b", "b"])
    rule = {"cap": 1, "per": "source", **DIVERSE}

    assert kept(frame, rule, near=near_of(5, EDGES)) == {"p2", "p4"}


def test_a_flipped_pair_is_ordered_by_its_new_margin() -> None:
    frame = facts(margin=[-3.0, 2.0])
    rules = [{"column": "margin", "flip_when": {"maximum": 0}}, {"budget": 1, **DIVERSE}]

    assert kept(frame, *rules, near=near_of(2, [])) == {"p0"}


def test_the_seed_decides_nothing_but_ties() -> None:
    near, apart = near_of(5, EDGES), facts(margin=[1.0, 2.0, 30.0, 40.0, 500.0])
    rule = {"budget": 2, **DIVERSE}

    assert len({frozenset(kept(apart, rule, near=near, seed=seed)) for seed in range(20)}) == 1
    tied = facts(margin=[1.0] * 5)
    assert len({frozenset(kept(tied, rule, near=near, seed=seed)) for seed in range(20)}) > 1


def test_a_balanced_budget_takes_from_the_least_represented_group_first() -> None:
    frame = facts(
        margin=[9.0, 8.0, 7.0, 6.0, 1.0, 2.0, 3.0],
        source=["big", "big", "big", "big", "small", "mid", "mid"],
    )
    rule = {"balance": ["source"], "order_by": "-margin"}

    assert kept(frame, {"budget": 3, **rule}) == {"p0", "p4", "p6"}
    assert kept(frame, {"budget": 5, **rule}) == {"p0", "p1", "p4", "p5", "p6"}
    assert kept(frame, {"budget": 6, **rule}) == {"p0", "p1", "p2", "p4", "p5", "p6"}


def test_a_missing_group_is_a_group_of_its_own() -> None:
    frame = facts(margin=[9.0, 8.0, 7.0], source=["a", "a", None])

    assert kept(frame, {"budget": 2, "balance": ["source"], "order_by": "-margin"}) == {"p0", "p2"}


def test_a_balanced_and_diverse_budget_takes_the_diverse_ones_of_each_group() -> None:
    """In the greedy order p4 p2 p3 p1 p0, the first of a is p2, then p1."""
    frame = facts(margin=[1.0, 2.0, 30.0, 40.0, 500.0], source=["a", "a", "a", "b", "b"])
    rule = {"budget": 4, "balance": ["source"], **DIVERSE}

    assert kept(frame, rule, near=near_of(5, EDGES)) == {"p4", "p2", "p3", "p1"}


@st.composite
def selections(draw: Any) -> tuple[pl.DataFrame, Nearby, dict[str, Any]]:
    count = draw(st.integers(1, 12))

    def listed(values: Any) -> Any:
        return draw(st.lists(values, min_size=count, max_size=count))

    prompts = listed(st.integers(0, 7).map(lambda n: f"q{n}"))
    frame = facts(
        margin=listed(st.one_of(st.none(), st.sampled_from([0.0, 1.0, 2.0]))),
        prompt_id=prompts,
        source=listed(st.sampled_from(["a", "b", None])),
    )
    ends = st.integers(0, 7)
    edges = draw(st.lists(st.tuples(ends, ends, sixteenths), max_size=15))
    rule: dict[str, Any] = {"order_by": draw(st.sampled_from([None, "margin", "-margin"]))}
    if draw(st.booleans()):
        rule["diverse"] = {"by": draw(st.sampled_from(["cover", "spread"]))}
    if draw(st.booleans()):
        rule["balance"] = draw(st.sampled_from([["source"], ["source", "prompt_id"]]))
    return frame, near_of(8, edges, blank=(7,)), rule


@quick
@given(selections(), st.integers(1, 13), st.randoms())
def test_counts_are_exact_nested_and_blind_to_the_order_of_rows(
    selection: Any, budget: int, random: Any
) -> None:
    frame, near, rule = selection
    shuffled = frame[random.sample(range(frame.height), frame.height)]

    found = kept(frame, {"budget": budget, **rule}, near=near)

    assert len(found) == min(budget, frame.height)
    assert found <= kept(frame, {"budget": budget + 1, **rule}, near=near)
    assert found == kept(shuffled, {"budget": budget, **rule}, near=near)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"diverse": {}}, ", diverse by cover"),
        ({"balance": ["source", "is_tie"]}, ", balanced over source, is_tie"),
        ({}, ""),
    ],
)
def test_the_explanation_says_what_made_the_order(more: dict[str, Any], sentence: str) -> None:
    rules = (make_rule(name="few", budget=1, order_by="-margin", **more),)
    decided, _ = apply_rules(facts(margin=[1.0, 2.0]), rules, COLUMNS, 0, near=near_of(2, []))

    explanations = dict(
        add_explanations(decided, rules).select("pair_id", "explanation").iter_rows()
    )

    assert explanations["p0"] == f"dropped by few: number 2 of a budget of 1{sentence}"
