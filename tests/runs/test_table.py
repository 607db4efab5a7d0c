"""Columns of a user's own table: joined by every key, flipped with their pairs, counted."""

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prefine.errors import DataError, RecipeError
from prefine.planning import make_plan, publish_plan
from prefine.planning.look import read_table
from prefine.recipe import parse_recipe
from prefine.schema import pair_id, prompt_id, response_id
from prefine.settings import Runtime
from tests.made import assistant, explicit, run_recipe, table, user

TEXTS = [("One?", "good one", "bad one"), ("Two?", "good two", "bad two"), ("Three?", "x", "y")]
ROWS = [explicit(*texts) for texts in TEXTS]
RECIPE = """
name: made
shards: 2
sources: [{name: made, files: [rows.jsonl]}]
measures:
  - kind: table
    name: mine
    files: [scores.jsonl]
"""


def ids(prompt: str, *responses: str) -> list[str]:
    """Return the id of a prompt and those of responses to it."""
    name = prompt_id([user(prompt)])
    return [name, *(response_id(name, [assistant(response)]) for response in responses)]


PROMPTS = [ids(*texts)[0] for texts in TEXTS]
SIDES = [ids(*texts)[1:] for texts in TEXTS]
PAIRS = [pair_id(*sides) for sides in SIDES]


def recipe(*lines: str) -> str:
    return RECIPE + "".join(f"    {line}\n" for line in lines)


def joined(folder: Path, *lines: str, more: str = "") -> list[tuple[Any, ...]]:
    """Return the columns of the measure, in the order of the raw rows."""
    found = table(recipe(*lines) + more, folder, "measure_mine")
    rows = {row[0]: row[1:] for row in found.rows()}
    return [rows[pair] for pair in PAIRS]


def notes(folder: Path, *lines: str) -> dict[str, Any]:
    plan, runtime = run_recipe(recipe(*lines), folder)
    manifest = publish_plan(plan, runtime, str(folder / "out"))
    return manifest["notes"]["measure_mine"]


QUALITY = "columns: {quality: {type: number}}"
OF_PAIRS = [
    ("pair_id", [{"pair_id": PAIRS[0], "quality": 1.5}, {"pair_id": PAIRS[1], "quality": 2.5}], ()),
    ("row", [{"row": 1, "quality": 1.5}, {"row": 2, "quality": 2.5}], ("source: made",)),
    (
        "row",
        [
            {"source": "made", "row": 1, "file": "rows.jsonl", "quality": 1.5},
            {"source": "made", "row": "2", "file": "rows.jsonl", "quality": 2.5},
        ],
        (),
    ),
    (
        "text",
        [
            {"prompt": "One?", "chosen": "good one", "rejected": "bad one", "quality": 1.5},
            {"prompt": [user("Two?")], "chosen": "good two", "rejected": [assistant("bad two")],
             "quality": 2.5},
        ],
        ("per: pair",),
    ),
    (
        "prompt_id",
        [{"prompt_id": PROMPTS[0], "quality": 1.5}, {"prompt_id": PROMPTS[1], "quality": 2.5}],
        (),
    ),
    ("text", [{"prompt": "One?", "quality": 1.5}, {"prompt": "Two?", "quality": 2.5}], ()),
]  # fmt: skip


@pytest.mark.parametrize(("key", "scores", "more"), OF_PAIRS)
def test_columns_are_joined_by_each_key(
    key: str, scores: Any, more: tuple[str, ...], write_lines: Any, tmp_path: Path
) -> None:
    write_lines(ROWS)
    write_lines(scores, "scores.jsonl")

    assert joined(tmp_path, f"key: {key}", *more, QUALITY) == [(1.5,), (2.5,), (None,)]


OF_RESPONSES = [
    (
        "response_id",
        [
            {"response_id": SIDES[0][0], "reward": 2.0},
            {"response_id": SIDES[0][1], "reward": 0.5},
            {"response_id": SIDES[1][1], "reward": 1.0},
        ],
        (),
    ),
    (
        "text",
        [
            {"prompt": "One?", "answer": "good one", "reward": 2.0},
            {"prompt": "One?", "answer": "bad one", "reward": 0.5},
            {"prompt": json.dumps([user("Two?")]), "answer": "bad two", "reward": 1.0},
        ],
        ("key_columns: {response: answer}",),
    ),
]


@pytest.mark.parametrize(("key", "scores", "more"), OF_RESPONSES)
def test_columns_of_responses_become_two_sides_and_a_margin(
    key: str, scores: Any, more: tuple[str, ...], write_lines: Any, tmp_path: Path
) -> None:
    write_lines(ROWS)
    write_lines(scores, "scores.jsonl")

    found = joined(tmp_path, f"key: {key}", *more, "columns: {reward: {type: number}}")

    assert found == [(2.0, 0.5, 1.5), (None, 1.0, None), (None, None, None)]


@pytest.mark.parametrize("form", ["csv", "jsonl.gz", "parquet"])
def test_the_table_may_be_any_file(form: str, write_lines: Any, tmp_path: Path) -> None:
    write_lines(ROWS)
    frame = pl.DataFrame(
        {
            "pair": PAIRS[:2],
            "q": [1.5, None],
            "n": [3, 4],
            "ok": [True, False],
            "who": ["anna", None],
        }
    )
    path = tmp_path / f"scores.{form}"
    if form == "csv":
        frame.write_csv(path)
    elif form == "parquet":
        frame.write_parquet(path)
    else:
        path.write_bytes(gzip.compress(frame.write_ndjson().encode()))
    lines = (
        "key: pair_id",
        "key_columns: {pair_id: pair}",
        "columns: {q: {type: number}, n: {type: integer}, ok: {type: truth}, "
        "judge: {type: text, column: who}}",
    )
    text = recipe(*lines).replace("scores.jsonl", path.name)

    found = {row[0]: row[1:] for row in table(text, tmp_path, "measure_mine").rows()}

    assert found[PAIRS[0]] == (1.5, 3, True, "anna")
    assert found[PAIRS[1]] == (None, 4, False, None)
    assert found[PAIRS[2]] == (None, None, None, None)


FLIPS = """columns:
      m: {type: number, flip: negate}
      p: {type: number, flip: complement}
      a: {type: integer, flip: swap, partner: b}
      b: {type: integer, flip: swap, partner: a}
      q: {type: integer}
"""
FLIPPED = {"m": 2.0, "p": 0.25, "a": 3, "b": 7, "q": 5}


def test_a_row_that_takes_the_other_side_for_chosen_is_turned(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines(ROWS)
    chosen = [SIDES[0][1], SIDES[1][0], None]
    write_lines(
        [{"pair_id": p, "chosen_id": c, **FLIPPED} for p, c in zip(PAIRS, chosen, strict=True)],
        "scores.jsonl",
    )

    turned, straight, unsaid = joined(tmp_path, "key: pair_id", FLIPS)

    assert turned == (-2.0, 0.75, 7, 3, 5)
    assert straight == unsaid == (2.0, 0.25, 3, 7, 5)


def test_swapping_the_sides_of_the_data_negates_what_is_joined(
    write_lines: Any, tmp_path: Path
) -> None:
    row = {"prompt": "One?", "chosen": "good one", "rejected": "bad one", **FLIPPED}
    lines = ("key: text", "per: pair", FLIPS)
    found: list[Any] = []
    for name, rows in (("here", ROWS), ("there", [explicit(p, r, c) for p, c, r in TEXTS])):
        (tmp_path / name).mkdir()
        for file, content in (("rows.jsonl", rows), ("scores.jsonl", [row])):
            write_lines(content, f"{name}/{file}")
        found.append(joined(tmp_path / name, *lines)[0])

    assert found == [(2.0, 0.25, 3, 7, 5), (-2.0, 0.75, 7, 3, 5)]


def test_a_raw_row_that_was_outvoted_has_its_values_turned(
    write_lines: Any, tmp_path: Path
) -> None:
    prompt, chosen, rejected = TEXTS[0]
    contrary = explicit(prompt, rejected, chosen)
    write_lines([*ROWS, {**ROWS[0], "n": 2}, contrary])
    write_lines([{"row": 5, **FLIPPED}], "scores.jsonl")

    votes = recipe("key: row", "source: made", FLIPS).replace(
        "jsonl]}", "jsonl], anonymous: several}", 1
    )
    rows = table(votes, tmp_path, "measure_mine").rows()

    assert {row[0]: row[1:] for row in rows}[PAIRS[0]] == (-2.0, 0.75, 7, 3, 5)


def test_a_column_acts_in_a_rule_flips_with_its_pair_and_is_exported(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines(ROWS)
    margins = [-1.0, 2.0, None]
    write_lines(
        [{"pair_id": p, **FLIPPED, "m": m} for p, m in zip(PAIRS, margins, strict=True)],
        "scores.jsonl",
    )
    rules = """rules:
  - {name: known, column: m, minimum: -9, missing: drop}
  - {name: turn, column: m, flip_when: {maximum: 0}}
  - {name: strong, column: m, minimum: 0.5}
"""
    plan, runtime = run_recipe(recipe("key: pair_id", FLIPS) + rules, tmp_path)
    manifest = publish_plan(plan, runtime, str(tmp_path / "out"))

    found = pl.read_parquet(tmp_path / "out" / "data" / "*.parquet").sort("m")
    assert found.select("m", "p", "a", "b", "q", "is_flipped").rows() == [
        (1.0, 0.75, 7, 3, 5, True),
        (2.0, 0.25, 3, 7, 5, False),
    ]
    assert found["chosen"].to_list() == [[assistant("bad one")], [assistant("good two")]]
    assert manifest["dropped"] == {"known": 1}
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| m | double | `m` of the table `mine` |" in card
    assert "| pairs without a row | 0 |" in card.partition("## The table `mine`")[2]
    assert "| values of the wrong type | 0 |" in card.partition("## The table `mine`")[2]
    written = (tmp_path / "out" / "recipe.yaml").read_text()
    assert parse_recipe(written).measured.keys() == {"m", "p", "a", "b", "q"}


WITH_IDS = [{**row, "uid": n} for n, row in enumerate(ROWS, 100)]
BY_ID = RECIPE.replace("files: [rows.jsonl]", "files: [rows.jsonl], id: uid")


def test_a_column_is_joined_by_the_ids_of_the_user(write_lines: Any, tmp_path: Path) -> None:
    prompt, chosen, rejected = TEXTS[0]
    outvoted = [{**explicit(prompt, rejected, chosen), "uid": 100 + n} for n in (3, 4)]
    write_lines([*WITH_IDS, *outvoted])
    write_lines([{"id": "100", **FLIPPED}, {"id": 102, **FLIPPED}], "scores.jsonl")
    text = BY_ID + f"    key: own_id\n    key_columns: {{own_id: id}}\n    {FLIPS}\n"

    measured = table(text, tmp_path, "measure_mine").drop("own_id")
    found = {row[0]: row[1:] for row in measured.rows()}

    assert [found[pair] for pair in PAIRS] == [
        (-2.0, 0.75, 7, 3, 5),
        (None, None, None, None, None),
        (2.0, 0.25, 3, 7, 5),
    ]


def test_pairs_of_several_raw_rows_take_the_first_and_are_counted(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines([*WITH_IDS, {**ROWS[0], "uid": 103}])
    write_lines([{"own_id": 103, "q": 2}, {"own_id": 100, "q": 1}], "scores.jsonl")
    text = BY_ID + "    key: own_id\n    columns: {q: {type: integer}}\n"
    plan, runtime = run_recipe(text, tmp_path)
    manifest = publish_plan(plan, runtime, str(tmp_path / "out"))

    assert manifest["notes"]["measure_mine"]["pairs_with_several_rows"] == 1
    assert read_table(plan, runtime, "measure_mine")["q"].to_list().count(1) == 1
    assert read_table(plan, runtime, "measure_mine")["q"].drop_nulls().to_list() == [1]


def test_an_own_id_of_two_sources_is_ambiguous(write_lines: Any, tmp_path: Path) -> None:
    write_lines(WITH_IDS)
    write_lines([{**explicit("Four?", "x", "y"), "uid": 100}], "more.jsonl")
    write_lines([{"own_id": 100, "quality": 1}], "scores.jsonl")
    both = "{name: made, files: [rows.jsonl], id: uid}, {name: more, files: [more.jsonl], id: uid}"
    text = RECIPE.replace("{name: made, files: [rows.jsonl]}", both)
    lines = f"    key: own_id\n    {QUALITY}\n"

    with pytest.raises(DataError, match="own id `100` occurs in the sources made, more"):
        table(text + lines, tmp_path, "measure_mine")
    named = table(f"{text}{lines}    source: more\n", tmp_path, "measure_mine")
    assert named["quality"].drop_nulls().len() == 1


def test_own_ids_of_rated_responses_join_pairs_responses_and_prompts(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines(
        [
            {"id": n, "p": "One?", "r": text, "score": score}
            for n, text, score in ((1, "good one", 5), (2, "bad one", 1))
        ]
    )
    columns = "{prompt: p, responses: [r], ratings: [{columns: [score]}]}"
    source = f"{{name: made, files: [rows.jsonl], id: id, format: columns, columns: {columns}}}"
    text = RECIPE.replace("{name: made, files: [rows.jsonl]}", source) + "    key: own_id\n"
    write_lines([{"own_id": 1, "q": 2.0}, {"own_id": 2, "q": 0.5}], "scores.jsonl")
    values = "    columns: {q: {type: number}}\n"

    found = table(f"{text}    per: response\n{values}", tmp_path, "measure_mine")
    assert found.select("chosen_q", "rejected_q", "q_margin").rows() == [(2.0, 0.5, 1.5)]
    write_lines([{"own_id": "1+2", "q": 3.0}], "scores.jsonl")
    assert table(text + values, tmp_path, "measure_mine")["q"].to_list() == [3.0]
    write_lines([{"own_id": 2, "q": 0.5}], "scores.jsonl")
    found = table(f"{text}    per: prompt\n{values}", tmp_path, "measure_mine")
    assert found["q"].to_list() == [0.5]


def test_missing_and_unused_keys_and_wrong_values_are_counted(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines(ROWS)
    rows = [
        {"pair_id": PAIRS[0], "q": "1.5", "n": 2.5, "ok": "yes"},
        {"pair_id": PAIRS[0], "q": 1.5, "n": "wrong", "ok": True},
        {"pair_id": PAIRS[1], "q": "many", "n": [1], "ok": "maybe"},
        {"pair_id": "f" * 24, "q": "inf", "n": 1, "ok": None},
        {"pair_id": None, "q": 1, "n": 1, "ok": None},
        "not json",
    ]
    write_lines(rows, "scores.jsonl")
    columns = "columns: {q: {type: number}, n: {type: integer}, ok: {type: truth}}"

    found = notes(tmp_path, "key: pair_id", columns)

    assert found == {
        "key": "pair_id",
        "unit": "pair",
        "rows": 4,
        "rows_repeated": 1,
        "rows_unused": 1,
        "pairs": 3,
        "pairs_without_row": 1,
        "pairs_with_several_rows": 0,
        "wrong_type": {"n": 3, "ok": 1, "q": 2},
        "quarantined": {"missing_value": 1, "not_json": 1},
    }
    assert joined(tmp_path, "key: pair_id", columns)[:2] == [(1.5, None, True), (None, None, None)]


def test_rows_without_a_key_are_in_quarantine(write_lines: Any, tmp_path: Path) -> None:
    write_lines(ROWS)
    write_lines([{"pair_id": PAIRS[0], "quality": 1}, {"quality": 2}], "scores.jsonl")
    plan, runtime = run_recipe(recipe("key: pair_id", QUALITY), tmp_path)

    found = read_table(plan, runtime, "quarantine").row(0, named=True)

    assert (found["source"], found["row"], found["reason"]) == ("mine", 2, "missing_value")


@pytest.mark.parametrize(
    ("key", "rows", "message"),
    [
        (
            "pair_id",
            [{"pair_id": PAIRS[0], "quality": 1}, {"pair_id": PAIRS[0], "quality": 2}],
            f"table mine: two rows with the same pair_id `{PAIRS[0]}` have different values: "
            "scores.jsonl:1 and scores.jsonl:2",
        ),
        (
            "pair_id",
            [{"pair_id": "abc", "quality": 1}],
            "table mine: none of its 1 rows matches a pair by pair_id; the table has `abc`, "
            "the data has `",
        ),
        (
            "own_id",
            [{"own_id": "abc", "quality": 1}],
            "the table has `abc`, no raw row of the data has an own id",
        ),
        (
            "pair_id",
            [{"pair": "abc", "quality": 1}],
            "measures[0].key_columns.pair_id: table mine: none of the first 1 rows has the path "
            "`pair_id` of `key_columns`; did you mean `pair`?",
        ),
        (
            "pair_id",
            [{"pair_id": PAIRS[0], "qualty": 1}],
            "measures[0].columns.quality: table mine: none of the first 1 rows has the path "
            "`quality` of `columns`; did you mean `qualty`?",
        ),
    ],
)
def test_a_table_that_cannot_be_joined_is_one_sentence(
    key: str, rows: Any, message: str, write_lines: Any, tmp_path: Path
) -> None:
    write_lines(ROWS)
    write_lines(rows, "scores.jsonl")

    with pytest.raises((DataError, RecipeError)) as caught:
        joined(tmp_path, f"key: {key}", QUALITY)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("beside", "unit"),
    [
        ({"response": "good one"}, "response"),
        ({"completion": "good one"}, "response"),
        ({"answer": [assistant("good one")]}, "response"),
        ({"chosen": "good one", "rejected": "bad one"}, "pair"),
    ],
)
def test_rows_with_responses_must_say_what_they_are_about(
    beside: dict[str, Any], unit: str, write_lines: Any, tmp_path: Path
) -> None:
    write_lines(ROWS)
    write_lines([{"prompt": "One?", "quality": 1, **beside}], "scores.jsonl")
    assert joined(tmp_path, "key: text", "per: prompt", QUALITY) == [(1.0,), (None,), (None,)]

    with pytest.raises(DataError) as caught:
        joined(tmp_path, "key: text", QUALITY)

    assert str(caught.value).endswith(
        f"table mine: row 1 has `{next(iter(beside))}` and a prompt; set `per: {unit}` if its "
        f"values are about the {unit}, else `per: prompt`"
    )


def test_rows_of_nested_texts_must_say_what_they_are_about(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines(ROWS)
    rows = [{"quality": 1, "text": {"prompt": "One?", "response": text}} for text in (None, "x")]
    write_lines(rows, "scores.jsonl")
    nested = ("key: text", "key_columns: {prompt: text.prompt}", QUALITY)

    with pytest.raises(DataError, match=r"row 2 has `text\.response` and a prompt; set"):
        joined(tmp_path, *nested)
    write_lines(rows[:1], "scores.jsonl")
    assert joined(tmp_path, *nested)[0] == (1.0,)


def test_a_response_that_is_a_value_of_its_prompt_is_joined(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines(ROWS)
    write_lines([{"prompt": "One?", "answer": "gold"}], "scores.jsonl")

    assert joined(tmp_path, "key: text", "columns: {gold: {type: text, column: answer}}")[0] == (
        "gold",
    )


def test_errors_of_texts_name_rows_and_not_hashes(write_lines: Any, tmp_path: Path) -> None:
    write_lines(ROWS)
    write_lines([{"prompt": "One?", "quality": n} for n in (1, 2)], "scores.jsonl")

    with pytest.raises(DataError) as twice:
        joined(tmp_path, "key: text", QUALITY)
    write_lines([{"quality": 3}, {"prompt": "One? ", "quality": 1}], "scores.jsonl")
    with pytest.raises(DataError) as unmatched:
        joined(tmp_path, "key: text", QUALITY)

    assert str(twice.value).endswith(
        "table mine: two rows with the same prompt have different values: scores.jsonl:1 and "
        "scores.jsonl:2; set `per: response` or `per: pair` if rows are about responses or pairs"
    )
    assert str(unmatched.value).endswith(
        "table mine: none of its 1 rows matches a prompt by text, for example scores.jsonl:2; "
        "texts must be equal character by character, including white space at both ends"
    )


def test_opposite_rows_of_a_pair_agree_or_are_an_error(write_lines: Any, tmp_path: Path) -> None:
    write_lines(ROWS)
    good, bad = SIDES[0]
    columns = "columns: {p: {type: number, flip: complement}}"
    rows = [{"pair_id": PAIRS[0], "chosen_id": c, "p": p} for c, p in ((good, 0.7), (bad, 0.3))]
    write_lines(rows, "scores.jsonl")

    assert joined(tmp_path, "key: pair_id", columns)[0] == (0.7,)
    write_lines([rows[0], {**rows[1], "p": 0.6}], "scores.jsonl")
    with pytest.raises(DataError, match="two rows with the same pair_id"):
        joined(tmp_path, "key: pair_id", columns)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("key: pair_id", "columns: {}"), "at least 1 item"),
        (("key: pair_id", "columns: {q: {type: text, flip: negate}}"), "needs `type: number"),
        (("key: pair_id", "columns: {q: {type: integer, flip: complement}}"), "needs `type"),
        (("key: pair_id", "columns: {q: {type: number, flip: swap}}"), "needs `partner`"),
        (
            ("key: pair_id", "columns: {q: {type: number, flip: swap, partner: r}}"),
            "no column `r` to swap with",
        ),
        (
            ("key: pair_id", "columns: {q: {type: number, flip: swap, partner: r}, "
             "r: {type: integer, flip: swap, partner: q}}"),
            "two columns of the same type that name each other",
        ),
        (
            ("key: response_id", "columns: {q: {type: number, flip: negate}}"),
            "`flip` needs rows about pairs; these rows are about a response",
        ),
        (("key: prompt_id", "per: pair", QUALITY), "`key: prompt_id` is about a prompt"),
        (("key: pair_id", "columns: {num_votes: {type: integer}}"), "every pair has"),
        (("key: response_id", "values: {q: {type: number}}"), "unknown key `values`"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_refused(lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(recipe(*lines))

    assert message in str(caught.value)


def fingerprint(measure: str, folder: Path) -> str:
    text = f"{RECIPE.partition('  - kind')[0]}  - {{{measure}}}\n"
    runtime = Runtime(root=str(folder / "root"), data=str(folder))
    return make_plan(parse_recipe(text), runtime).steps[-1].fingerprint


SETTINGS = "name: mine, key: text, key_columns: {prompt: q}, columns: {v: {type: number}}"


@pytest.mark.parametrize(
    "change",
    [
        ("name: mine", "name: other"),
        ("key: text, key_columns: {prompt: q}", "key: row, source: made"),
        ("key: text, key_columns: {prompt: q}", "key: row"),
        ("key: text", "key: text, ignore: [input]"),
        ("key: text", "key: text, max_row_bytes: 2000"),
        ("key: text", "key: text, per: response"),
        ("prompt: q", "prompt: p"),
        ("prompt: q", "prompt: q, response: r"),
        ("v:", "w:"),
        ("type: number", "type: integer"),
        ("type: number", "type: number, column: n"),
        ("type: number", "type: number, about: mine"),
    ],
)
def test_every_setting_of_a_table_changes_the_fingerprint(
    change: tuple[str, str], write_lines: Any, tmp_path: Path
) -> None:
    write_lines(ROWS)
    keys = {"q": "One?", "p": "One?", "r": "good one", "source": "made", "row": 1}
    keys["response"] = "good one"
    write_lines([{**keys, "v": 1, "w": 1, "n": 1}], "scores.jsonl")
    assert change[0] in SETTINGS

    prints = {
        fingerprint(f"kind: table, files: [scores.jsonl], {text}", tmp_path)
        for text in (SETTINGS, SETTINGS.replace(*change))
    }

    assert len(prints) == 2


def test_every_flip_changes_the_fingerprint(write_lines: Any, tmp_path: Path) -> None:
    write_lines(ROWS)
    write_lines([{"pair_id": "x", "a": 1, "b": 1}], "scores.jsonl")
    table_ = "kind: table, name: mine, files: [scores.jsonl], key: pair_id, columns: {a: {type: "
    flips = (
        "number}, b: {type: number}",
        "number, flip: negate}, b: {type: number}",
        "number, flip: complement}, b: {type: number}",
        "number, flip: swap, partner: b}, b: {type: number, flip: swap, partner: a}",
    )

    assert len({fingerprint(f"{table_}{flip}}}", tmp_path) for flip in flips}) == len(flips)


def test_a_row_that_is_too_long_goes_to_quarantine(write_lines: Any, tmp_path: Path) -> None:
    write_lines(ROWS)
    rows = [
        {"pair_id": p, "quality": 1, "more": "x" * n}
        for p, n in zip(PAIRS, (0, 2000), strict=False)
    ]
    write_lines(rows, "scores.jsonl")

    assert joined(tmp_path, "key: pair_id", "max_row_bytes: 1024", QUALITY)[:2] == [(1,), (None,)]


def test_a_table_must_have_the_bytes_that_the_recipe_names(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines(ROWS)
    write_lines([{"pair_id": PAIRS[0], "quality": 1}], "scores.jsonl")

    with pytest.raises(RecipeError, match="table mine: the files do not match `sha256`"):
        joined(tmp_path, "key: pair_id", f"sha256: [{'a' * 64}]", QUALITY)


def test_a_source_that_does_not_exist_is_named(write_lines: Any, tmp_path: Path) -> None:
    write_lines(ROWS)
    write_lines([{"row": 1, "quality": 1}], "scores.jsonl")

    with pytest.raises(RecipeError, match="no source `other`; the sources are: made"):
        joined(tmp_path, "key: row", "source: other", QUALITY)


def test_a_column_without_any_value_of_its_type_is_an_error(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines(WITH_IDS)
    write_lines([{"own_id": 100, "q": "good"}, {"own_id": 101, "q": "bad"}], "scores.jsonl")
    text = BY_ID + "    key: own_id\n    columns: {q: {type: number}}\n"

    with pytest.raises(DataError, match="none of the 2 values of `q` has the type number"):
        table(text, tmp_path, "measure_mine")


@pytest.mark.parametrize("value", [90, -0.1])
def test_a_probability_outside_its_range_is_an_error(
    value: float, write_lines: Any, tmp_path: Path
) -> None:
    write_lines(ROWS)
    write_lines(
        [{"pair_id": PAIRS[0], "p": 0.5}, {"pair_id": PAIRS[1], "p": value}], "scores.jsonl"
    )
    columns = "columns: {p: {type: number, flip: complement}}"

    with pytest.raises(DataError, match=f"column `p` of a table .* found {value:g}; divide a"):
        joined(tmp_path, "key: pair_id", columns)
