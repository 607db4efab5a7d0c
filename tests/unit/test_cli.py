"""The command line, in process: output, exit codes, one sentence for a mistake."""

import sys
from pathlib import Path
from typing import Any

import pytest

from prefine import cli
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

    assert err.count("done before") == 7
    assert "rows in" not in err


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
        (["verify", "nowhere"], "nowhere holds no manifest.json"),
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


@pytest.mark.parametrize("command", ["run", "plan", "show", "explain", "verify", "ingest"])
def test_every_command_has_help_and_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(command, "--help") == 0
    assert f"Example: prefine {command}" in capsys.readouterr().out
