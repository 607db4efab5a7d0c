"""Pairs that are equal after truncation, in runs of a recipe."""

from pathlib import Path
from typing import Any

import pytest

from tests.made import byte_tokenizer, explicit, table, turn

SHARED = (
    "name: made\nsources: [{name: made, files: [rows.jsonl]}]\nmeasures: [{kind: shared_chars}]\n"
)


def test_shared_characters_are_columns(write_lines: Any, tmp_path: Path) -> None:
    write_lines([explicit("One?", "I am sure: no.", "I am sure: yes.")])

    row = table(SHARED, tmp_path, "measure_shared_chars").row(0, named=True)

    assert {k: v for k, v in row.items() if k != "pair_id"} == {
        "shared_prefix_chars": 11,
        "shared_suffix_chars": 1,
        "shared_chars": 12,
        "shared_chars_ratio": 0.8,
    }


ROWS = [
    explicit("Q1", "abcdef", "abcdeX"),
    explicit("Q2", "X", "Y"),
    explicit("Q3", "same", "same"),
    explicit("Q4", "ab", "abc"),
]


@pytest.fixture
def tokenizer(tmp_path: Path) -> Any:
    """Save a tokenizer with one token per byte; with its template a prompt of 2 bytes has 22."""

    def save(*, template: bool) -> str:
        built = byte_tokenizer()
        if not template:
            built.chat_template = None
        built.save_pretrained(tmp_path / "bytes")
        return str(tmp_path / "bytes")

    return save


def compared(folder: Path, model: str, more: str) -> dict[str, tuple[Any, ...]]:
    recipe = (
        "name: made\nsources: [{name: made, files: [rows.jsonl]}]\n"
        f"measures: [{{kind: equal_after_truncation, tokenizer: {{model: {model}}}, {more}}}]\n"
    )
    found = table(recipe, folder, "measure_equal_after_truncation")
    pairs = table(recipe, folder, "pairs").select("pair_id", "prompt_id")
    prompts = table(recipe, folder, "prompts")
    named = pairs.join(prompts, on="prompt_id").join(found, on="pair_id")
    return {
        row["messages"][-1]["content"]: tuple(row[c] for c in found.columns if c != "pair_id")
        for row in named.rows(named=True)
    }


def test_sides_are_equal_when_they_first_differ_behind_what_is_kept(
    write_lines: Any, tmp_path: Path, tokenizer: Any
) -> None:
    write_lines(ROWS)
    model = tokenizer(template=False)

    assert compared(tmp_path, model, "max_tokens: 7") == {
        "Q1": (True, 7, None),
        "Q2": (False, 2, None),
        "Q3": (True, None, None),
        "Q4": (False, 4, None),
    }
    assert compared(tmp_path, model, "max_tokens: 8")["Q1"] == (False, 7, None)


def test_the_chat_template_of_the_tokenizer_counts(
    write_lines: Any, tmp_path: Path, tokenizer: Any
) -> None:
    write_lines(ROWS)
    model = tokenizer(template=True)
    begin = 1 + len("user\nQ1") + 1 + len("\n") + 1 + len("assistant\n")

    found = compared(tmp_path, model, f"max_tokens: {begin + 5}")

    assert found["Q1"] == (True, begin + 5, None)
    assert found["Q2"] == (False, begin, None)
    assert compared(tmp_path, model, f"max_tokens: {begin}")["Q2"] == (True, begin, None)


def test_turns_that_the_template_refuses_have_a_reason(
    write_lines: Any, tmp_path: Path, tokenizer: Any
) -> None:
    refused = explicit("Q5", "a", "b")
    refused["prompt"].insert(0, turn("system", "Be kind."))
    write_lines([ROWS[0], refused])
    template = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{% for m in messages %}{{ m.content }}{% endfor %}"
    )

    more = f'max_tokens: 9, template: "{template}"'

    assert compared(tmp_path, tokenizer(template=True), more) == {
        "Q1": (False, 7, None),
        "Q5": (None, None, "template_refused"),
    }
