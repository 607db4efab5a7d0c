"""Text differences between the sides, in runs of a recipe."""

from pathlib import Path
from typing import Any

from prefine.schema import prompt_id
from tests.made import explicit, table, user
from tests.unit.test_differences import FORMULA

RECIPE = "name: made\nsources: [{name: made, files: [rows.jsonl]}]\nmeasures: "
STORM = "My lamp stopped working after the {} storm last night, what should I check first, please"


def test_what_prompts_differ_in_and_what_keeps_them_apart_is_told(
    write_lines: Any, tmp_path: Path
) -> None:
    prompts = [STORM.format(word) for word in ("great", "Great", "graet", "second", "two")]
    rows = [explicit(prompt, "yes", "no") for prompt in prompts]
    rows.append(explicit(prompts[0], "oh yes", "oh no"))
    write_lines(rows)

    found = table(
        f"{RECIPE}[{{kind: near_duplicates, jaccard: 0.6}}]\n", tmp_path, "prompt_clusters"
    )

    by_id = {row["prompt_id"]: row for row in found.iter_rows(named=True)}
    great, upper, slip, second, two = (by_id[prompt_id([user(text)])] for text in prompts)
    assert great["prompt_cluster_rank"] == 1
    assert [row["prompt_differs"] for row in (great, upper, slip, second)] == [
        "none",
        "form",
        "words",
        "words",
    ]
    assert upper["prompt_cluster_by"] == "same_words"
    assert len({row["prompt_cluster"] for row in (great, upper, slip, second)}) == 1
    assert (two["prompt_cluster_size"], two["prompt_differs"]) == (1, None)
    assert (two["prompt_apart"], great["prompt_apart"]) == ("numbers", "numbers")
    assert two["prompt_component"] == great["prompt_component"]
    assert sorted(row["prompt_cluster_rank"] for row in by_id.values()) == [1, 1, 2, 3, 4]


def test_sides_that_differ_in_a_number_are_told_and_not_merged(
    write_lines: Any, tmp_path: Path
) -> None:
    price = FORMULA.format("is over {} per cent of")
    code = "```python\nif a:\n    b()\n{}c()\n```"
    write_lines(
        [
            explicit("What now?", price.format(48), price.format(52)),
            explicit("And the code?", code.format("    "), code.format("")),
            explicit("And the text?", "A line.  \n", "A line."),
            explicit("Which?", "This one.", "Neither of them is right."),
        ]
    )
    recipe = f"{RECIPE}[{{kind: near_duplicates, of: [responses]}}]\n"

    found = table(recipe, tmp_path, "facts").sort("responses_differ", nulls_last=True)

    assert found["responses_differ"].to_list() == ["form", "none", "numbers", None]
    assert found["responses_alike"].to_list() == [False, True, False, False]
    same = (found["chosen_cluster"] == found["rejected_cluster"]).to_list()
    assert same == [True, True, False, False]
    assert found["chosen_apart"].to_list() == [None, None, "numbers", None]
