"""The command line, in process: output, exit codes, one sentence for a mistake."""

import sys
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from prefine import cli
from prefine.plan.tables import print_remarks, print_rules
from tests.made import explicit

RECIPE = """
name: made
sources: [{name: made, files: [rows.jsonl]}]
measures: [{kind: lengths}]
rules: [{name: short, column: chosen_chars, minimum: 6}]
"""


@pytest.fixture
def folder(write_lines: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rows = [explicit(f"SECRET-PROMPT-TEXT {n}?", f"Yes {'y' * n}", f"No {n}") for n in range(6)]
    write_lines([*rows, '{"prompt": "cut'])
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: str) -> int:
    """Run the command line as its entry point does; return the exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["prefine", *arguments])
        try:
            cli.main()
        except SystemExit as stop:
            return int(stop.code or 0)
    return 0


def test_run_prints_what_came_in_what_was_decided_and_what_went_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", "recipe.yaml", "--output", "out") == 0
    printed = capsys.readouterr()

    assert "not_json 1" in printed.out
    assert "short" in printed.out
    assert "6 labels made 6 pairs; 4 are kept (train 4)" in printed.out
    assert "SECRET" not in printed.out + printed.err
    assert (folder / "out" / "manifest.json").exists()
    assert call("verify", "out") == 0


def test_a_run_says_which_index_it_searched(
    folder: Path, write_lines: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lines([explicit(f"Question {n} of {n % 7}?", f"Yes {n}", f"No {n}") for n in range(90)])
    measure = (
        "{kind: prompt_neighbours, complete_up_to: 1, neighbours: 5, search: {exact_up_to: %d}}"
    )
    for bound, said in ((90, "all of 90 vectors compared (float32)"), (40, "index of 90 vectors")):
        recipe = RECIPE.replace("{kind: lengths}", "{kind: lengths}, " + measure % bound)
        (folder / "recipe.yaml").write_text(recipe)

        assert call("run", "recipe.yaml", "--output", f"out{bound}") == 0

        told = "".join(capsys.readouterr().err.splitlines())
        assert said in told
        assert ("lists looked into, recall 0.9" in told) == (bound == 40)


def test_a_second_run_does_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert folder.exists()
    call("run", "recipe.yaml", "--output", "out")
    capsys.readouterr()

    assert call("run", "recipe.yaml", "--output", "out") == 0
    err = capsys.readouterr().err

    assert err.count("done before") == 9
    assert "rows in" not in err


def test_decide_runs_only_what_is_missing_and_exports_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("decide", "recipe.yaml") == 0
    first = capsys.readouterr()
    (folder / "recipe.yaml").write_text(RECIPE.replace("minimum: 6", "minimum: 8"))
    assert call("decide", "recipe.yaml") == 0
    moved = capsys.readouterr()

    assert "6 pairs: 4 are kept, 0 of them flipped; 2 are dropped and 0 held." in first.out
    assert "6 pairs: 2 are kept, 0 of them flipped; 4 are dropped and 0 held." in moved.out
    assert "decide: 6 rows in" in first.err
    assert "facts: done before" in moved.err
    assert "decide: 6 rows in" in moved.err
    assert not list((folder / ".prefine").glob("export-*"))
    assert "SECRET" not in first.out + first.err


def test_a_decided_run_can_be_looked_at(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("run", "recipe.yaml", "--output", "out")
    (folder / "recipe.yaml").write_text(RECIPE.replace("minimum: 6", "minimum: 8"))
    call("decide", "recipe.yaml")
    capsys.readouterr()

    assert call("show", "decisions", "--rule", "short", "--limit", "1") == 0
    shown = capsys.readouterr().out
    assert "1 of 4 rows" in shown
    (pair,) = [line.split()[1] for line in shown.splitlines() if line.startswith("pair_id: ")]
    assert call("explain", pair) == 0
    assert "dropped by short: chosen_chars is" in capsys.readouterr().out
    assert call("run", "recipe.yaml", "--output", "out") == 0
    printed = capsys.readouterr()
    assert "decide: done before" in printed.err
    assert "export: 6 rows in" in printed.err


def test_decide_says_which_source_is_left_empty(
    folder: Path, write_lines: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lines([explicit("Which other?", "Yes", "No")], "other.jsonl")
    several = RECIPE.replace("[{", "[{name: other, files: [other.jsonl]}, {", 1)
    (folder / "recipe.yaml").write_text(several)

    assert call("decide", "recipe.yaml") == 0

    lines = [line.replace("│", " ").split() for line in capsys.readouterr().out.splitlines()]
    assert next(line for line in reversed(lines) if "other" in line)[:4] == ["other", "1", "0", "0"]
    assert ["made", "6", "4", "0"] in [line[:4] for line in lines]


def test_decide_refuses_more_quarantine_than_the_recipe_allows_now(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call("run", "recipe.yaml", "--output", "out")
    strict = RECIPE.replace("[rows.jsonl]}", "[rows.jsonl], max_quarantined: 0.01}")
    (folder / "recipe.yaml").write_text(strict)
    capsys.readouterr()

    assert call("decide", "recipe.yaml") == 2
    assert "What is kept" not in capsys.readouterr().out


def counts(pairs: int, **more: int) -> dict[str, int]:
    return {"in": pairs, "dropped": 0, "held": 0, "flipped": 0, "turned_back": 0, **more}


def printed_rules(*rules: dict[str, Any]) -> list[list[str]]:
    console = Console(width=80, file=StringIO())
    print_rules(console, rules, has_human_verdicts=False)
    text = cast("StringIO", console.file).getvalue()
    assert all(len(line) <= 80 for line in text.splitlines())
    return [
        [cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")]
        for line in text.splitlines()
        if line[0] in "│┃"
    ]


def test_a_rule_is_counted_for_each_source_on_which_it_acted() -> None:
    by_source = {"one": counts(7, dropped=1), "two": counts(3, dropped=2), "three": counts(5)}
    found = printed_rules({"rule": "short", **counts(15, dropped=3), "by_source": by_source})

    assert found == [
        ["rule", "pairs in", "dropped", "held", "flipped"],
        ["short", "15", "3", "0", "0"],
        ["two", "3", "2", "0", "0"],
        ["one", "7", "1", "0", "0"],
    ]


def test_one_source_is_not_counted_apart_and_turned_back_has_its_column() -> None:
    rule = {"rule": "f1", **counts(9, flipped=4), "by_source": {"one": counts(9, flipped=4)}}
    turned = counts(9, flipped=1, turned_back=2)

    assert printed_rules(rule)[0] == ["rule", "pairs in", "dropped", "held", "flipped"]
    assert printed_rules(rule, {"rule": "f2", **turned, "by_source": {"one": turned}}) == [
        ["rule", "pairs in", "dropped", "held", "flipped", "turned back"],
        ["f1", "9", "0", "0", "4", "0"],
        ["f2", "9", "0", "0", "1", "2"],
    ]


def test_many_sources_are_summed_up() -> None:
    by_source = {f"source_{n}": counts(10, held=n) for n in range(9)}
    found = printed_rules({"rule": "unsure", **counts(90, held=36), "by_source": by_source})

    assert [line[0] for line in found[2:]] == [
        *(f"source_{n}" for n in (8, 7, 6, 5, 4)),
        "3 other sources",
    ]
    assert found[-1] == ["3 other sources", "30", "0", "6", "0"]


def test_remarks_are_notes_of_one_line_each() -> None:
    console = Console(width=80, file=StringIO(), soft_wrap=True)
    print_remarks(console, ["`length [x]` is null for source a. " * 3, "No pair is in test."])
    print_remarks(console, [])

    assert cast("StringIO", console.file).getvalue().splitlines() == [
        "Notes",
        "- " + "`length [x]` is null for source a. " * 3,
        "- No pair is in test.",
    ]


def test_plan_prints_the_resolved_recipe_and_runs_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("plan", "recipe.yaml") == 0
    printed = capsys.readouterr().out

    assert "format: trl_explicit" in printed
    assert "best_vs_worst" in printed
    assert not (folder / ".prefine").exists()


def test_explain_tells_everything_about_one_pair(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call("run", "recipe.yaml", "--output", "out")
    dropped = (folder / "out" / "explanations.csv").read_text().splitlines()[1].split(",")[0]
    capsys.readouterr()

    assert call("explain", dropped[:10]) == 0
    printed = capsys.readouterr().out

    assert "dropped by short: chosen_chars is" in printed
    assert "SECRET-PROMPT-TEXT" in printed
    assert "rows.jsonl" in printed
    assert "rejected_chars" in printed


def test_show_lists_steps_and_rows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert folder.exists()
    call("run", "recipe.yaml", "--output", "out")
    capsys.readouterr()

    assert call("show") == 0
    assert "measure_lengths" in capsys.readouterr().out
    assert call("show", "quarantine") == 0
    assert "reason: not_json" in capsys.readouterr().out
    assert call("show", "decisions", "--rule", "short", "--limit", "1") == 0
    assert "1 of 2 rows" in capsys.readouterr().out


def test_what_is_looked_for_and_not_there_is_an_error_that_says_what_is(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert folder.exists()
    call("run", "recipe.yaml", "--output", "out")
    capsys.readouterr()

    assert call("show", "decisions", "--rule", "shrt") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert (
        "`made` has no rule `shrt`; its rules are: identical, empty, unlabelled, tie, short" in said
    )
    assert call("explain", "zz") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "no pair of the latest run of `made` has the id `zz`; --recipe NAME looks" in said


def test_notes_are_printed_before_the_error_that_nothing_is_left(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = RECIPE.replace("rules: [", "rules: [{name: rated, column: rating_gap, minimum: 0.5}, ")
    (folder / "recipe.yaml").write_text(recipe)

    assert call("run", "recipe.yaml", "--output", "out") == 2

    said = " ".join(capsys.readouterr().err.split())
    assert "`rating_gap` is null for all 6 pairs of source made" in said
    assert "nothing is left to export" in said


def test_a_kept_number_whose_type_the_rows_tell_can_be_ordered_by(
    folder: Path, write_lines: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lines([explicit(f"Q {n}?", f"Yes {n}", f"No {n}") | {"n": n, "t": "a"} for n in range(6)])
    kept = RECIPE.replace("jsonl]}", "jsonl], keep: [n, t]}").replace("minimum: 6", "minimum: 1")
    rules = kept.replace("rules: [", "rules: [{name: two, budget: 2, order_by: -%s}, ")
    (folder / "recipe.yaml").write_text(rules % "n")
    assert call("run", "recipe.yaml", "--output", "out") == 0
    assert "2 are kept" in capsys.readouterr().out

    (folder / "recipe.yaml").write_text(rules % "t")
    assert call("run", "recipe.yaml", "--output", "out") == 2
    assert "`t` is text and has no order" in " ".join(capsys.readouterr().err.split())


def test_show_refuses_an_unknown_rule_and_a_negative_limit(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert folder.exists()
    call("decide", "recipe.yaml")
    capsys.readouterr()

    assert call("show", "decisions", "--rule", "shrt") == 2
    assert "`made` has no rule `shrt`" in capsys.readouterr().err
    assert call("show", "decisions", "--limit", "-2") == 2


def test_decide_says_which_rows_and_labels_led_to_no_pair(
    folder: Path, write_lines: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    call("decide", "recipe.yaml")
    with_a_bad_row = capsys.readouterr().out
    write_lines([explicit("Which?", "Yes, it is", "No")])
    call("decide", "recipe.yaml")
    clean = capsys.readouterr().out

    assert "not_json 1" in with_a_bad_row
    assert "What came in" not in clean
    assert "1 pair: 1 is kept, 0 of them flipped; 0 are dropped and 0 held." in clean


def test_verify_fails_on_a_changed_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("run", "recipe.yaml", "--output", "out")
    (folder / "out" / "README.md").write_text("changed")
    capsys.readouterr()

    assert call("verify", "out") == 1
    assert "README.md has other bytes" in capsys.readouterr().out


def test_ingest_detect_says_which_layout_and_why(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "odd.jsonl").write_text('{"a": 1}\n')

    assert call("ingest", "--detect", "rows.jsonl", "odd.jsonl") == 2
    printed = capsys.readouterr()

    assert "rows.jsonl: trl_explicit, for `prompt` is a list" in printed.out
    assert "labels: pair 0 against 1: a" in printed.out
    assert "odd.jsonl: no known layout has these keys: a" in printed.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "none.yaml", "--output", "out"], "cannot read the recipe none.yaml"),
        (["run", "recipe.yaml", "--output", "out", "--set", "speed=1"], "--set speed=1: want KEY="),
        (["run", "recipe.yaml", "--output", "out", "--set", "workers=x"], "--set workers:"),
        (
            ["run", "recipe.yaml", "--output", "out", "--server", "rm"],
            "--server rm: want NAME=http",
        ),
        (
            ["run", "recipe.yaml", "--output", "out", "--server", "rm=http://host:no"],
            "--server: port could not be cast",
        ),
        (["run", "recipe.yaml", "--output", "out", "--root", "rows.jsonl"], "is a file; name"),
        (["run", "recipe.yaml", "--output", "rows.jsonl"], "is a file; name a folder"),
        (["explain", "abc"], "there is no run below .prefine"),
        (["show", "pairs"], "there is no run below .prefine"),
        (["verify", "nowhere"], "nowhere has no manifest.json"),
        (["ingest", "rows.jsonl"], "add --detect"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert folder.exists()
    assert call(*arguments) == 2
    printed = capsys.readouterr()

    assert message in printed.err
    assert "Traceback" not in printed.err
    assert len(printed.err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "command", ["run", "decide", "plan", "show", "explain", "verify", "ingest"]
)
def test_every_command_has_help_and_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(command, "--help") == 0
    assert f"Example: prefine {command}" in capsys.readouterr().out
