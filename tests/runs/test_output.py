"""What the command line prints, on terminals of any encoding and for any characters."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from prefine.cli.output import Stream, print_json, print_json_rows
from prefine.cli.tables import print_table


def test_control_characters_of_data_do_not_reach_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stream = Stream()
    stream.line("red \x1b[31m, bell \x07, back \x9b2J\u202e\ttab\nnext")
    print_table(stream, "a\x1b[1m", ("head",), [("cell\x1b]0;title\x07",)])

    printed = capsys.readouterr().out

    assert printed.startswith(
        "red \\x1b[31m, bell \\x07, back \\x9b2J\\u202e\ttab\nnext\na\\x1b[1m\n"
    )
    assert not set(printed) & set("\x1b\x07\x9b\u202e")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_json_is_utf8_whatever_the_encoding_of_the_terminal(encoding: str) -> None:
    script = "from prefine.cli.output import *; print_json_rows([{'a': '\u4f60\U0001f600'}])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        env={"PYTHONIOENCODING": encoding, "PYTHONPATH": ":".join(sys.path)},
    )

    assert json.loads(done.stdout) == [{"a": "你\U0001f600"}]


def test_each_document_is_one_json_value(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": float("nan")})
    assert json.loads(capsys.readouterr().out) == {"a": None}
    print_json_rows([])
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_behind_stdout_is_one_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "prefine.cli", "schema"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )

    lines = done.stderr.decode().splitlines()
    assert lines[0].startswith("error: cannot write the output: ")
    assert "Traceback" not in done.stderr.decode()
    assert done.returncode != 0
