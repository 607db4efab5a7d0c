"""Lengths, cosine and the bootstrap reward, on made rows."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from prefine.errors import DataError
from prefine.measure.cosine import cosines
from prefine.measure.reward.bootstrap import fold_of
from prefine.schema import prompt_id
from tests.made import explicit, table, user

pytestmark = pytest.mark.usefixtures("distilled")

RECIPE = "name: made\nsources: [{name: made, files: [rows.jsonl]}]\nmeasures: "


def test_lengths_are_characters_of_the_contents_alone(write_lines: Any, tmp_path: Path) -> None:
    write_lines([explicit("Wer?", "Käse", "ein Brot")])

    row = table(f"{RECIPE}[{{kind: lengths}}]\n", tmp_path, "measure_lengths").row(0, named=True)

    assert {k: v for k, v in row.items() if k != "pair_id"} == {
        "prompt_chars": 4,
        "chosen_chars": 4,
        "rejected_chars": 8,
        "chars_gap": -4,
    }


def test_cosines_are_exact_and_blank_texts_have_none() -> None:
    a = np.array([[1, 0], [3, 4], [0, 0]], np.float32)
    b = np.array([[0, 2], [3, 4], [1, 1]], np.float32)

    assert cosines(a, b) == [0.0, pytest.approx(1.0), None]


def made_rows(count: int) -> list[dict[str, Any]]:
    """Return pairs whose chosen side is friendly and whose rejected side is not."""
    kind = ["Gladly, here is how it works", "With pleasure, let me explain it step by step"]
    rude = ["No idea and no interest", "Go away and leave me alone"]
    return [
        explicit(
            f"Please explain thing number {n} to me.", f"{kind[n % 2]}, {n}.", f"{rude[n % 2]}."
        )
        for n in range(count)
    ]


@pytest.mark.slow
def test_the_bootstrap_margin_finds_flipped_labels(write_lines: Any, tmp_path: Path) -> None:
    rows = made_rows(120)
    for row in rows[:12]:
        row["chosen"], row["rejected"] = row["rejected"], row["chosen"]
    write_lines(rows)

    recipe = f"{RECIPE}[{{kind: reward/bootstrap}}]\n"
    found = table(recipe, tmp_path, "measure_bootstrap")

    below = found.filter(pl.col("bootstrap_margin") < 0)
    assert below.height == 12
    assert (found["bootstrap_margin_std"] > 0).all()
    assert found.filter(
        (pl.col("bootstrap_margin") > 0) != (pl.col("bootstrap_probability") > 0.5)
    ).is_empty()


@pytest.mark.slow
def test_a_pair_is_scored_by_heads_that_never_saw_its_prompt(
    write_lines: Any, tmp_path: Path
) -> None:
    """Flipping the label of a prompt must change only the sign of its own score."""
    recipe = f"{RECIPE}[{{kind: reward/bootstrap}}]\n"
    rows = made_rows(60)
    write_lines(rows)
    (tmp_path / "before").mkdir()
    before = table(recipe, tmp_path, "facts", root=str(tmp_path / "before"))
    rows[7]["chosen"], rows[7]["rejected"] = rows[7]["rejected"], rows[7]["chosen"]
    write_lines(rows)
    after = table(recipe, tmp_path, "facts", root=str(tmp_path / "after"))

    name = prompt_id([user("Please explain thing number 7 to me.")])
    own = [t.filter(pl.col("prompt_id") == name)["bootstrap_margin"][0] for t in (before, after)]
    fold = fold_of(name, 5, 0)
    others = [p for p in before["prompt_id"] if fold_of(p, 5, 0) != fold]
    moved = [
        t.filter(pl.col("prompt_id") == others[0])["bootstrap_margin"][0] for t in (before, after)
    ]
    assert own[1] == pytest.approx(-own[0], abs=1e-12)
    assert moved[0] != moved[1]


def test_a_response_without_an_embedding_has_no_bootstrap_margin(
    write_lines: Any, tmp_path: Path
) -> None:
    rows = made_rows(60)
    odd = [
        explicit("Name a dish.", "김치찌개를 끓여 주세요", "Soup"),
        explicit("Name one.", "Soup", ""),
    ]
    write_lines(rows)
    recipe = f"{RECIPE}[{{kind: reward/bootstrap, heads: 2, folds: 2}}]\n"
    (tmp_path / "before").mkdir()
    before = table(recipe, tmp_path, "measure_bootstrap", root=str(tmp_path / "before"))
    write_lines([*rows, *odd])
    after = table(recipe, tmp_path, "measure_bootstrap", root=str(tmp_path / "after"))

    without = after.filter(pl.col("bootstrap_reason").is_not_null())
    assert sorted(without["bootstrap_reason"].to_list()) == ["blank", "unknown_words"]
    values = without.select("bootstrap_margin", "bootstrap_margin_std", "bootstrap_probability")
    assert values.null_count().row(0) == (2, 2, 2)
    # and no head is fitted on them
    assert after.join(before, on="pair_id", how="semi").equals(before)


def test_too_few_pairs_are_an_error_and_no_number(write_lines: Any, tmp_path: Path) -> None:
    write_lines(made_rows(5))

    with pytest.raises(DataError, match=r"only \d prompts outside fold"):
        table(f"{RECIPE}[{{kind: reward/bootstrap}}]\n", tmp_path, "measure_bootstrap")


def test_a_cosine_of_which_only_the_beginning_was_embedded_is_none(
    write_lines: Any, tmp_path: Path
) -> None:
    story = "The fox ran through the wood and over the hill. " * 4
    write_lines(
        [
            explicit("A story?", f"{story} Then it slept.", f"{story} I cannot go on."),
            explicit("A word?", "Fox.", "Hill."),
            explicit("Nothing?", "Fox.", ""),
        ]
    )
    recipe = f"{RECIPE}[{{kind: cosine}}]\nencoder: {{max_chars: 150}}\n"

    found = table(recipe, tmp_path, "measure_cosine")

    assert sorted(found["cosine_reason"].fill_null("").to_list()) == ["", "blank", "too_long"]
    assert found["cosine"].is_null().to_list() == found["cosine_reason"].is_not_null().to_list()
