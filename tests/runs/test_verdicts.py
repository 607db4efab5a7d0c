"""Human verdicts: they direct pairs, outrank labels, and exempt pairs from rules."""

import csv
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prefine.errors import DataError, RecipeError
from prefine.planning import make_plan, publish_plan, run_plan
from prefine.planning.look import read_table
from prefine.recipe import parse_recipe
from prefine.settings import Runtime
from prefine.step import load_manifest
from prefine.store import Store
from tests.made import assistant, table

SOURCE = "name: m\nsources: [{name: m, files: [rows.jsonl], id: key}]\n"


def row(
    key: str, prompt: str = "Q?", chosen: str = "good", rejected: str = "bad"
) -> dict[str, Any]:
    return {"key": key, "prompt": f"{prompt} {key}", "chosen": chosen, "rejected": rejected}


def recipe(more: str = "", **settings: Any) -> str:
    entry = {"files": ["review.csv"], "key": "own_id", **settings}
    return f"{SOURCE}verdicts: [{entry}]\n{more}"


def write_csv(folder: Path, rows: list[dict[str, Any]], name: str = "review.csv") -> None:
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        names = list(dict.fromkeys(key for one in rows for key in one))
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


def said(key: str, verdict: str, **more: Any) -> dict[str, Any]:
    return {"own_id": key, "verdict": verdict, **more}


def run(text: str, folder: Path) -> tuple[Any, Runtime]:
    runtime = Runtime(root=str(folder / "root"), data=str(folder))
    plan = make_plan(parse_recipe(text), runtime)
    run_plan(plan, runtime)
    return plan, runtime


def exported(text: str, folder: Path) -> dict[str, tuple[str, str]]:
    """Return the chosen and the rejected text by prompt."""
    plan, runtime = run(text, folder)
    publish_plan(plan, runtime, str(folder / "out"))
    found = pl.concat(pl.read_parquet(path) for path in (folder / "out" / "data").glob("*.parquet"))
    text_of = [
        found[side].list.first().struct.field("content")
        for side in ("prompt", "chosen", "rejected")
    ]
    return {prompt: sides for prompt, *sides in zip(*text_of, strict=True)}  # type: ignore[misc]


def texts(folder: Path, text: str) -> dict[str, tuple[Any, ...]]:
    """Return verdict columns and the chosen text of each pair, by its own id."""
    pairs, responses = (table(text, folder, name) for name in ("pairs", "responses"))
    chosen = dict(
        responses.select(
            "response_id", pl.col("messages").list.first().struct.field("content")
        ).rows()
    )
    columns = ("own_id", "human_verdict", "is_tie", "chosen_id")
    return {
        own: (verdict, tie, chosen[side])
        for own, verdict, tie, side in pairs.select(columns).rows()
    }


@pytest.mark.parametrize("key", ["own_id", "pair_id", "row", "text"])
def test_reversals_turn_exactly_the_pairs_that_they_name(
    write_lines: Any, tmp_path: Path, key: str
) -> None:
    rows = [row(f"k{n}", chosen=f"good {n}", rejected=f"bad {n}") for n in range(300)]
    write_lines(rows)
    pairs = table(SOURCE, tmp_path, "pairs")
    ids = dict(pairs.select("own_id", "pair_id").rows())
    keys = [
        {
            "own_id": {"own_id": one["key"]},
            "pair_id": {"pair_id": ids[one["key"]]},
            "row": {"row": number + 1, "source": "m"},
            "text": {name: one[name] for name in ("prompt", "chosen", "rejected")},
        }[key]
        for number, one in enumerate(rows)
    ]
    write_csv(tmp_path, [{**one, "verdict": "wrong"} for one in keys[:200]])

    found = exported(recipe(key=key), tmp_path)

    turned = {prompt for prompt, (chosen, _) in found.items() if chosen.startswith("bad")}
    assert len(found) == 300
    assert turned == {one["prompt"] for one in rows[:200]}
    assert all(found[one["prompt"]] == [one["rejected"], one["chosen"]] for one in rows[:200])


def test_a_turned_pair_has_the_columns_of_the_flipped_pair(
    write_lines: Any, tmp_path: Path
) -> None:
    score = {"score_chosen": 5, "score_rejected": 2}
    write_lines([{**row("k"), **score}, {**row("k2"), **score}])
    write_csv(tmp_path, [said("k", "Wrong", who="eve", day="2024-05-01")])

    pairs = table(recipe(by="who", at="day"), tmp_path, "pairs").sort("own_id")

    facts = ("votes_for", "votes_against", "agreement", "disagreement", "num_verdicts")
    assert pairs.select(facts).rows() == [(0, 1, 0.0, 1.0, 1), (1, 0, 1.0, 0.0, 0)]
    columns = ("label_source", "human_verdict", "human_by", "human_at")
    assert pairs.select(columns).rows() == [
        ("verdict", "wrong", "eve", "2024-05-01"),
        ("label", None, None, None),
    ]


def test_a_wrong_pair_is_exported_as_a_rule_would_flip_it(write_lines: Any, tmp_path: Path) -> None:
    write_lines([row("k"), row("k2")])
    write_csv(tmp_path, [said("k", "wrong")])
    lengths = "measures: [{kind: lengths}]\n"
    turn = "rules: [{name: turn, column: own_id, flip_when: {equals: k}}]\n"
    found: list[pl.DataFrame] = []
    for number, text in enumerate((recipe(lengths), SOURCE + lengths + turn)):
        plan, runtime = run(text, tmp_path)
        publish_plan(plan, runtime, str(tmp_path / f"out{number}"))
        found.append(pl.read_parquet(tmp_path / f"out{number}" / "data" / "*.parquet"))

    judged, flipped = (
        one.drop("is_flipped", "label_source", "human_verdict", "num_verdicts", strict=False)
        for one in found
    )
    assert judged.equals(flipped)
    assert judged.filter(pl.col("own_id") == "k")["chosen"].to_list() == [[assistant("bad")]]


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["right"], ("right", False, "good")),
        ([" WRONG "], ("wrong", False, "bad")),
        (["tie"], ("tie", True, "good")),
        (["both bad"], ("both_bad", True, "good")),
        (["Both-Bad"], ("both_bad", True, "good")),
        (["drop"], ("drop", False, "good")),
        (["right", "wrong"], ("tie", True, "good")),
        (["right", "wrong", "wrong"], ("wrong", False, "bad")),
        (["right", "drop", "drop"], ("drop", False, "good")),
        (["both_bad", "tie"], ("tie", True, "good")),
    ],
)
def test_reviewers_vote(
    write_lines: Any, tmp_path: Path, verdicts: list[str], expected: tuple[Any, ...]
) -> None:
    write_lines([row("k")])
    write_csv(tmp_path, [said("k", word, who=f"p{n}") for n, word in enumerate(verdicts)])

    assert texts(tmp_path, recipe(by="who")) == {"k": expected}


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([("right", "x", "2024-01-02"), ("wrong", "x", "2024-01-10")], "wrong"),
        ([("right", "x", "2024-01-10T00:00:00Z"), ("wrong", "x", "2024-01-02")], "right"),
        ([("right", "x", "9"), ("wrong", "x", "10")], "wrong"),
        ([("right", "x", ""), ("wrong", "x", "2024-01-02")], "wrong"),
        ([("right", "x", "1"), ("wrong", "x", "1")], "tie"),
        ([("right", "x", "1"), ("wrong", "y", "2")], "tie"),
        ([("right", "x", "1"), ("right", "x", "2"), ("wrong", "y", "2")], "tie"),
        ([("right", "", "1"), ("wrong", "", "2")], "wrong"),
    ],
)
def test_the_latest_verdict_of_a_reviewer_counts(
    write_lines: Any, tmp_path: Path, verdicts: list[tuple[str, ...]], expected: str
) -> None:
    write_lines([row("k")])
    write_csv(tmp_path, [said("k", word, who=who, day=day) for word, who, day in verdicts])

    found = texts(tmp_path, recipe(by="who", at="day"))["k"]

    assert found[0] == expected


def test_right_and_wrong_are_about_the_response_that_the_row_names(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines([row("k1"), row("k2")])
    pairs = table(SOURCE, tmp_path, "pairs")
    sides = {
        own: (chosen, other)
        for own, chosen, other in pairs.select("own_id", "chosen_id", "rejected_id").rows()
    }
    write_csv(
        tmp_path,
        [
            said("k1", "right", chosen_id=sides["k1"][1]),
            said("k2", "wrong", chosen_id=sides["k2"][1]),
        ],
    )

    assert texts(tmp_path, recipe()) == {
        "k1": ("wrong", False, "bad"),
        "k2": ("right", False, "good"),
    }


def test_a_pair_without_a_direction_needs_to_know_what_was_shown(
    write_lines: Any, tmp_path: Path
) -> None:
    """Of one prompt, two labels in opposite directions: `right` is ambiguous by pair id."""
    one = {**row("k1"), "prompt": "Q?"}
    write_lines([one, {**one, "key": "k2", "chosen": "bad", "rejected": "good"}, row("k3")])
    tied = table(SOURCE, tmp_path, "pairs").filter("is_tie")["pair_id"][0]
    other = table(SOURCE, tmp_path, "pairs").filter(~pl.col("is_tie"))["pair_id"][0]
    named = [{"pair_id": tied, "verdict": "right"}, {"pair_id": other, "verdict": "right"}]

    write_csv(tmp_path, named)
    plan, runtime = run(recipe(key="pair_id"), tmp_path)
    manifest = load_manifest(Store(runtime.root), plan.step("verdicts"), None)

    assert manifest is not None
    assert manifest.notes["verdicts"]["review"] == {
        "rows": 2,
        "matched": 1,
        "unmatched": 0,
        "unusable": {"no_direction": 1},
        "quarantined": {},
        "pairs": 1,
    }

    write_csv(tmp_path, [said("k2", "right")])
    pairs = table(recipe(), tmp_path, "pairs")
    assert pairs.filter(pl.col("pair_id") == tied)["is_tie"].to_list() == [False]
    assert texts(tmp_path, recipe())["k1"] == ("right", False, "bad")


def test_what_became_of_verdicts_is_counted(write_lines: Any, tmp_path: Path) -> None:
    write_lines([row("k1"), row("k2")])
    write_csv(
        tmp_path,
        [
            said("k1", "right", day="1"),
            said("k2", "maybe", day="1"),
            said("k2", "", day="1"),
            said("k2", "wrong", day="soon"),
            said("elsewhere", "wrong", day="1"),
            said("", "wrong", day="1"),
        ],
    )

    plan, runtime = run(recipe(at="day"), tmp_path)
    manifest = load_manifest(Store(runtime.root), plan.step("verdicts"), None)

    assert manifest is not None
    assert manifest.notes["verdicts"]["review"] == {
        "rows": 5,
        "matched": 1,
        "unmatched": 1,
        "unusable": {"no_verdict": 1, "unknown_time": 1, "unknown_verdict": 1},
        "quarantined": {"missing_value": 1},
        "pairs": 1,
    }
    assert read_table(plan, runtime, "quarantine")["reason"].to_list() == ["missing_value"]


@pytest.mark.parametrize(
    ("verdict", "message"),
    [
        (
            said("elsewhere", "wrong"),
            r"none of the 1 rows matches a pair by own_id; row 1 has `elsewhere`, the data have "
            "keys such as `k`",
        ),
        (said("k", "perhaps"), r"no verdict can be used \(unknown_verdict\)"),
    ],
)
def test_a_file_of_which_nothing_can_be_used_is_refused(
    write_lines: Any, tmp_path: Path, verdict: dict[str, Any], message: str
) -> None:
    write_lines([row("k")])
    write_csv(tmp_path, [verdict])

    with pytest.raises(DataError, match=message):
        table(recipe(), tmp_path, "pairs")


@pytest.mark.parametrize(
    ("key", "verdict", "message"),
    [
        ("row", {"source": "m", "row": 7}, r"by row; row 1 has `m` `[0-9a-f]{12}` `7`, the data"),
        (
            "pair_id",
            {"pair_id": "none"},
            r"by pair_id; row 1 has `none`, the data have keys such as `[0-9a-f]+`",
        ),
        (
            "text",
            {"prompt": "Q? k ", "chosen": "good", "rejected": "bad"},
            r"by text; no pair has the exact texts \(`prompt`, `chosen`, `rejected`\) of row 1",
        ),
    ],
)
def test_a_verdict_that_matches_nothing_is_named(
    write_lines: Any, tmp_path: Path, key: str, verdict: dict[str, Any], message: str
) -> None:
    write_lines([row("k")])
    write_csv(tmp_path, [{**verdict, "verdict": "wrong"}])

    with pytest.raises(DataError, match=message):
        table(recipe(key=key), tmp_path, "pairs")


def test_own_ids_need_a_source_that_has_them(write_lines: Any, tmp_path: Path) -> None:
    write_lines([row("k")])
    write_csv(tmp_path, [said("k", "wrong")])

    with pytest.raises(DataError, match="no raw row of the data has an own id"):
        table(recipe().replace(", id: key", ""), tmp_path, "pairs")


def test_an_own_id_of_two_sources_is_refused(write_lines: Any, tmp_path: Path) -> None:
    write_lines([row("k")])
    write_lines([row("k", prompt="P?")], "more.jsonl")
    write_csv(tmp_path, [said("k", "wrong")])
    two = recipe().replace("}]\nverdicts", "}, {name: n, files: [more.jsonl], id: key}]\nverdicts")

    with pytest.raises(DataError, match="own id `k` occurs in the sources m, n"):
        table(two, tmp_path, "pairs")
    source = two.replace("'key': 'own_id'", "'key': 'own_id', 'source': 'n'")
    assert sorted(table(source, tmp_path, "pairs")["num_verdicts"]) == [0, 1]


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        ("outranks", ("wrong", False, "bad")),
        (0.5, (None, False, "good")),
        (2, (None, True, "good")),
        (2.5, (None, False, "bad")),
    ],
)
def test_a_weight_makes_a_verdict_a_vote_among_the_labels(
    write_lines: Any, tmp_path: Path, weight: Any, expected: tuple[Any, ...]
) -> None:
    write_lines([row("k"), row("k")])
    write_csv(tmp_path, [said("k", "wrong")])
    two_votes = recipe(weight=weight).replace("id: key", "id: key, anonymous: several")

    found = texts(tmp_path, two_votes)["k"]

    assert found[:2] == expected[:2]
    assert found[1] or found[2] == expected[2]


DECIDED = (
    "structure: {verdict: hold}\n"
    "rules:\n"
    "  - {name: long, column: num_prompt_turns, minimum: 2}\n"
    "  - {name: few, budget: 1}\n"
)


def decisions(text: str, folder: Path) -> dict[str, list[str | None]]:
    columns = ("own_id", "verdict", "rule", "explanation")
    found = table(text, folder, "decisions").select(columns)
    return {own: rest for own, *rest in found.rows()}


def test_no_rule_that_does_not_name_verdicts_acts_on_what_a_human_directed(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines([row(f"k{n}") for n in range(5)])
    words = ("right", "wrong", "drop", "both_bad")
    write_csv(tmp_path, [said(f"k{n}", word) for n, word in enumerate(words)])

    found = decisions(recipe(DECIDED), tmp_path)

    assert found["k0"] == ["keep", None, "kept: human verdict: right"]
    assert found["k1"] == ["keep", None, "kept: human verdict: wrong"]
    assert found["k2"] == ["hold", "verdict", "held for a human by verdict: human verdict: drop"]
    assert found["k3"][:2] == ["hold", "verdict"]
    assert found["k4"][:2] == ["drop", "long"]
    named = decisions(recipe(DECIDED.replace("minimum: 2", "minimum: 2, verdicts: true")), tmp_path)
    assert named["k0"][:2] == ["drop", "long"]


def test_protected_pairs_count_in_no_budget(write_lines: Any, tmp_path: Path) -> None:
    write_lines([row(f"k{n}") for n in range(5)])
    write_csv(tmp_path, [said(f"k{n}", "right") for n in range(3)])

    plan, runtime = run(recipe("rules: [{name: few, budget: 1}]\n"), tmp_path)
    manifest = load_manifest(Store(runtime.root), plan.step("decide"), None)

    assert manifest is not None
    counts = {"in": 2, "dropped": 1, "held": 0, "flipped": 0, "turned_back": 0}
    last = {"rule": "few", **counts, "by_source": {"m": counts}}
    assert manifest.notes["rules"][-1] == last


def test_structure_drops_what_humans_refuse_and_keeps_what_they_direct(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines(
        [
            row("same", chosen="x", rejected="x "),
            row("blank", rejected=" "),
            row("tied"),
            row("gone"),
            row("fine"),
        ]
    )
    words = {"same": "right", "blank": "right", "tied": "tie", "gone": "both_bad"}
    write_csv(tmp_path, [said(key, word) for key, word in words.items()])

    found = decisions(recipe(), tmp_path)

    assert {own: rest[:2] for own, rest in found.items()} == {
        "same": ["drop", "identical"],
        "blank": ["keep", None],
        "tied": ["drop", "tie"],
        "gone": ["drop", "verdict"],
        "fine": ["keep", None],
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"key": "response_id"}, "a row with `key: response_id` is about a response"),
        ({"weight": 0}, "found the number 0; expected `outranks` or a number of more than 0"),
        ({"weight": "most"}, "outranks"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parse_recipe(recipe(**settings), "recipe.yaml")


def test_two_entries_have_two_names(write_lines: Any, tmp_path: Path) -> None:
    entry = "{files: [review.csv], key: own_id}"

    with pytest.raises(RecipeError, match="the name `review` is used twice"):
        parse_recipe(f"{SOURCE}verdicts: [{entry}, {entry}]\n", "recipe.yaml")
