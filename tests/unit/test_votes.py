"""Which judgements become votes: raters, aspects, lists and kinds are not mixed."""

from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefine.errors import DataError
from prefine.pair.aggregate import aggregate
from prefine.pair.outcomes import outcomes, require_aspects
from prefine.pair.ratings import rating_facts
from prefine.pair.settings import Pairs, SourceWeight
from prefine.pair.votes import from_labels, from_rankings, from_ratings
from prefine.planning import make_plan
from prefine.recipe import parse_recipe
from prefine.schema import JUDGEMENTS
from prefine.settings import Runtime
from tests.examples import examples
from tests.made import read_record


def judgements(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return judgements of one prompt; each row says what differs from an empty rating."""
    base = {
        **dict.fromkeys(JUDGEMENTS.names),
        "prompt_id": "p",
        "kind": "rating",
        "source": "s",
        "file": "f",
        "row": 1,
        "index": 0,
        "context_mismatch": False,
    }
    schema = pl.from_arrow(JUDGEMENTS.empty_table())
    assert isinstance(schema, pl.DataFrame)
    frame = pl.DataFrame([{**base, **row} for row in rows], schema=schema.schema)
    return frame.with_row_index("number")


def rating(response: str, value: float, who: str | None = None, **more: Any) -> dict[str, Any]:
    facts = {"response_a": response, "rating": value, "annotator": who, "aspect": "overall"}
    return {**facts, **more}


def rank(response: str, value: float, **more: Any) -> dict[str, Any]:
    return {"kind": "rank", "response_a": response, "rank": value, **more}


def label(winner: str, **more: Any) -> dict[str, Any]:
    sides = {"response_a": "a", "response_b": "b"}
    return {"kind": "pair", **sides, "winner": winner, "label": winner, **more}


def directions(votes: pl.DataFrame) -> list[tuple[str, str, int]]:
    return sorted(votes.select("low", "high", "direction").rows())


def reasons(found: Any) -> dict[int, str | None]:
    return dict(found.reasons.sort("number").rows())


def test_raters_who_rated_one_side_only_are_left_out() -> None:
    found = from_ratings(
        judgements(
            rating("good", 3, "strict"), rating("bad", 2, "strict"), rating("bad", 5, "mild")
        ),
        Pairs(),
        0,
    )

    assert directions(found.votes) == [("bad", "good", -1)]
    assert found.votes["strength"].to_list() == [1.0]
    assert found.votes["annotator"].to_list() == ["strict"]
    assert reasons(found) == {0: None, 1: None, 2: "no_common_rater"}


def test_raters_of_all_responses_are_averaged() -> None:
    rows = [rating("a", 1, "x"), rating("b", 4, "x"), rating("a", 3, "y"), rating("b", 2, "y")]

    found = from_ratings(judgements(*rows), Pairs(), 0)

    assert directions(found.votes) == [("a", "b", -1)]
    assert found.votes["strength"].to_list() == [1.0]
    assert found.votes["annotator"].to_list() == ["x+y"]


def test_where_nobody_rated_all_each_rater_has_a_list_of_their_own() -> None:
    """Y's 9 for b and X's 2 for a are on two scales; a and c were never rated by one rater."""
    rows = [
        *(rating("a", 2, "x"), rating("b", 1, "x")),
        *(rating("b", 9, "y"), rating("c", 8, "y")),
        rating("c", 1, "z"),
    ]

    found = from_ratings(judgements(*rows), Pairs(select="all"), 0)

    assert directions(found.votes) == [("a", "b", 1), ("b", "c", 1)]
    assert found.votes.sort("low")["annotator"].to_list() == ["x", "y"]
    assert reasons(found) == {0: None, 1: None, 2: None, 3: None, 4: "no_common_rater"}


X_AND_Y = [
    *(rating("a", 5, "x"), rating("b", 1, "x"), rating("a", 2, "y"), rating("b", 3, "y")),
]


def test_a_rating_of_another_couple_changes_nothing() -> None:
    """X and y say 3.5 against 2; that z rates b and c has nothing to do with a."""
    more = [rating("b", 4, "z"), rating("c", 1, "z")]

    alone = from_ratings(judgements(*X_AND_Y), Pairs(select="all"), 0)
    found = from_ratings(judgements(*X_AND_Y, *more), Pairs(select="all"), 0)

    assert alone.votes.select("low", "high", "direction", "strength", "annotator").rows() == [
        ("a", "b", 1, 1.5, "x+y")
    ]
    assert sorted(
        found.votes.select("low", "high", "direction", "strength", "annotator").rows()
    ) == [("a", "b", 1, 1.5, "x+y"), ("b", "c", 1, 3.0, "z")]
    assert set(reasons(found).values()) == {None}


ONE_OF_ALL = [
    *(rating("a", 3, "x"), rating("b", 2, "x"), rating("c", 1, "x")),
    *(rating("a", 1, "y"), rating("b", 9, "y")),
]
"""X rated all responses, and y two of them."""


@pytest.mark.parametrize(
    ("select", "expected", "unused"),
    [
        ("all", [("a", "b", -1, 3.5), ("a", "c", 1, 2.0), ("b", "c", 1, 1.0)], set()),
        ("adjacent", [("a", "b", -1, 3.5), ("b", "c", 1, 1.0)], set()),
        ("best_vs_worst", [("a", "c", 1, 2.0)], {1, 3, 4}),
    ],
)
def test_those_who_rated_all_put_a_list_in_order_and_all_common_raters_compare(
    select: Any, expected: list[tuple[Any, ...]], unused: set[int]
) -> None:
    found = from_ratings(judgements(*ONE_OF_ALL), Pairs(select=select), 0)

    votes = found.votes.select("low", "high", "direction", "strength")
    assert sorted(votes.rows()) == expected
    assert {number: reason for number, reason in reasons(found).items() if reason} == dict.fromkeys(
        unused, "not_selected"
    )


def test_limits_hold_for_what_the_common_raters_say() -> None:
    rows = judgements(*ONE_OF_ALL)

    wide = from_ratings(rows, Pairs(select="all", minimum_gap=1.5), 0)
    first = from_ratings(rows, Pairs(select="all", per_prompt=1), 0)

    assert directions(wide.votes) == [("a", "b", -1), ("a", "c", 1)]
    assert directions(first.votes) == [("a", "b", -1)]


D_AND_E = [rating("d", 2, "x2"), rating("e", 1, "x2")]
"""Nobody compares d or e with another response: they form a separate list."""


def test_without_a_rater_of_all_the_widest_couple_is_best_against_worst() -> None:
    rows = [*X_AND_Y, rating("b", 4, "z"), rating("c", 1, "z"), *D_AND_E]

    found = from_ratings(judgements(*rows), Pairs(), 0)

    assert directions(found.votes) == [("b", "c", 1), ("d", "e", 1)]
    assert reasons(found) == dict.fromkeys(range(4), "not_selected") | dict.fromkeys(range(4, 8))


def test_a_couple_that_common_raters_find_equal_is_a_tie() -> None:
    rows = [rating("a", 1, "x"), rating("b", 1, "x"), rating("b", 2, "y"), rating("c", 2, "y")]

    found = from_ratings(judgements(*rows), Pairs(), 0)

    assert found.votes.height == 0
    assert set(reasons(found).values()) == {"tie"}


def test_aspects_that_leave_a_response_out_count_where_they_rate_both() -> None:
    rows = [
        *(rating(name, value, aspect="help") for name, value in (("a", 4), ("b", 3), ("c", 1))),
        *(rating(name, value, aspect="truth") for name, value in (("a", 1), ("b", 4))),
    ]
    config = Pairs(select="all", aspects={"help": 1, "truth": 1})

    votes = from_ratings(judgements(*rows), config, 0).votes

    assert sorted(votes.select("low", "high", "direction", "strength").rows()) == [
        ("a", "b", -1, 1.0),
        ("a", "c", 1, 3.0),
        ("b", "c", 1, 2.0),
    ]


def test_the_ratings_of_a_pair_are_those_that_direct_it() -> None:
    pairs = pl.DataFrame({"low": "a", "high": "b", "chosen_id": "b", "rejected_id": "a"})
    names = ("chosen_rating", "rejected_rating", "rating_gap")

    found = rating_facts(pairs, judgements(*ONE_OF_ALL), {}, {})

    assert found.select(names).rows() == [(5.5, 2.0, 3.5)]


rated_lists = st.dictionaries(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("xyz"), st.sampled_from(["help", "truth"])),
    st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0]),
    min_size=1,
)


@examples(60)
@given(rated_lists, st.sampled_from(["all", "adjacent", "best_vs_worst", "best_vs_random"]))
def test_a_couple_is_the_mean_of_the_columns_that_rate_both(
    values: dict[tuple[str, str, str], float], select: Any
) -> None:
    rows = [rating(name, value, who, aspect=of) for (name, who, of), value in values.items()]
    config = Pairs(select=select, aspects={"help": 3, "truth": 1})

    found = from_ratings(judgements(*rows), config, 0)

    compared = {
        (low, high): gap
        for low, high in combinations("abcd", 2)
        if (gap := gap_by_hand(values, low, high)) is not None
    }
    expected = {key: (1 if gap > 0 else -1, abs(gap)) for key, gap in compared.items() if gap}
    votes = {
        (low, high): (direction, strength)
        for low, high, direction, strength in found.votes.select(
            "low", "high", "direction", "strength"
        ).rows()
    }
    assert votes == {key: pytest.approx(expected[key]) for key in votes}
    if select == "all":
        assert votes.keys() == expected.keys()
    assert bool(votes) == bool(expected) or select != "all"
    behind = {
        number
        for number, (name, who, of) in enumerate(values)
        for pair in votes
        if name in pair and all((side, who, of) in values for side in pair)
    }
    assert {number for number, reason in reasons(found).items() if reason is None} == behind
    alone = {
        number
        for number, (name, who, of) in enumerate(values)
        if not any((other, who, of) in values for other in set("abcd") - {name})
    }
    several = len({name for name, _, _ in values}) > 1
    assert {number for number, reason in reasons(found).items() if reason == "no_common_rater"} == (
        alone if several else set()
    )


def gap_by_hand(values: dict[tuple[str, str, str], float], low: str, high: str) -> float | None:
    total = weights = 0.0
    for aspect, weight in (("help", 3), ("truth", 1)):
        gaps = [
            values[low, who, aspect] - values[high, who, aspect]
            for who in "xyz"
            if (low, who, aspect) in values and (high, who, aspect) in values
        ]
        if gaps:
            total += weight * sum(gaps) / len(gaps)
            weights += weight
    return round(total / weights, 9) if weights else None


def test_ratings_without_annotator_are_by_one_anonymous_rater() -> None:
    rows = [rating("a", 2), rating("b", 1), rating("b", 5, "x")]

    found = from_ratings(judgements(*rows), Pairs(), 0)

    assert directions(found.votes) == [("a", "b", 1)]


def test_the_ratings_of_a_pair_are_by_the_same_raters() -> None:
    pairs = pl.DataFrame({"low": "a", "high": "b", "chosen_id": "a", "rejected_id": "b"})
    some = judgements(rating("a", 2, "x"), rating("b", 1, "x"), rating("b", 9, "y"))
    apart = judgements(rating("a", 2, "x"), rating("c", 3, "x"), rating("b", 9, "y"))
    names = ("chosen_rating", "rejected_rating", "rating_gap")

    assert rating_facts(pairs, some, {}, {}).select(names).rows() == [(2.0, 1.0, 1.0)]
    assert rating_facts(pairs, apart, {}, {}).select(names).rows() == [(2.0, None, None)]


def aspects(**values: tuple[float, float]) -> pl.DataFrame:
    """Return the ratings of the responses a and b by aspect."""
    return judgements(
        *(
            rating(response, value, aspect=aspect)
            for aspect, two in values.items()
            for response, value in zip("ab", two, strict=True)
        )
    )


def test_several_aspects_without_weights_are_refused() -> None:
    found = aspects(helpfulness=(4, 2), verbosity=(0, 4))

    with pytest.raises(DataError, match=r"source s rates several aspects \(helpfulness, verbosity"):
        from_ratings(found, Pairs(), 0)


@pytest.mark.parametrize(
    ("ratings", "settings", "merits", "direction"),
    [
        ({"overall": (1, 2), "help": (9, 1)}, {}, {}, -1),
        ({"verbosity": (0, 4)}, {}, {}, -1),
        ({"helpfulness": (4, 2), "verbosity": (0, 9)}, {}, {"s": {"helpfulness": 1}}, 1),
        ({"help": (4, 2), "length": (0, 9)}, {"aspects": {"help": 1, "length": 1}}, {}, -1),
        ({"help": (4, 2), "length": (0, 9)}, {"aspects": {"length": -1}}, {}, 1),
    ],
)
def test_what_decides_among_aspects(
    ratings: Any, settings: Any, merits: Any, direction: int
) -> None:
    found = from_ratings(aspects(**ratings), Pairs(**settings), 0, merits)

    assert directions(found.votes) == [("a", "b", direction)]


def test_an_overall_rating_without_a_value_leaves_nothing_to_its_aspects() -> None:
    rows = [rating("a", 2, aspect="x"), rating("b", 1, aspect="x"), rating("b", 2, aspect="y")]
    void = {**rating("a", 0), "rating": None, "winner": "invalid"}

    found = from_ratings(judgements(*rows, void), Pairs(), 0)

    assert found.votes.height == 0
    assert reasons(found) == {0: "other_aspect", 1: "other_aspect", 2: "other_aspect"}


@pytest.mark.parametrize(
    ("found", "config", "message"),
    [
        (
            [[rating("a", 1, aspect="help")], [label("a", aspect="safer")]],
            {"aspect": "saver"},
            r"`pairs.aspect` names `saver`, but no judgement has that aspect; the data have help, "
            "safer$",
        ),
        (
            [[label("a", aspect="safer")], [rating("a", 1), rating("a", 1, aspect="help")]],
            {"aspects": {"help": 1, "safer": 2}},
            r"`pairs.aspects` names `safer`, but no rating has that aspect; the data have help, "
            "overall$",
        ),
        ([[label("a")]], {"aspects": {"help": 1}}, "the data have no ratings$"),
        ([[], [label("a")]], {"aspect": "safer"}, "the data have overall$"),
        ([[label("a")], [label("a", aspect="safer")]], {"aspect": "safer"}, None),
        ([[rating("a", 1)], []], {"aspects": {"overall": 1}}, None),
        ([[], []], {"aspect": "safer"}, None),
        ([[label("a")]], {}, None),
    ],
)
def test_an_aspect_that_no_shard_has_is_refused(
    found: list[list[dict[str, Any]]], config: dict[str, Any], message: str | None
) -> None:
    parts = [judgements(*rows) for rows in found]

    if message is None:
        require_aspects(Pairs(**config), parts)
    else:
        with pytest.raises(DataError, match=message):
            require_aspects(Pairs(**config), parts)


def test_ratings_of_aspects_that_do_not_count_are_counted() -> None:
    found = from_ratings(aspects(overall=(2, 1), help=(1, 2)), Pairs(), 0)

    assert reasons(found) == {0: None, 1: None, 2: "other_aspect", 3: "other_aspect"}


@pytest.mark.parametrize(
    ("ratings", "gap", "disagree"),
    [
        ({"overall": (2, 1), "help": (1, 4), "truth": (3, 2)}, -1.0, True),
        ({"overall": (2, 1), "help": (4, 1)}, 3.0, False),
        ({"overall": (2, 1), "help": (1, 1)}, 0.0, False),
        ({"overall": (2, 1)}, None, None),
        ({"help": (4, 1)}, 3.0, None),
    ],
)
def test_an_overall_rating_is_compared_with_its_aspects(
    ratings: Any, gap: float | None, disagree: bool | None
) -> None:
    pairs = pl.DataFrame({"low": "a", "high": "b", "chosen_id": "a", "rejected_id": "b"})

    found = rating_facts(pairs, aspects(**ratings), {}, {})

    assert found.select("aspect_gap", "aspects_disagree").rows() == [(gap, disagree)]


def test_ranks_of_two_aspects_are_two_lists() -> None:
    rows = [
        *(rank("a", 1, aspect="coherence", index=0), rank("b", 2, aspect="coherence", index=1)),
        *(rank("a", 2, aspect="diversity", index=2), rank("b", 1, aspect="diversity", index=3)),
    ]

    found = outcomes(judgements(*rows), Pairs(aspect="coherence"))
    used = found.filter(pl.col("outcome").is_null())

    assert found["outcome"].to_list() == [None, None, "other_aspect", "other_aspect"]
    assert directions(from_rankings(used, Pairs(), 0).votes) == [("a", "b", 1)]
    with pytest.raises(
        DataError, match=r"source s ranks responses by several aspects \(coherence, diversity"
    ):
        outcomes(judgements(*rows), Pairs())


def test_two_rankings_of_one_row_vote_apart() -> None:
    rows = [
        *(rank("a", 1, annotator="r1"), rank("b", 2, annotator="r1")),
        *(rank("a", 3, annotator="r2", index=2), rank("b", 1, annotator="r2", index=3)),
    ]

    votes = from_rankings(judgements(*rows), Pairs(), 0).votes
    pairs = aggregate(votes)

    assert directions(votes) == [("a", "b", -1), ("a", "b", 1)]
    assert pairs.select("is_tie", "is_contradiction", "num_duplicates").rows() == [(True, True, 0)]


@pytest.mark.parametrize(
    ("found", "aspect", "expected"),
    [
        ([None], "safer", [None]),
        (["overall"], "safer", [None]),
        (["better", "safer"], "safer", ["other_aspect", None]),
        ([None, "better"], "safer", [None, "other_aspect"]),
        ([None, "safer"], "safer", ["other_aspect", None]),
        ([None, "better"], None, [None, "other_aspect"]),
        (["better", "better"], None, [None, None]),
    ],
)
@pytest.mark.parametrize("kind", ["pair", "rank"])
def test_the_aspect_applies_to_labels_and_ranks(
    found: list[str | None], aspect: str | None, expected: list[str | None], kind: str
) -> None:
    rows = [label("a", aspect=one, kind=kind) for one in found]

    assert outcomes(judgements(*rows), Pairs(aspect=aspect))["outcome"].to_list() == expected


def test_the_aspect_applies_to_ratings_that_have_no_weights() -> None:
    rows = aspects(helpfulness=(4, 2), verbosity=(0, 4))
    config = Pairs(aspect="helpfulness", aspects={"verbosity": -1})

    assert outcomes(rows, Pairs(aspect="helpfulness"))["outcome"].to_list() == [
        *(None, None),
        *("other_aspect", "other_aspect"),
    ]
    assert outcomes(rows, config)["outcome"].to_list() == [None] * 4


def test_each_source_of_a_prompt_uses_the_first_kind_that_it_has() -> None:
    rows = [
        label("a", source="labels"),
        *(rating("c", 1, source="both"), rating("d", 2, source="both")),
        *(rank("c", 1, source="both"), rank("d", 2, source="both")),
        *(rating("e", 1, source="stars"), rating("f", 2, source="stars")),
        *(rank("g", 1, source="void", winner="invalid"), rating("h", 1, source="void")),
    ]

    found = outcomes(judgements(*rows), Pairs())

    assert found.filter(pl.col("outcome").is_not_null()).select("number", "outcome").rows() == [
        (1, "other_kind"),
        (2, "other_kind"),
        (7, "other_kind"),
    ]


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ({"row": 2}, 1),
        ({"file": "g"}, 1),
        ({"index": 1}, 0),
        ({"row": 2, "index": 1}, 0),
        ({"row": 2, "annotator": "x"}, 0),
        ({"row": 2, "aspect": "safety"}, 0),
        ({"row": 2, "source": "t"}, 0),
        ({"row": 2, "label": "A"}, 0),
        ({"row": 2, "response_a": "b", "response_b": "a"}, 0),
    ],
)
def test_a_duplicate_is_the_same_judgement_of_another_row(
    second: dict[str, Any], expected: int
) -> None:
    votes = from_labels(judgements(label("a"), label("a", **second)))

    assert aggregate(votes)["num_duplicates"].to_list() == [expected]


def rated_row(row: int, a: float, b: float, who: str | None = None) -> list[dict[str, Any]]:
    """Return what one raw row says of a and b in two aspects."""
    values = ((a, "a", "help"), (b, "b", "help"), (a, "a", "truth"), (b, "b", "truth"))
    return [
        rating(name, value, who, aspect=aspect, row=row, index=index)
        for index, (value, name, aspect) in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (rated_row(1, 5, 3), 0),
        ([*rated_row(1, 5, 3), *rated_row(2, 5, 3)], 1),
        ([*rated_row(1, 5, 3), *rated_row(2, 5, 3), *rated_row(3, 5, 3)], 2),
        ([*rated_row(1, 5, 3), *rated_row(2, 5, 4), *rated_row(3, 4, 3)], 0),
        ([*rated_row(1, 5, 3, "x"), *rated_row(2, 5, 3, "y")], 0),
        ([*rated_row(1, 5, 3), rating("a", 4, "x", aspect="help")], 0),
        ([*rated_row(1, 5, 3), *rated_row(2, 5, 3), *rated_row(3, 5, 3)[:1]], 1),
        ([*rated_row(1, 5, 3)[::2], *rated_row(2, 5, 3)[1::2]], 0),
        ([rating("a", 5, row=1), rating("b", 3, row=2), rating("a", 5, row=3)], 0),
        ([rating(name, 5, row=row) for row, name in enumerate("cdcd")], None),
        ([rating(n, v, row=r) for r, (n, v) in enumerate([("a", 5), ("b", 3)] * 2)], 1),
    ],
)
def test_a_rated_row_that_stands_twice_is_a_duplicate(
    rows: list[dict[str, Any]], expected: int | None
) -> None:
    config = Pairs(aspects={"help": 1, "truth": 1, "overall": 1})

    votes = from_ratings(judgements(*rows), config, 0).votes

    assert aggregate(votes)["num_duplicates"].to_list() == ([] if expected is None else [expected])


def sides(winner: str, source: str, count: int = 1) -> list[dict[str, Any]]:
    return [label(winner, source=source, row=n, annotator=f"{source}{n}") for n in range(count)]


@pytest.mark.parametrize(
    ("rows", "weights", "expected"),
    [
        ([*sides("a", "s"), *sides("b", "t", 3)], {}, ("b", 3, 1, False)),
        ([*sides("a", "s"), *sides("b", "t", 3)], {"s": (1, 1)}, ("a", 1, 3, False)),
        ([*sides("tie", "s"), *sides("b", "t", 3)], {"s": (1, 1)}, (None, 0, 3, True)),
        ([*sides("invalid", "s"), *sides("b", "t", 3)], {"s": (1, 1)}, ("b", 3, 0, False)),
        ([*sides("a", "s"), *sides("b", "t")], {"t": (-1, 9)}, ("a", 1, 1, False)),
        ([*sides("a", "s"), *sides("b", "t", 3)], {"s": (0, 3.5)}, ("a", 1, 3, False)),
        (
            [*sides("a", "s", 3), *sides("b", "t")],
            {"s": (0, 0.1), "t": (0, 0.3)},
            (None, 3, 1, True),
        ),
    ],
)
def test_priorities_and_weights_of_sources_direct_a_pair(
    rows: list[dict[str, Any]], weights: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    votes = from_labels(judgements(*rows))
    stated = {name: SourceWeight(*weight) for name, weight in weights.items()}

    pair = aggregate(votes, stated).row(0, named=True)

    chosen, votes_for, votes_against, is_tie = expected
    assert chosen in {None, pair["chosen_id"]}
    assert {pair["chosen_id"], pair["rejected_id"]} == {"a", "b"}
    if chosen is None and pair["chosen_id"] == "b":
        votes_for, votes_against = votes_against, votes_for
    assert (pair["votes_for"], pair["votes_against"]) == (votes_for, votes_against)
    assert pair["is_tie"] is is_tie


def test_the_counts_of_a_pair_are_plain_and_its_margin_has_its_direction() -> None:
    rows = [*sides("a", "s"), *sides("b", "t", 3)]
    votes = from_labels(judgements(*({**row, "strength": 2.0} for row in rows)))

    pair = aggregate(votes, {"s": SourceWeight(priority=1)}).row(0, named=True)

    assert (pair["num_votes"], pair["agreement"], pair["disagreement"]) == (4, 0.25, 0.75)
    assert pair["strength"] == -1.0
    assert pair["is_contradiction"]


def test_weights_act_in_the_pairs_step_only(write_lines: Any, tmp_path: Path) -> None:
    write_lines([{"prompt": "Q?", "chosen": "x", "rejected": "y"}])
    runtime = Runtime(root=str(tmp_path / "root"), data=str(tmp_path))

    def prints(settings: str) -> dict[str, str]:
        recipe = f"name: m\nsources: [{{name: m, files: [rows.jsonl]{settings}}}]\n"
        return {
            step.name: step.fingerprint for step in make_plan(parse_recipe(recipe), runtime).steps
        }

    plain = prints("")
    for settings in (", priority: 1", ", weight: 2"):
        found = prints(settings)
        assert found["ingest_m"] == plain["ingest_m"]
        assert found["pairs"] != plain["pairs"]


@pytest.mark.parametrize(
    ("row", "layout", "strength"),
    [
        ({"score_0": 3.2, "score_1": 3.4}, "webgpt", 0.2),
        ({"score": [0.3, 0.1]}, "scored_text", 0.2),
        ({"preference": 1.6}, "alpaca_eval", 0.2),
        ({"preference": 1.201813219}, "alpaca_eval", 0.596373562),
        ({"preference": 1.5}, "alpaca_eval", 0.0),
    ],
)
def test_the_strength_of_scored_labels_is_their_difference_as_decimals(
    row: dict[str, Any], layout: str, strength: float
) -> None:
    texts: dict[str, dict[str, Any]] = {
        "webgpt": {"question": "Q?", "answer_0": "x", "answer_1": "y"},
        "scored_text": {"text": [f"\n\nHuman: Q?\n\nAssistant: {side}" for side in "xy"]},
        "alpaca_eval": {"instruction": "Q?", "output_1": "x", "output_2": "y"},
    }

    assert read_record(texts[layout] | row, layout).labels[0].strength == strength


@pytest.mark.parametrize(
    ("rows", "several", "expected"),
    [
        ([label("a", row=1), label("a", row=2), label("b", row=3)], False, (1, 1, 1)),
        ([label("a", row=1), label("a", row=2), label("b", row=3)], True, (2, 1, 0)),
        ([label("a", row=n, annotator="j") for n in range(3)], True, (1, 0, 2)),
        ([label("a", row=1), label("a", row=1, index=1)], False, (2, 0, 0)),
        ([label("a", row=1), label("a", row=1, file="g")], False, (1, 0, 1)),
        ([label("a", row=n, strength=s) for n, s in enumerate([1.0, 2.0])], False, (2, 0, 0)),
        ([label("invalid", row=1), label("invalid", row=2)], False, (0, 0, 1)),
    ],
)
def test_a_repeated_label_is_one_vote(
    rows: list[dict[str, Any]], several: bool, expected: tuple[int, int, int]
) -> None:
    weights = {"s": SourceWeight(anonymous="several")} if several else {}

    pair = aggregate(from_labels(judgements(*rows)), weights).row(0, named=True)

    votes = {pair["chosen_id"]: pair["votes_for"], pair["rejected_id"]: pair["votes_against"]}
    assert (votes["a"], votes["b"], pair["num_duplicates"]) == expected


@pytest.mark.parametrize(
    ("second", "several", "gap"),
    [
        ({}, (), 1.0),
        ({"annotator": None}, (), 1.0),
        ({"annotator": None}, ("s",), 4 / 3),
        ({"index": 1}, (), 4 / 3),
    ],
)
def test_a_repeated_rating_enters_the_mean_of_its_rater_once(
    second: dict[str, Any], several: tuple[str, ...], gap: float
) -> None:
    """The ratings 5, 5 and 3 of a have the mean 4, or 13/3; b has 3."""
    who = second.get("annotator", "j")
    rows = [
        rating("a", 5, who, row=1),
        rating("a", 5, who, **{"row": 2, **second, "annotator": who}),
        rating("a", 3, who, row=3),
        rating("b", 3, who, row=4),
    ]

    votes = from_ratings(judgements(*rows), Pairs(), 0, several=several).votes

    assert votes["strength"].to_list() == [gap]


def test_a_repeated_ranking_is_one_vote() -> None:
    rows = [
        rank(name, place, annotator=who, row=row)
        for row, who, order in [(1, "j", "ab"), (2, "j", "ab"), (3, "k", "ba")]
        for place, name in enumerate(order, 1)
    ]

    pair = aggregate(from_rankings(judgements(*rows), Pairs(), 0).votes).row(0, named=True)

    assert (pair["votes_for"], pair["votes_against"], pair["num_duplicates"]) == (1, 1, 1)


def test_what_a_least_gap_leaves_out_is_too_narrow() -> None:
    rows = [rating("a", 3.4), rating("b", 3.2), rating("c", 3.1)]

    passed = from_ratings(judgements(*rows[:2]), Pairs(minimum_gap=0.2), 0)
    adjacent = from_ratings(judgements(*rows), Pairs(minimum_gap=0.2, select="adjacent"), 0)
    narrow = from_ratings(judgements(*rows), Pairs(minimum_gap=0.4), 0)
    partly = [*rows[:2], rating("a", 3.4, "x"), rating("b", 3.0, "x"), rating("c", 3.0, "x")]
    compared = from_ratings(judgements(*partly), Pairs(minimum_gap=0.5), 0)

    assert passed.votes["strength"].to_list() == [0.2]
    assert reasons(adjacent) == {0: None, 1: None, 2: "too_narrow"}
    assert reasons(narrow) == {0: "too_narrow", 1: "not_selected", 2: "too_narrow"}
    assert set(reasons(compared).values()) == {"too_narrow", "not_selected"}
