"""The commands that show results: which rows, which columns, and everything about one pair."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import prefine
from tests.made import explicit

RECIPE = """
name: made
sources: [{name: made, files: [rows.jsonl], id: id}]
measures: [{kind: lengths}]
rules:
  - {name: short, column: chosen_chars, minimum: 6}
  - {name: swapped, column: rejected_chars, flip_when: {minimum: 9}}
"""
Printed = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a recipe once: two pairs are dropped, one is flipped, and one label is repeated."""
    folder = tmp_path_factory.mktemp("show")
    rows = [
        explicit(
            f"PROMPT {n}?", f"Yes {'y' * n}", "No, never." if n == 5 else f"No {n}", id=f"r{n}"
        )
        for n in range(6)
    ]
    rows.append({**rows[4], "id": "again"})
    lines = [*map(json.dumps, rows), '{"prompt": "cut']
    (folder / "rows.jsonl").write_text("".join(f"{line}\n" for line in lines))
    (folder / "recipe.yaml").write_text(RECIPE)
    root = folder / "root"
    assert prefine("decide", str(folder / "recipe.yaml"), "--root", str(root), "-q") == 0
    return root


@pytest.fixture
def show(root: Path, capsys: Printed) -> Any:
    """Return the function that shows a table as JSON rows."""

    def rows(*arguments: str) -> list[dict[str, Any]]:
        capsys.readouterr()
        assert prefine("show", *arguments, "--json", "--root", str(root)) == 0
        return json.loads(capsys.readouterr().out)

    return rows


def test_a_table_is_an_array_with_one_typed_row_per_line(root: Path, capsys: Printed) -> None:
    capsys.readouterr()
    assert prefine("show", "facts", "--json", "--root", str(root), "--limit", "2") == 0
    printed = capsys.readouterr()

    rows = json.loads(printed.out)
    assert [json.loads(line.rstrip(",")) for line in printed.out.splitlines()[1:-1]] == rows
    assert printed.err == ""
    assert rows[0]["is_tie"] is False
    assert isinstance(rows[0]["num_votes"], int)
    assert isinstance(rows[0]["agreement"], float)
    assert rows[0]["rating_gap"] is None


@pytest.mark.parametrize(
    ("verdict", "ids"), [("drop", {"r0", "r1"}), ("flip", {"r5"}), ("hold", set())]
)
@pytest.mark.parametrize("table", ["decisions", "pairs", "facts", "measure_lengths"])
def test_any_table_of_pairs_is_selected_by_verdict(
    show: Any, table: str, verdict: str, ids: set[str]
) -> None:
    assert {row["own_id"] for row in show(table, "--verdict", verdict)} == ids


@pytest.mark.parametrize("table", ["decisions", "measure_lengths"])
def test_any_table_of_pairs_is_selected_by_rule(show: Any, table: str) -> None:
    rows = show(table, "--rule", "short")

    assert {row["own_id"] for row in rows} == {"r0", "r1"}
    assert {(row["rule"], row["verdict"]) for row in rows} == {("short", "drop")}


def test_rows_are_selected_by_sql_sorted_and_limited(show: Any) -> None:
    arguments = ("facts", "--columns", "own_id, chosen_chars", "--columns", "verdict")
    rows = show(
        *arguments, "--where", "chosen_chars > 5 and verdict = 'keep'", "--sort=-chosen_chars"
    )
    first = show(*arguments, "--sort", "verdict,-chosen_chars", "--limit", "1")

    assert [list(row.values()) for row in rows] == [
        ["r4", 8, "keep"],
        ["r3", 7, "keep"],
        ["r2", 6, "keep"],
    ]
    assert first == [{"own_id": "r1", "chosen_chars": 5, "verdict": "drop"}]


def test_texts_are_shown_beside_any_rows_that_name_them(show: Any) -> None:
    (pair,) = show("decisions", "--verdict", "flip", "--text", "--columns", "own_id")
    (prompt,) = show("prompts", "--text", "--where", f"prompt_id = '{prompt_of(show)}'")
    (label,) = show("judgements", "--where", "own_id = 'r5'", "--text", "--columns", "winner")

    texts = {"prompt": "PROMPT 5?", "chosen": "Yes yyyyy", "rejected": "No, never."}
    assert pair == {"own_id": "r5", **texts}
    assert prompt["text"] == "PROMPT 5?"
    assert label == {
        "winner": "a",
        "prompt": "PROMPT 5?",
        "text_a": "Yes yyyyy",
        "text_b": "No, never.",
    }


def prompt_of(show: Any) -> str:
    return show("pairs", "--where", "own_id = 'r5'")[0]["prompt_id"]


def test_long_texts_are_cut_and_say_by_how_much(root: Path, show: Any, capsys: Printed) -> None:
    (row,) = show("pairs", "--verdict", "flip", "--text", "--chars", "4")
    assert row["prompt"] == "PROM ... (5 more characters)"
    assert prefine("show", "pairs", "--text", "--chars", "4", "--root", str(root)) == 0
    assert "PROM ... (5 more characters)" in " ".join(capsys.readouterr().out.split())


def test_few_columns_are_a_table_and_many_are_blocks(root: Path, capsys: Printed) -> None:
    arguments = ("show", "decisions", "--root", str(root), "--verdict", "drop", "--sort", "value")
    assert prefine(*arguments, "--columns", "own_id,rule,value") == 0
    table = capsys.readouterr().out.splitlines()
    assert prefine(*arguments) == 0
    blocks = capsys.readouterr().out.split("\n\n")

    assert [line.split() for line in table if "─" not in line] == [
        ["own_id", "rule", "value"],
        ["r0", "short", "4"],
        ["r1", "short", "5"],
        [],
        ["2", "of", "2", "rows"],
    ]
    assert [block.split()[0] for block in blocks[:2]] == ["pair_id", "pair_id"]
    assert "explanation  dropped by short: chosen_chars is 4" in blocks[0]
    assert all(len(line) <= 80 for line in [*table, *"\n".join(blocks).splitlines()])


def test_rows_without_a_match_are_none(root: Path, show: Any, capsys: Printed) -> None:
    assert show("pairs", "--where", "num_votes > 9") == []
    assert prefine("show", "pairs", "--where", "num_votes > 9", "--root", str(root)) == 0
    assert capsys.readouterr().out == "0 of 0 rows\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nosuch"], "no table `nosuch`; the tables are: raw_prompts,"),
        (["pairs", "--rule", "shrt"], "`made` has no rule `shrt`; its rules are: identical, empty"),
        (["pairs", "--verdict", "kept"], "no verdict `kept`; the verdicts are: keep, drop, flip,"),
        (
            ["pairs", "--columns", "x"],
            "no column `x` in `pairs`; its columns are: pair_id, prompt_id",
        ),
        (["pairs", "--columns", "x", "--text"], "no column `x` in `pairs`"),
        (["pairs", "--sort=-x"], "no column `x` in `pairs`"),
        (["pairs", "--where", "x > 1"], "a text in SQL needs single quotes"),
        (
            ["pairs", "--columns", "num_vote"],
            "no column `num_vote` in `pairs`; did you mean `num_votes`?",
        ),
        (["pairs", "--where", "source >"], "`source >` is not an SQL condition"),
        (["pairs", "--where", "num_votes > 'a'"], "condition cannot be tested on `pairs`"),
        (["pairs", "--where", "num_votes"], "condition cannot be tested on `pairs`"),
        (["prompts", "--verdict", "keep"], "the rows of `prompts` are not pairs"),
        (["quarantine", "--text"], "the rows of `quarantine` have no texts"),
        (["pairs", "--run", "other"], "no run `other` below"),
        (["pairs", "--recipe", "other"], "there is no run of a recipe `other`"),
        (["--verdict", "drop"], "options that select rows need a table"),
    ],
)
def test_an_unknown_name_is_one_sentence_that_lists_what_exists(
    root: Path, capsys: Printed, arguments: list[str], message: str
) -> None:
    capsys.readouterr()
    assert prefine("show", *arguments, "--root", str(root)) == 2
    printed = capsys.readouterr()

    assert message in printed.err
    assert len(printed.err.splitlines()) == 1
    assert printed.out == ""


def test_an_error_about_a_condition_repeats_no_value_of_the_data(
    root: Path, capsys: Printed
) -> None:
    capsys.readouterr()
    where = "CAST(detail AS INTEGER) > 1"
    assert prefine("show", "quarantine", "--where", where, "--root", str(root)) == 2
    assert "unexpected end" not in capsys.readouterr().err


def test_a_limit_below_zero_is_refused(root: Path) -> None:
    assert prefine("show", "decisions", "--limit", "-2", "--root", str(root)) == 2


def test_show_lists_the_steps_of_the_run(root: Path, capsys: Printed) -> None:
    capsys.readouterr()
    assert prefine("show", "--root", str(root)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert prefine("show", "--root", str(root), "--json") == 0
    document = json.loads(capsys.readouterr().out)

    assert lines[0].startswith("Run made-1-")
    assert ["measure_lengths", "1/1", "6", "6"] in [line.split()[:4] for line in lines]
    assert all(len(line) <= 80 for line in lines)
    steps = {step["name"]: step for step in document["steps"]}
    assert steps["ingest_made"]["dropped"] == {"not_json": 1}
    assert document["run"]["id"].startswith("made-1-")


def explained(root: Path, capsys: Printed, pair: str) -> dict[str, Any]:
    capsys.readouterr()
    assert prefine("explain", pair, "--root", str(root), "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_explain_shows_everything_about_one_pair(root: Path, capsys: Printed) -> None:
    document = explained(root, capsys, "r0")
    assert prefine("explain", document["pair"]["pair_id"][:10], "--root", str(root)) == 0
    printed = capsys.readouterr().out

    assert document["prompt"] == [{"role": "user", "content": "PROMPT 0?"}]
    assert document["decision"]["verdict"] == "drop"
    assert document["pair"]["chosen_chars"] == 4
    assert [label["file"] for label in document["labels"]] == ["rows.jsonl"]
    assert "dropped by short: chosen_chars is 4" in printed
    assert "user: PROMPT 0?" in printed
    assert "rejected_chars" in printed


def test_a_repeated_label_is_marked_as_not_counted(root: Path, capsys: Printed) -> None:
    labels = explained(root, capsys, "r4")["labels"]
    assert prefine("explain", "r4", "--root", str(root)) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "own_id" in line]

    assert [(one["own_id"], one["not_counted"]) for one in labels] == [
        ("r4", None),
        ("again", "repeated"),
    ]
    assert [line.endswith("(not counted: it repeats an earlier label)") for line in lines[:2]] == [
        False,
        True,
    ]


def test_any_own_id_behind_a_pair_finds_it(root: Path, capsys: Printed) -> None:
    first, other = (explained(root, capsys, own_id) for own_id in ("r4", "again"))
    assert other["pair"]["pair_id"] == first["pair"]["pair_id"]
    assert other["pair"]["own_id"] == "r4"


def test_an_unknown_pair_is_an_error(root: Path, capsys: Printed) -> None:
    capsys.readouterr()
    assert prefine("explain", "zz", "--root", str(root)) == 2
    assert "no pair of this run of `made` has the id `zz`" in capsys.readouterr().err
