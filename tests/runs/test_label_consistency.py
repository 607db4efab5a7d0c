"""Label consistency on hand-written rows."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from prefine.measure.label_consistency import count_votes
from prefine.schema import prompt_id
from tests.made import explicit, table, user

pytestmark = pytest.mark.usefixtures("distilled")

RECIPE = (
    "name: made\nsources: [{name: made, files: [rows.jsonl]}]\n"
    "measures: [{kind: label_consistency, neighbours: 8MORE}]\n"
)
PLACES = ["garden", "kitchen", "cellar", "attic", "garage", "hall", "library", "office", "stable"]


def polite(number: int) -> dict[str, Any]:
    """Return a pair whose chosen side is friendly; no two have the same words."""
    place = f"{PLACES[number % 9]} {number}"
    return explicit(
        f"How do I clean the {place}?",
        f"Gladly, I would be happy to help you clean the {place}.",
        f"Go away, nobody asked you about the {place}, you idiot.",
    )


def turned(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "chosen": row["rejected"], "rejected": row["chosen"]}


def facts(rows: list[Any], folder: Path, write_lines: Any, more: str = "") -> pl.DataFrame:
    write_lines(rows)
    root = folder / f"root{len(list(folder.glob('root*')))}"
    found = table(RECIPE.replace("MORE", more), folder, "facts", root=str(root))
    return found.select(pl.col("prompt_id", "pair_id"), pl.col("^label_.*$")).drop("label_source")


def of(found: pl.DataFrame, row: dict[str, Any]) -> dict[str, Any]:
    name = prompt_id([user(row["prompt"][0]["content"])])
    return found.filter(pl.col("prompt_id") == name).row(0, named=True)


def test_votes_are_weighed_against_even_odds() -> None:
    votes = np.array([[1.0, 0.5, -0.5], [0.0, 0.0, 0.0], [-1.0, -1.0, 0.0]])

    found = count_votes(votes, np.array([3, 0, 2]), 1.0)

    assert found.agreeing.tolist() == [2, 0, 0]
    assert found.opposing.tolist() == [1, 0, 2]
    assert found.probability[0] == pytest.approx((0.5 + 1.5) / (1 + 2))
    assert np.isnan(found.probability[1])
    assert found.probability[2] == pytest.approx(0.5 / 3)


def test_flipped_labels_have_the_lowest_probabilities(tmp_path: Path, write_lines: Any) -> None:
    rows = [polite(number) for number in range(60)]
    wrong = {7, 30, 51}
    shown = [turned(row) if n in wrong else row for n, row in enumerate(rows)]

    found = facts(shown, tmp_path, write_lines)

    worst = found.sort("label_probability")["prompt_id"][:3].to_list()
    assert set(worst) == {of(found, rows[n])["prompt_id"] for n in wrong}
    assert (found["label_agreeing"] + found["label_opposing"] <= 8).all()
    assert of(found, rows[7])["label_opposing"] >= 6
    assert of(found, rows[8])["label_agreeing"] >= 6


def test_turning_a_label_turns_its_own_probability_and_moves_no_neighbour(
    tmp_path: Path, write_lines: Any
) -> None:
    rows = [polite(number) for number in range(40)]
    rows[3] = turned(rows[3])
    before = facts(rows, tmp_path, write_lines)
    after = facts([*rows[:10], turned(rows[10]), *rows[11:]], tmp_path, write_lines)

    was, now = of(before, rows[10]), of(after, rows[10])
    assert now["label_probability"] == pytest.approx(1 - was["label_probability"], abs=1e-12)
    assert (now["label_agreeing"], now["label_opposing"]) == (
        was["label_opposing"],
        was["label_agreeing"],
    )
    both = before.join(after, on="pair_id", suffix="_after")
    voters = pl.col("label_agreeing") + pl.col("label_opposing")
    after_voters = pl.col("label_agreeing_after") + pl.col("label_opposing_after")
    assert both.select((voters == after_voters).all()).item()


def test_pairs_of_the_same_prompt_and_copies_have_no_vote(tmp_path: Path, write_lines: Any) -> None:
    rows = [polite(number) for number in range(12)]
    again = {**rows[0], "chosen": [{"role": "assistant", "content": "Gladly, use a broom."}]}
    copy = explicit(
        "How do I clean, the garden 0?",
        "Gladly I would be happy to help you clean the garden 0.",
        "Go away, nobody asked you about the garden 0 you idiot.",
    )
    alone = facts(rows, tmp_path, write_lines)
    more = facts([*rows, turned(again), turned(copy)], tmp_path, write_lines)
    counted = facts([*rows, turned(copy)], tmp_path, write_lines, ", copy_similarity: 2")

    asked = of(alone, rows[0])
    told = more.row(by_predicate=pl.col("pair_id") == asked["pair_id"], named=True)
    # the texts of the other two rows move the mean of all a little
    probability = pytest.approx(asked["label_probability"], abs=1e-3)
    assert told == asked | {"label_probability": probability}
    assert of(counted, rows[0])["label_opposing"] == asked["label_opposing"] + 1


def test_what_cannot_be_compared_has_a_reason(tmp_path: Path, write_lines: Any) -> None:
    rows = [
        explicit("Why?", "", "Because."),
        explicit("Who?", "The same.", "The same."),
        explicit("When?", "In the year of the great storm.", "Never."),
    ]

    found = facts(rows, tmp_path, write_lines)

    reasons = [of(found, row)["label_reason"] for row in rows]
    assert reasons == ["blank", "same_vectors", "alone"]
    assert found["label_probability"].null_count() == 3


def test_no_pair_that_can_be_compared_is_no_trouble(tmp_path: Path, write_lines: Any) -> None:
    write_lines([explicit(f"Who are {name}?", "We", "We") for name in ("you", "they")])

    found = table(RECIPE.replace("MORE", ""), tmp_path, "measure_label_consistency")

    assert found["label_reason"].to_list() == ["same_vectors", "same_vectors"]


@pytest.mark.slow
def test_shards_order_and_threads_change_nothing(tmp_path: Path, write_lines: Any) -> None:
    import faiss

    rows = [polite(number) for number in range(50)]
    more = ", search: {exact_up_to: 1, sampled: 16}"
    before = faiss.omp_get_max_threads()
    found: list[pl.DataFrame] = []
    for threads, shards, order in ((1, 1, 1), (2, 1, -1), (2, 3, -1)):
        faiss.omp_set_num_threads(threads)
        write_lines(rows[::order])
        text = f"shards: {shards}\n" + RECIPE.replace("MORE", more)
        root = str(tmp_path / f"{threads}{shards}")
        found.append(table(text, tmp_path, "measure_label_consistency", root=root).sort("pair_id"))
    faiss.omp_set_num_threads(before)

    assert found[0].equals(found[1])
    assert found[0].equals(found[2])
