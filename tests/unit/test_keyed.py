"""Keyed files: what a row is keyed by, and which pairs, responses and prompts it is about."""

from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from prefine.ingest.keyed import key_of
from prefine.ingest.record import RowError
from prefine.ingest.rows import RawRow
from prefine.schema import pair_id, prompt_id, response_id
from prefine.tables.keyed import KeyedFiles, Unit
from prefine.tables.matches import JUDGED, matched_pairs, matched_prompts, matched_responses
from tests.made import assistant, turn, user

SOURCES = {
    "one": {"a.jsonl": "aaaaaaaaaaaa", "aaaaaaaaaaaa": "aaaaaaaaaaaa"},
    "two": {"b.jsonl": "bbbbbbbbbbbb", "c.jsonl": "cccccccccccc"},
}


class OfUnit(KeyedFiles):
    about: Unit

    @property
    def unit(self) -> Unit:
        return self.about


def keyed(key: str, **more: Any) -> KeyedFiles:
    settings = {"name": "mine", "files": ("mine.csv",), "key": key, **more}
    return (OfUnit if "about" in more else KeyedFiles).model_validate(settings)


def read(row: dict[str, Any], settings: KeyedFiles) -> dict[str, Any]:
    found = key_of(RawRow(1, row, None, b""), settings, SOURCES)
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize(
    ("row", "settings", "expected"),
    [
        ({"own_id": "x-1"}, keyed("own_id"), {"own_id": "x-1"}),
        ({"own_id": 17}, keyed("own_id"), {"own_id": "17"}),
        ({"own_id": 17.0}, keyed("own_id"), {"own_id": "17"}),
        ({"a": {"b": "y"}}, keyed("own_id", key_columns={"own_id": "a.b"}), {"own_id": "y"}),
        ({"own_id": "y"}, keyed("own_id", source="two"), {"own_id": "y", "source": "two"}),
        ({"pair_id": "p", "chosen_id": "c"}, keyed("pair_id"), {"pair_id": "p", "chosen_id": "c"}),
        ({"pair_id": "p", "chosen_id": ""}, keyed("pair_id"), {"pair_id": "p"}),
        ({"response_id": "r", "chosen_id": "c"}, keyed("response_id"), {"response_id": "r"}),
        (
            {"source": "one", "row": "3"},
            keyed("row"),
            {"source": "one", "source_file": "aaaaaaaaaaaa", "source_row": 3},
        ),
        (
            {"row": 2, "file": "c.jsonl"},
            keyed("row", source="two"),
            {"source": "two", "source_file": "cccccccccccc", "source_row": 2},
        ),
    ],
)
def test_keys_are_read(row: Any, settings: KeyedFiles, expected: Any) -> None:
    assert read(row, settings) == expected


@pytest.mark.parametrize(
    ("row", "settings", "reason"),
    [
        ({"id": 1}, keyed("own_id"), "missing_value"),
        ({"own_id": " "}, keyed("own_id"), "missing_value"),
        ({"row": 0}, keyed("row", source="one"), "wrong_type"),
        ({"row": "x"}, keyed("row", source="one"), "wrong_type"),
        ({"row": 1}, keyed("row", source="two"), "missing_value"),
        ({"row": 1, "file": "d.jsonl"}, keyed("row", source="two"), "lookup_missing"),
        ({"row": 1, "source": "three"}, keyed("row"), "lookup_missing"),
        ({"prompt": None}, keyed("text"), "wrong_type"),
        ({"prompt": "Q", "context": "unread"}, keyed("text"), "prompt_part_unread"),
        (
            {"prompt": "Q", "response": None},
            keyed("text", about="response"),
            "response_missing",
        ),
    ],
)
def test_rows_without_a_usable_key_have_a_reason(
    row: Any, settings: KeyedFiles, reason: str
) -> None:
    with pytest.raises(RowError) as caught:
        read(row, settings)

    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "prompt",
    [
        [turn("system", "Be kind."), user("Q?")],
        '[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Q?"}]',
        '[{"from": "system", "value": "Be kind."}, {"from": "human", "value": "Q?"}]',
    ],
)
def test_texts_have_the_ids_of_the_data_however_they_are_written(prompt: Any) -> None:
    name = prompt_id([turn("system", "Be kind."), user("Q?")])
    ids = [response_id(name, [assistant(one)]) for one in "AB"]
    row = {"prompt": prompt, "response": "A", "chosen": "A", "rejected": [assistant("B")]}

    assert read(row, keyed("text")) == {"prompt_id": name}
    assert read(row, keyed("text", about="response")) == {"prompt_id": name, "response_id": ids[0]}
    assert read(row, keyed("text", about="pair")) == {
        "prompt_id": name,
        "chosen_id": ids[0],
        "pair_id": pair_id(*ids),
    }


def test_what_belongs_to_the_prompt_is_read_as_in_a_source() -> None:
    name = prompt_id([turn("system", "Be kind."), user("Q?")])
    beside = {"prompt": "Q?", "system": "Be kind."}

    assert read(beside, keyed("text")) == {"prompt_id": name}
    assert read(beside, keyed("text", ignore=("system",))) == {"prompt_id": prompt_id([user("Q?")])}
    rendered = "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nQ?<|im_end|>\n"
    assert read({"prompt": rendered}, keyed("text")) == {"prompt_id": name}
    within = {"prompt": rendered, "question_context": "Be kind."}
    assert read(within, keyed("text")) == {"prompt_id": name}


def test_a_text_that_only_begins_like_json_is_a_text() -> None:
    assert read({"prompt": "[1, 2"}, keyed("text")) == {"prompt_id": prompt_id([user("[1, 2")])}
    assert read({"prompt": "[1, 2]"}, keyed("text")) == {"prompt_id": prompt_id([user("[1, 2]")])}


@pytest.mark.parametrize(
    ("key", "more", "message"),
    [
        ("pair_id", {"source": "one"}, "`source` needs `key: own_id` or `key: row`"),
        ("pair_id", {"key_columns": {"own_id": "id"}}, "`key: pair_id` reads only"),
        ("own_id", {"source": "one", "key_columns": {"source": "s"}}, "exclude each other"),
        ("text", {"key_columns": {"response": "r"}}, "`key: text` reads only"),
        ("prompt_id", {"about": "pair"}, "is about a prompt, not about a pair"),
        ("prompt_id", {"ignore": ("system",)}, "`ignore` needs `key: text`"),
    ],
)
def test_settings_without_effect_are_refused(key: str, more: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        keyed(key, **more)


PAIRS = pl.DataFrame(
    [
        ("p1", "q1", "r1", "r2"),
        ("p2", "q2", "r4", "r3"),
        ("p3", "q3", "r5", "r6"),
        ("p4", "q3", "r5", "r7"),
    ],
    schema=["pair_id", "prompt_id", "chosen_id", "rejected_id"],
    orient="row",
)
JUDGEMENTS = pl.DataFrame(
    [
        ("q1", "r1", "r2", "a", "one", "f", 1, "x"),
        ("q1", "r2", "r1", "a", "one", "f", 2, "y"),
        ("q1", "r1", "r2", "tie", "two", "g", 1, "x"),
        ("q2", "r3", "r4", "b", "one", "f", 3, "z"),
        ("q2", "r3", "r4", "a", "one", "f", 3, "z"),
        ("q3", "r5", None, None, "one", "f", 4, "w"),
        ("q3", "r6", None, None, "one", "f", 4, "w"),
        ("q3", "r7", None, None, "one", "f", 5, "v"),
    ],
    schema={name: pl.Int64 if name == "row" else pl.String for name in JUDGED},
    orient="row",
)
EMPTY: dict[str, Any] = dict.fromkeys(
    ("pair_id", "response_id", "prompt_id", "chosen_id", "own_id", "source", "source_file")
)


def rows(*keys: dict[str, Any]) -> pl.DataFrame:
    schema = {**dict.fromkeys(EMPTY, pl.String), "source_row": pl.Int64}
    found = [{**EMPTY, "source_row": None, **key} for key in keys]
    return pl.DataFrame(found, schema=schema).with_row_index("row_index")


def pairs_of(key: Any, *keys: dict[str, Any]) -> list[tuple[Any, ...]]:
    judgements = JUDGEMENTS if key in {"own_id", "row"} else None
    found = matched_pairs(rows(*keys), key, PAIRS, judgements)
    return found.select("row_index", "pair_id", "chosen_id").sort("row_index", "pair_id").rows()


def test_a_pair_id_names_its_pair_and_may_say_which_side_was_the_chosen_one() -> None:
    keys = ({"pair_id": "p1"}, {"pair_id": "p2", "chosen_id": "r3"}, {"pair_id": "none"})

    assert pairs_of("pair_id", *keys) == [(0, "p1", None), (1, "p2", "r3")]


def test_a_response_of_another_pair_matches_nothing() -> None:
    assert pairs_of("pair_id", {"pair_id": "p1", "chosen_id": "r9"}) == []


def test_an_own_id_takes_the_side_that_its_row_prefers() -> None:
    keys = ({"own_id": "y"}, {"own_id": "x", "source": "one"}, {"own_id": "x", "source": "two"})

    assert pairs_of("own_id", *keys) == [(0, "p1", "r2"), (1, "p1", "r1"), (2, "p1", None)]


def test_labels_that_contradict_each_other_take_no_side_unless_the_row_says_which() -> None:
    keys = ({"own_id": "z"}, {"own_id": "z", "chosen_id": "r3"})

    assert pairs_of("own_id", *keys) == [(0, "p2", None), (1, "p2", "r3")]


def test_rated_responses_of_one_id_make_every_pair_of_two_of_them() -> None:
    assert pairs_of("own_id", {"own_id": "w"}, {"own_id": "v"}) == [(0, "p3", None)]


def test_the_joint_id_of_two_raw_rows_names_their_pair() -> None:
    pairs = PAIRS.with_columns(
        own_id=pl.Series(["x", "z", "w+v", None]), source=pl.lit("one", pl.String)
    )
    keys = rows({"own_id": "w+v"}, {"own_id": "w+v", "source": "two"})

    found = matched_pairs(keys, "own_id", pairs, JUDGEMENTS)

    assert found.select("row_index", "pair_id", "chosen_id").rows() == [(0, "p3", None)]


def test_a_raw_row_is_named_by_source_file_and_number() -> None:
    key = {"source": "one", "source_file": "f", "source_row": 2}

    assert pairs_of("row", key, {**key, "source_row": 9}) == [(0, "p1", "r2")]


def test_own_ids_are_about_single_responses_and_about_prompts() -> None:
    keys = rows({"own_id": "w"}, {"own_id": "x"}, {"own_id": "none"})
    columns = ["row_index", "response_id"]

    singles = matched_responses(keys, "own_id", JUDGEMENTS).select(columns).rows()
    assert singles == [(0, "r5"), (0, "r6")]
    prompts = matched_prompts(keys, "own_id", JUDGEMENTS).select("row_index", "prompt_id").rows()
    assert prompts == [(1, "q1"), (0, "q3")]
    by_id = rows({"response_id": "r1"}, {"prompt_id": "q1"})
    assert matched_responses(by_id, "response_id").rows() == [(0, "r1")]
    assert matched_prompts(by_id, "prompt_id").rows() == [(1, "q1")]
