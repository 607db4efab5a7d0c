"""The command line, in process: output, exit codes, one sentence for a mistake."""

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from prefine.cli.output import out
from prefine.cli.tables import print_benchmarks, print_remarks, print_rules
from tests.command import prefine as call
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


def test_run_prints_counts_of_rows_rules_and_splits(
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


@pytest.mark.usefixtures("distilled")
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
        assert ("lists searched, recall 0.9" in told) == (bound == 40)


def test_a_second_run_does_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert folder.exists()
    call("run", "recipe.yaml", "--output", "out")
    capsys.readouterr()

    assert call("run", "recipe.yaml", "--output", "out") == 0
    err = capsys.readouterr().err

    assert err.count(": already done") == 9
    assert "rows in" not in err
    assert "nothing to compute, all 9 shards were already done" in err


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
    assert "facts: already done" in moved.err
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
    (pair,) = [line.split()[1] for line in shown.splitlines() if line.startswith("pair_id ")]
    assert call("explain", pair) == 0
    assert "dropped by short: chosen_chars is" in capsys.readouterr().out
    assert call("run", "recipe.yaml", "--output", "out") == 0
    printed = capsys.readouterr()
    assert "decide: already done" in printed.err
    assert "export: 6 rows in" in printed.err


def test_decide_says_which_source_is_left_empty(
    folder: Path, write_lines: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lines([explicit("Which other?", "Yes", "No")], "other.jsonl")
    several = RECIPE.replace("[{", "[{name: other, files: [other.jsonl]}, {", 1)
    (folder / "recipe.yaml").write_text(several)

    assert call("decide", "recipe.yaml") == 0

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
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
    assert "Pairs by source" not in capsys.readouterr().out


def counts(pairs: int, **more: int) -> dict[str, int]:
    return {"in": pairs, "dropped": 0, "held": 0, "flipped": 0, "turned_back": 0, **more}


Printed = pytest.CaptureFixture[str]


def printed_rules(
    capsys: Printed, *rules: dict[str, Any], sources: list[str] | None = None
) -> list[list[str]]:
    names = sources or list(dict.fromkeys(name for rule in rules for name in rule["by_source"]))
    print_rules(out, rules, names, has_human_verdicts=False)
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    return [re.split("  +", line.strip()) for line in (lines[1], *lines[3:-1])]


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_a_rule_is_counted_for_each_source_on_which_it_acted_in_the_order_of_the_recipe(
    capsys: Printed,
) -> None:
    by_source = {"two": counts(3, dropped=2), "one": counts(7, dropped=1), "three": counts(5)}
    other = {"two": counts(1, held=1), "one": counts(6, held=6), "three": counts(5)}
    found = printed_rules(
        capsys,
        {"rule": "short", **counts(15, dropped=3), "by_source": by_source},
        {"rule": "unsure", **counts(12, held=7), "by_source": other},
        sources=["one", "two", "three"],
    )
    assert found == [
        ["rule", "pairs in", "dropped", "held", "flipped"],
        ["short", "15", "3", "0", "0"],
        ["one", "7", "1", "0", "0"],
        ["two", "3", "2", "0", "0"],
        ["unsure", "12", "0", "7", "0"],
        ["one", "6", "0", "6", "0"],
        ["two", "1", "0", "1", "0"],
    ]


def test_one_source_is_not_counted_apart_and_turned_back_has_its_column(capsys: Printed) -> None:
    rule = {"rule": "f1", **counts(9, flipped=4), "by_source": {"one": counts(9, flipped=4)}}
    turned = counts(9, flipped=1, turned_back=2)

    assert printed_rules(capsys, rule)[0] == ["rule", "pairs in", "dropped", "held", "flipped"]
    assert printed_rules(capsys, rule, {"rule": "f2", **turned, "by_source": {"one": turned}}) == [
        ["rule", "pairs in", "dropped", "held", "flipped", "turned back"],
        ["f1", "9", "0", "0", "4", "0"],
        ["f2", "9", "0", "0", "1", "2"],
    ]


def test_many_sources_are_summed_up(capsys: Printed) -> None:
    by_source = {f"source_{n}": counts(10, held=n) for n in range(9)}
    rule = {"rule": "unsure", **counts(90, held=36), "by_source": by_source}
    found = printed_rules(capsys, rule)

    assert [line[0] for line in found[2:]] == [
        *(f"source_{n}" for n in (4, 5, 6, 7, 8)),
        "3 other sources",
    ]
    assert found[-1] == ["3 other sources", "30", "0", "6", "0"]


def test_remarks_are_notes_of_one_line_each(capsys: Printed) -> None:
    print_remarks(out, ["`length [x]` is null for source a. " * 3, "No pair is in test."])
    print_remarks(out, [])

    assert capsys.readouterr().out.splitlines() == [
        "Notes",
        "- " + "`length [x]` is null for source a. " * 3,
        "- No pair is in test.",
    ]


def test_benchmarks_are_counted_by_what_was_found(capsys: Printed) -> None:
    print_benchmarks(out, {"puzzles": {"texts": 1500, "prompts": 2}, "quiz": {"texts": 3}})
    lines = capsys.readouterr().out.splitlines()

    assert [line.split() for line in lines[1:] if "─" not in line] == [
        ["benchmark", "texts", "prompts"],
        ["puzzles", "1,500", "2"],
        ["quiz", "3"],
        [],
    ]


def test_plan_shows_the_steps_and_runs_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("plan", "recipe.yaml") == 0
    lines = capsys.readouterr().out.splitlines()

    assert ["ingest_made", "rows.jsonl", "0/1"] in [line.split() for line in lines]
    assert ["pairs", "gather,", "label_audit", "0/1"] in [line.split() for line in lines]
    assert lines[-1] == "0 of 9 shards are done below .prefine."
    assert all(len(line) <= 80 for line in lines)
    assert not (folder / ".prefine").exists()


def test_plan_shows_the_resolved_recipe_on_request(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert folder.exists()
    assert call("plan", "recipe.yaml", "--resolved") == 0
    printed = capsys.readouterr().out
    assert call("plan", "recipe.yaml", "--json", "--resolved") == 0
    document = json.loads(capsys.readouterr().out)

    assert "format: trl_explicit" in printed
    assert "best_vs_worst" in printed
    assert document["resolved"]["recipe"]["pairs"]["select"] == "best_vs_worst"
    assert document["steps"][0]["reads"] == ["rows.jsonl"]
    assert document["steps"][0]["num_done"] == 0


def test_plan_says_which_steps_need_a_model_or_a_server(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measures = "{kind: lengths}, {kind: prompt_neighbours, complete_up_to: 1, neighbours: 5}"
    recipe = RECIPE.replace("{kind: lengths}", measures)
    (folder / "recipe.yaml").write_text(recipe)

    assert call("plan", "recipe.yaml", "--json") == 0
    needs = {step["name"]: step["needs"] for step in json.loads(capsys.readouterr().out)["steps"]}

    assert needs["encoder"] == "model"
    assert needs["pairs"] is None


@pytest.mark.parametrize("arguments", [[], ["recipe.yaml", "--run", "made-1"]])
def test_plan_wants_a_recipe_or_a_run(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert folder.exists()
    assert call("plan", *arguments) == 2
    assert "either a recipe or --run ID" in capsys.readouterr().err


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
    assert "`t` is text; `order_by` needs a numeric column" in " ".join(
        capsys.readouterr().err.split()
    )


def test_decide_says_which_rows_and_labels_led_to_no_pair(
    folder: Path, write_lines: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    call("decide", "recipe.yaml")
    with_a_bad_row = capsys.readouterr().out
    write_lines([explicit("Which?", "Yes, it is", "No")])
    call("decide", "recipe.yaml")
    clean = capsys.readouterr().out

    assert "not_json 1" in with_a_bad_row
    assert "quarantined" not in clean
    assert "1 pair: 1 is kept, 0 of them flipped; 0 are dropped and 0 held." in clean


def test_verify_fails_on_a_changed_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("run", "recipe.yaml", "--output", "out")
    (folder / "out" / "README.md").write_text("changed")
    capsys.readouterr()

    assert call("verify", "out") == 1
    assert "README.md has changed" in capsys.readouterr().out


def test_ingest_detect_says_which_layout_and_why(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "odd.jsonl").write_text('{"a": 1}\n')

    assert call("ingest", "--detect", "rows.jsonl", "odd.jsonl") == 2
    printed = capsys.readouterr()

    assert "rows.jsonl: trl_explicit: `prompt` is a list" in printed.out
    assert "labels: pair 0 against 1: a" in printed.out
    assert "odd.jsonl: no known layout has these keys: a" in printed.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "none.yaml", "--output", "out"], "none.yaml: cannot read the recipe"),
        (
            ["run", "recipe.yaml", "--output", "out", "--set", "speed=1"],
            "--set speed=1: expected KEY=",
        ),
        (["run", "recipe.yaml", "--output", "out", "--set", "workers=x"], "--set workers:"),
        (
            ["run", "recipe.yaml", "--output", "out", "--server", "rm"],
            "--server rm: expected NAME=http",
        ),
        (
            ["run", "recipe.yaml", "--output", "out", "--server", "rm=http://host:no"],
            "--server: found the text `http://host:no`; expected http://HOST:PORT",
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
    "command",
    ["run", "decide", "plan", "show", "explain", "runs", "verify", "serve", "ingest"],
)
def test_every_command_has_help_and_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(command, "--help") == 0
    assert f"Example: prefine {command}" in capsys.readouterr().out


def test_each_command_documents_its_json(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("run", "decide", "plan", "show", "explain", "runs", "verify", "ingest"):
        assert call(command, "--help") == 0
        assert "--json" in capsys.readouterr().out, command


def test_json_of_run_decide_and_verify_is_one_document(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert folder.exists()
    assert call("decide", "recipe.yaml", "--json") == 0
    decided = json.loads(capsys.readouterr().out)
    assert call("run", "recipe.yaml", "--output", "out", "--json") == 0
    ran = json.loads(capsys.readouterr().out)
    assert call("verify", "out", "--json") == 0
    verified = json.loads(capsys.readouterr().out)

    assert decided["sources"] == [
        {"name": "made", "verdicts": {"keep": 4, "drop": 2}, "splits": {"train": 4}}
    ]
    assert decided["benchmarks"] == {}
    assert decided["sources_read"][0]["quarantined"] == {"not_json": 1}
    assert ran["run"]["counts"] == {"pairs": 6, "keep": 4, "flip": 0, "drop": 2, "hold": 0}
    assert ran["run"]["finished"] > ran["run"]["started"]
    assert ran["manifest"]["splits"] == {"train": 4}
    assert verified == {"output": "out", "ok": True, "problems": []}


def test_a_changed_file_is_a_problem_in_json_too(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call("run", "recipe.yaml", "--output", "out")
    (folder / "out" / "README.md").write_text("changed")
    capsys.readouterr()

    assert call("verify", "out", "--json") == 1
    verified = json.loads(capsys.readouterr().out)
    assert not verified["ok"]
    assert "README.md has changed" in verified["problems"][0]


def test_json_of_detect_has_the_files_that_were_recognised(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "odd.jsonl").write_text('{"a": 1}\n')

    assert call("ingest", "--detect", "rows.jsonl", "odd.jsonl", "--json") == 2
    printed = capsys.readouterr()

    (recognised,) = json.loads(printed.out)
    assert recognised["file"] == "rows.jsonl"
    assert recognised["layout"] == "trl_explicit"
    assert recognised["record"]["prompt"] == "SECRET-PROMPT-TEXT 0?"
    assert "odd.jsonl: no known layout" in printed.err


@pytest.mark.parametrize("where", ["before", "after"])
def test_quiet_leaves_progress_and_notes_out(
    folder: Path, write_lines: Any, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    assert folder.exists()
    write_lines([explicit("Which?", "Yes, it is", "No")] * 3)
    arguments = ["decide", "recipe.yaml"]
    arguments = ["--quiet", *arguments] if where == "before" else [*arguments, "-q"]
    assert call("decide", "recipe.yaml", "--root", "loud") == 0
    loud = capsys.readouterr()

    assert call(*arguments) == 0
    quiet = capsys.readouterr()

    assert "Notes" in loud.out
    assert "Notes" not in quiet.out
    assert "1 pair: 1 is kept" in quiet.out
    assert quiet.err == ""
    assert call("-q", "run", "none.yaml", "--output", "out") == 2
    assert "cannot read the recipe" in capsys.readouterr().err


def test_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--version") == 0
    assert capsys.readouterr().out == f"prefine {version('prefine')}\n"


def test_a_wrong_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("show", "--nosuch") == 2
    assert capsys.readouterr().err.startswith("error: no such option: --nosuch")


def test_wrong_arguments_are_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, text in (
        (["show", "--limit", "many"], "--limit: found the text `many`; expected a whole number"),
        (
            ["show", "--limit", "-1"],
            "--limit: found the text `-1`; expected a number of at least 0",
        ),
        (["run", "a.yaml"], "missing option `--output`; see `prefine run --help`"),
        (["rnu"], "no such command `rnu`; did you mean `run`?; see `prefine --help`"),
    ):
        assert call(*arguments) == 2
        assert capsys.readouterr().err == f"error: {text}\n"


def test_without_arguments_the_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert call() == 2
    printed = capsys.readouterr()
    assert "Commands" in printed.out + printed.err
    assert "error" not in printed.err
