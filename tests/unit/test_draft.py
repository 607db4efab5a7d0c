"""`prefine init`: a recipe for files that loads, or says at which lines it must be completed."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefine.errors import DataError, RecipeError
from prefine.planning import make_plan
from prefine.planning.draft import draft_recipe
from prefine.planning.draft.guess import guess
from prefine.recipe import load_recipe, parse_recipe
from prefine.settings import Runtime
from tests.conftest import PROJECT
from tests.published import PUBLISHED

SAMPLE = PROJECT / "data" / "sample"
UNREAD = "Nobody may read this sentence in a recipe."
PAIR = {"prompt": "Say hi.", "chosen": "Hi!", "rejected": "No."}
Write = Callable[..., Path]


def sources(text: str) -> list[dict[str, Any]]:
    return yaml.safe_load(text)["sources"]


def test_the_sample_becomes_a_recipe_that_plans(tmp_path: Path) -> None:
    paths = [str(SAMPLE / name) for name in ("pairs.jsonl", "votes.jsonl", "arena.csv")]

    text = draft_recipe(paths, name="mine").text

    recipe = parse_recipe(text)
    assert recipe.name == "mine"
    assert [(one.name, one.format) for one in recipe.sources] == [
        ("pairs", "trl_explicit"),
        ("votes", "helpsteer3"),
        ("arena", "arena_55k"),
    ]
    steps = make_plan(recipe, Runtime(root=str(tmp_path / "root"))).steps
    assert {"measure_lengths", "measure_near_duplicates", "decide"} <= {one.name for one in steps}


NEEDS_MORE = {"domains", "fastchat"}


@pytest.mark.parametrize("name", sorted({e.name for e in PUBLISHED if e.format != "columns"}))
def test_every_published_form_becomes_a_recipe_that_loads(name: str, write_lines: Write) -> None:
    entry = next(one for one in PUBLISHED if one.name == name)
    path = write_lines(entry.rows)

    text = draft_recipe([str(path)]).text

    [source] = sources(text)
    assert source["format"] == entry.format
    if entry.format not in NEEDS_MORE:
        assert parse_recipe(text).sources[0].format == entry.format


def test_files_of_one_layout_share_a_source(write_lines: Write) -> None:
    paths = [write_lines([PAIR], f"{name}.jsonl") for name in "ab"]
    transcripts = {side: f"\n\nHuman: a\n\nAssistant: {side}" for side in ("chosen", "rejected")}
    other = write_lines([transcripts])

    found = sources(draft_recipe([*map(str, paths), str(other)]).text)

    assert [len(one["files"]) for one in found] == [2, 1]
    assert [one["format"] for one in found] == ["trl_explicit", "hh"]


def test_many_files_become_a_glob_that_matches_them_alone(write_lines: Write) -> None:
    paths = [str(write_lines([PAIR], f"part-{number}.jsonl")) for number in range(8)]
    folder = Path(paths[0]).parent

    assert sources(draft_recipe(paths).text)[0]["files"] == [f"{folder}/*.jsonl"]
    write_lines([PAIR], "other.jsonl")
    assert sources(draft_recipe(paths).text)[0]["files"] == paths


def test_a_glob_is_expanded_and_compressed_files_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    with gzip.open(tmp_path / "data" / "a.jsonl.gz", "wt") as file:
        file.write(json.dumps(PAIR) + "\n")
    monkeypatch.chdir(tmp_path)

    text = draft_recipe(["data/*.gz"], folder="recipes/new").text

    assert sources(text)[0]["files"] == ["../../data/a.jsonl.gz"]


def test_a_domain_is_chosen_and_the_others_are_named(write_lines: Write) -> None:
    path = write_lines([{"query": "q", "responses": {"law": "a", "medicine": "b"}}])

    text = draft_recipe([str(path)]).text

    assert parse_recipe(text).pairs.select == "all"
    assert "    domain: law  # or medicine\n" in text


def test_questions_and_answers_become_tables_of_their_judgements(write_lines: Write) -> None:
    judged = write_lines([{"question_id": 1, "model": "m", "judgment": "[[5]]", "score": 5}], "j")
    asked = write_lines([{"question_id": 1, "turns": ["q"], "category": "c"}], "q")
    answered = write_lines([{"question_id": 1, "model_id": "m", "choices": []}], "a")

    alone = draft_recipe([str(judged)])
    whole = draft_recipe([str(judged), str(asked), str(answered)])

    assert alone.to_fill == ("j",)
    with pytest.raises(RecipeError, match=r"sources\[0\]\.tables"):
        parse_recipe(alone.text)
    parse_recipe(whole.text)
    [source] = sources(whole.text)
    assert source["tables"] == {
        "answers": {"files": [str(answered)]},
        "questions": {"files": [str(asked)]},
    }


def test_aspects_that_must_be_chosen_are_written(write_lines: Write) -> None:
    names = {entry.name: entry for entry in PUBLISHED}
    safe = write_lines(names["PKU-SafeRLHF"].rows)

    assert parse_recipe(draft_recipe([str(safe)]).text).pairs.aspect in {"better", "safer"}


MAPS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"question": "q", "response_A": "a", "response_B": "b", "label": "A>B", "source": "s"},
        {
            "prompt": "question",
            "responses": ["response_A", "response_B"],
            "labels": [{"column": "label", "values": {"A>B": "a"}}],
            "group": "source",
        },
    ),
    (
        {"instruction": "q", "good_answer": "a", "bad_answer": "b", "lang": "en"},
        {
            "prompt": "instruction",
            "chosen": "good_answer",
            "rejected": "bad_answer",
            "language": "lang",
        },
    ),
    (
        {"query": "q", "left": "x", "answer 1": "a", "answer 2": "b", "score 1": 3, "score 2": 4},
        {
            "prompt": "query",
            "responses": ["answer 1", "answer 2"],
            "ratings": [{"columns": ["score 1", "score 2"]}],
        },
    ),
    (
        {"prompt": "q", "output_a": "a", "output_b": "b", "winner": "output_b", "rater": "x"},
        {
            "prompt": "prompt",
            "responses": ["output_a", "output_b"],
            "labels": [{"column": "winner", "values": {"output_b": "b"}}],
            "annotator": "rater",
        },
    ),
    (
        {"data": {"prompt": "q"}, "answers": [{"text": "a"}, {"text": "b"}], "best": 0},
        {"responses": ["answers[].text"], "labels": [{"column": "best", "values": {"0": None}}]},
    ),
]


@pytest.mark.parametrize(("row", "columns"), MAPS, ids=lambda value: str(value)[:40])
def test_a_map_is_guessed_from_names(row: dict[str, Any], columns: dict[str, Any]) -> None:
    assert guess([row]).columns == columns


def test_a_row_with_one_rated_response_is_guessed_from_text_numbers() -> None:
    rows = [
        {"question": "Why?", "answer": f"Because {n}.", "model": "m", "stars": f"{n}"}
        for n in range(3)
    ]

    assert guess(rows).columns == {
        "prompt": "question",
        "responses": ["answer"],
        "models": ["model"],
        "ratings": [{"columns": ["stars"]}],
    }


def test_own_ids_of_a_known_layout_are_suggested(write_lines: Write) -> None:
    rows = [{"uid": f"u{n}", "prompt": f"Q{n}?", "chosen": "A.", "rejected": "B."} for n in (1, 2)]
    text = draft_recipe([str(write_lines(rows))]).text

    assert "    # id: uid  # your own ids" in text


def test_a_number_is_never_taken_for_a_side() -> None:
    row = {"prompt": "q", "response_1": "a", "response_2": "b", "label": 1}

    assert guess([row, {**row, "label": 2}]).columns["labels"][0]["values"] == {
        "1": None,
        "2": None,
    }


def test_an_id_is_named_where_each_row_has_its_own() -> None:
    row = {"uid": "x1", "chosen_text": "a", "rejected_text": "b"}

    assert guess([row, {**row, "uid": "x2"}]).id == "uid"
    assert guess([row, row]).id is None


def test_a_guessed_map_loads(write_lines: Write) -> None:
    path = write_lines([MAPS[0][0], {**MAPS[0][0], "label": "B>A"}])

    draft = draft_recipe([str(path)])

    assert draft.to_fill == ()
    source: Any = parse_recipe(draft.text).sources[0]
    assert source.columns.labels[0].values == {"A>B": "a", "B>A": "b"}


def test_what_must_be_filled_in_is_marked_where_loading_fails(
    write_lines: Write, tmp_path: Path
) -> None:
    path = write_lines([{"foo": UNREAD, "bar": 3.5, "nested": {"list": ["x", "y"]}, "none": None}])
    draft = draft_recipe([str(path)])
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(draft.text, encoding="utf-8")

    with pytest.raises(RecipeError) as error:
        load_recipe(recipe)

    marked = [n for n, line in enumerate(draft.text.splitlines(), 1) if ": null  # FILL IN" in line]
    assert [int(n) for n in re.findall(r"recipe\.yaml:(\d+) ", str(error.value))] == marked
    assert len(marked) == 2
    assert draft.to_fill == ("rows",)


def test_keys_are_shown_with_types_and_never_with_their_text(write_lines: Write) -> None:
    row = {"foo": UNREAD, "bar": 3.5, "nested": {"list": ["x", "y"]}, "none": None, "yes": True}
    text = draft_recipe([str(write_lines([row, {**row, "foo": "ab", "bar": 1}]))]).text

    assert f"    #   foo: text of 2 to {len(UNREAD)} characters\n" in text
    assert "    #   bar: number, 1 to 3.5\n" in text
    assert "    #   nested.list: list of texts, 2 items\n" in text
    assert "    #   none: null\n" in text
    assert "    #   yes: truth value\n" in text
    assert UNREAD not in text


def test_every_suggestion_loads_when_it_is_taken(write_lines: Write) -> None:
    text = draft_recipe([str(write_lines([PAIR]))]).text
    taken = re.sub(r"^  # (- \{)", r"  \1", text, flags=re.MULTILINE)
    taken = re.sub(r"^  # (license|language)", r"  \1", taken, flags=re.MULTILINE)
    taken = taken.replace("{kind: reward/vllm, name: rm,", "{kind: reward/vllm, name: rm2,")

    recipe = parse_recipe(taken)

    assert len(recipe.measures) > 9
    assert len(recipe.rules) > 6
    assert recipe.export.license


def test_the_columns_that_rules_can_test_are_listed(write_lines: Write) -> None:
    text = draft_recipe([str(write_lines([PAIR]))]).text
    listed = re.findall(r"\w+", "".join(re.findall(r"^#   .*\n", text, re.MULTILINE)))

    assert parse_recipe(text).columns.keys() <= set(listed)


REFUSED: list[tuple[list[str], str]] = [
    (["empty.jsonl"], "empty.jsonl: is empty"),
    (["missing.jsonl"], "missing.jsonl: there is no such file"),
    (["*.parquet"], "no file matches *.parquet"),
    (["prose.md"], "prose.md: unknown format"),
    (["broken.jsonl"], "broken.jsonl: no row of the first 20 can be read; row 1: not_json"),
    (["empty.jsonl", "missing.jsonl"], "is empty; missing.jsonl: there is no such file"),
]


@pytest.mark.parametrize(("files", "message"), REFUSED)
def test_a_file_that_cannot_be_read_is_refused(
    files: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.jsonl").touch()
    Path("prose.md").write_text("# A title\n\nProse.\n")
    Path("broken.jsonl").write_text('{"a": \n')

    with pytest.raises(DataError) as error:
        draft_recipe(files)

    assert message in str(error.value)


def test_a_name_that_no_recipe_can_have_is_refused(write_lines: Write) -> None:
    with pytest.raises(RecipeError, match="--name My set: expected lower case, digits"):
        draft_recipe([str(write_lines([PAIR]))], name="My set")


def test_keys_with_any_characters_make_valid_yaml(tmp_path: Path) -> None:
    keys = ["a\x1b[31m", "b\u202e", "c\ud800", "d\x00", "e\u2028f", "g\x85h", "\ufeffi"]
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(dict.fromkeys(keys, UNREAD)) + "\n")

    text = draft_recipe([str(path)]).text

    text.encode()
    assert [one["name"] for one in sources(text)] == ["rows"]


@pytest.mark.parametrize("name", ["yes", "null.jsonl", "on", "no.json"])
def test_file_names_that_are_words_of_yaml_are_quoted(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(json.dumps(PAIR) + "\n")

    assert parse_recipe(draft_recipe([str(tmp_path / name)]).text).name == Path(name).stem
