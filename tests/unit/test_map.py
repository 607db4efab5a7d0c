"""Column maps: what each key reads, what is refused, and that no key is without effect."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from prefine.ingest.layout import Context
from prefine.ingest.layouts import AnySource
from prefine.ingest.layouts.columns.columnmap import (
    ColumnMap,
    LabelColumn,
    NumberColumns,
    RankingColumn,
    ShownFirst,
)
from prefine.ingest.layouts.columns.spelling import find_spelling
from prefine.ingest.literals import parsed_text
from prefine.ingest.paths import value_at, values_at
from prefine.ingest.record import Label, Reason, Record, RowError
from tests.made import assistant, read_record, read_row, turn, user
from tests.unit.test_formats import said

SOURCES: TypeAdapter[Any] = TypeAdapter(AnySource)

TEXTS = {"q": "Name a tree.", "good": "An oak.", "bad": "A stone."}
PAIR = {"prompt": "q", "chosen": "good", "rejected": "bad"}
TWO = {"q": "Q?", "x": "one", "y": "two"}
CHOICE = {"prompt": "q", "responses": ["x", "y"]}
FOUR = {"q": "Q?", "r": ["one", "two", "three"]}
BEST = {"prompt": "q", "responses": ["r"]}


def read(columns: Any, row: Any, **fields: str) -> Record:
    """Read a row by a map, without the checks that all layouts share."""
    given = {"name": "made", "files": ["f"], "format": "columns", "columns": columns}
    found = SOURCES.validate_python(given).parse(row, Context(fields))
    assert isinstance(found, Record)
    return found


def refused(columns: Any, row: Any, **fields: str) -> tuple[Reason, str]:
    with pytest.raises(RowError) as caught:
        read(columns, row, **fields)
    return caught.value.reason, caught.value.detail


def mistake(**columns: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        ColumnMap.model_validate(columns)
    return caught.value.errors()[0]["msg"]


def turns(record: Record) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in record.prompt]


def winners(record: Record) -> list[tuple[int, int | None, str]]:
    return [(label.a, label.b, str(label.winner)) for label in record.labels]


def choice(value: Any, row: Any = TWO, **label: Any) -> list[tuple[int, int | None, str]]:
    """Read one label on two responses."""
    columns = {**CHOICE, "labels": [{"column": "w", **label}]}
    return winners(read(columns, {**row, "w": value}))


# Every key has an effect


def judged(kind: str, entry: Any) -> Any:
    """Return a map of two responses with one entry."""
    return {**CHOICE, kind: [entry]}


def same_aspect(field: str) -> dict[tuple[str, str], Any]:
    """Return examples of a key that labels, ratings, ranks and rankings have in common."""
    row = {**TWO, "w": "A", "s": [1, 2], "o": "A>B", "who": "ann"}
    value = {"aspect": "tone", "annotator": "bob", "annotator_column": "who"}[field]
    entries: dict[str, tuple[str, Any]] = {
        "LabelColumn": ("labels", {"column": "w", "values": {"A": "a"}}),
        "NumberColumns": ("ratings", {"columns": ["s"]}),
        "RankingColumn": ("ranking", {"column": "o", "candidates": ["A", "B"]}),
    }
    return {
        (part, field): (judged(kind, {**entry, field: value}), judged(kind, entry), row)
        for part, (kind, entry) in entries.items()
    }


RATED = {"columns": ["s"]}
PICKED = {"column": "w", "values": {"A": "a", "B": "b"}}
ORDERED = {"column": "o", "candidates": ["A", "B"]}
ROW = {**TWO, **TEXTS, "w": "A", "v": "B", "s": [1, 2], "t": [2, 1], "o": "A>B", "p": "B>A"}
EFFECTS: dict[tuple[str, str], Any] = {
    ("ColumnMap", "prompt"): (PAIR, {**PAIR, "prompt": ["q", "x"]}, ROW),
    ("ColumnMap", "system"): ({**PAIR, "system": "x"}, PAIR, ROW),
    ("ColumnMap", "history"): ({**PAIR, "history": "h"}, PAIR, {**ROW, "h": ["Hi", "Yes?"]}),
    ("ColumnMap", "tools"): ({**PAIR, "tools": "f"}, PAIR, {**ROW, "f": [{"name": "look"}]}),
    ("ColumnMap", "chosen"): (PAIR, {**PAIR, "chosen": "x"}, ROW),
    ("ColumnMap", "rejected"): (PAIR, {**PAIR, "rejected": "x"}, ROW),
    ("ColumnMap", "responses"): (
        judged("labels", PICKED),
        {**judged("labels", PICKED), "responses": ["y", "x"]},
        ROW,
    ),
    ("ColumnMap", "models"): ({**PAIR, "models": ["x", "y"]}, PAIR, ROW),
    ("ColumnMap", "ids"): (
        {**judged("labels", {"column": "x", "names": "id"}), "ids": ["x", "y"]},
        {**judged("labels", {"column": "x", "names": "id"}), "ids": ["y", "x"]},
        ROW,
    ),
    ("ColumnMap", "labels"): ({**PAIR, "labels": [PICKED]}, PAIR, ROW),
    ("ColumnMap", "ratings"): ({**PAIR, "ratings": [RATED]}, PAIR, ROW),
    ("ColumnMap", "ranks"): ({**PAIR, "ranks": [RATED]}, PAIR, ROW),
    ("ColumnMap", "ranking"): ({**PAIR, "ranking": [ORDERED]}, PAIR, ROW),
    ("ColumnMap", "shown_first"): (
        {**PAIR, "shown_first": {"column": "w", "values": {"A": "b"}}},
        PAIR,
        ROW,
    ),
    **{
        ("ColumnMap", name): ({**PAIR, name: "x"}, PAIR, ROW)
        for name in ("annotator", "group", "language", "split")
    },
    ("LabelColumn", "column"): (
        judged("labels", PICKED),
        judged("labels", {**PICKED, "column": "v"}),
        ROW,
    ),
    ("LabelColumn", "values"): (
        judged("labels", PICKED),
        judged("labels", {**PICKED, "values": {"A": "tie"}}),
        ROW,
    ),
    ("LabelColumn", "otherwise"): (
        judged("labels", {**PICKED, "otherwise": "invalid"}),
        judged("labels", PICKED),
        {**ROW, "w": "?"},
    ),
    ("LabelColumn", "negative"): (
        judged("labels", {"column": "w", "negative": "a"}),
        judged("labels", {"column": "w", "negative": "b"}),
        {**ROW, "w": -1},
    ),
    ("LabelColumn", "first"): (
        judged("labels", {"column": "w", "first": 0}),
        judged("labels", {"column": "w", "first": 1}),
        {**ROW, "w": 1},
    ),
    ("LabelColumn", "names"): (
        {**judged("labels", {"column": "x", "names": "response"}), "models": ["y", "x"]},
        {**judged("labels", {"column": "x", "names": "model"}), "models": ["y", "x"]},
        ROW,
    ),
    ("NumberColumns", "columns"): (
        judged("ratings", RATED),
        judged("ratings", {"columns": ["t"]}),
        ROW,
    ),
    ("NumberColumns", "values"): (
        judged("ratings", {**RATED, "values": {"1": 5, "2": 6}}),
        judged("ratings", RATED),
        ROW,
    ),
    ("NumberColumns", "otherwise"): (
        judged("ratings", {**RATED, "otherwise": "invalid"}),
        judged("ratings", RATED),
        {**ROW, "s": ["?", 1]},
    ),
    ("NumberColumns", "minimum"): (
        judged("ratings", {**RATED, "minimum": 2}),
        judged("ratings", RATED),
        ROW,
    ),
    ("NumberColumns", "maximum"): (
        judged("ratings", {**RATED, "maximum": 1}),
        judged("ratings", RATED),
        ROW,
    ),
    ("RankingColumn", "column"): (
        judged("ranking", ORDERED),
        judged("ranking", {**ORDERED, "column": "p"}),
        ROW,
    ),
    ("RankingColumn", "candidates"): (
        judged("ranking", ORDERED),
        judged("ranking", {**ORDERED, "candidates": ["B", "A"]}),
        ROW,
    ),
    ("ShownFirst", "column"): (
        {**PAIR, "shown_first": {"column": "w", "values": {"A": "b", "B": "a"}}},
        {**PAIR, "shown_first": {"column": "v", "values": {"A": "b", "B": "a"}}},
        ROW,
    ),
    ("ShownFirst", "values"): (
        {**PAIR, "shown_first": {"column": "w", "values": {"A": "b"}}},
        {**PAIR, "shown_first": {"column": "w", "values": {"A": "a"}}},
        ROW,
    ),
    **same_aspect("aspect"),
    **same_aspect("annotator"),
    **same_aspect("annotator_column"),
}
KEYS = [
    (part.__name__, name)
    for part in (ColumnMap, LabelColumn, NumberColumns, RankingColumn, ShownFirst)
    for name in part.model_fields
]


@pytest.mark.parametrize("key", KEYS, ids=".".join)
def test_every_key_changes_what_is_read(key: tuple[str, str]) -> None:
    with_key, without, row = EFFECTS[key]
    source = {"tools": "keep"} if key == ("ColumnMap", "tools") else {}

    def outcome(columns: Any) -> Record | str:
        found = read_row(row, "columns", columns=columns, **source)
        return str(found) if isinstance(found, RowError) else found

    assert isinstance(outcome(with_key), Record) or isinstance(outcome(without), Record)
    assert outcome(with_key) != outcome(without)


@pytest.mark.parametrize("kind", ["ratings", "ranks"])
def test_the_keys_of_numbers_act_on_ratings_and_ranks(kind: str) -> None:
    entry = {"columns": ["s"], "values": {"good": 2, "bad": 1}, "otherwise": "invalid"}
    labels = read(judged(kind, entry), {**TWO, "s": ["Good ", "none"]}).labels

    assert [label.rating or label.rank for label in labels] == [2.0, None]
    assert [str(label.winner) for label in labels] == ["None", "invalid"]


# Prompts


def test_several_columns_are_one_prompt_without_the_empty_ones() -> None:
    columns = {**PAIR, "prompt": ["instruction", "input", "docs[]", "note?"]}
    row = {**TEXTS, "instruction": " Sum up:", "input": "", "docs": ["One.\n", None, "Two."]}

    assert turns(read(columns, row)) == [("user", " Sum up:\n\nOne.\n\n\nTwo.")]


def test_a_missing_part_of_the_prompt_is_refused_unless_it_may_be_missing() -> None:
    columns = {**PAIR, "prompt": ["q", "input"]}

    assert refused(columns, TEXTS) == (
        Reason.MISSING_VALUE,
        "there is no `input`; write `input?` if it is optional",
    )
    assert turns(read({**PAIR, "prompt": ["q", "input?"]}, TEXTS)) == [("user", "Name a tree.")]


def test_messages_are_not_joined_with_texts() -> None:
    columns = {**PAIR, "prompt": ["q", "turns"]}

    assert refused(columns, {**TEXTS, "turns": [user("Hi")]}) == (
        Reason.WRONG_TYPE,
        "`turns` is a list; only strings can be joined to one prompt",
    )


@pytest.mark.parametrize(
    "history",
    [
        [["Hi", "Hello!"]],
        ["Hi", "Hello!"],
        [user("Hi"), assistant("Hello!")],
        [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello!"}],
        '[["Hi", "Hello!"]]',
        "[['Hi', 'Hello!']]",
    ],
)
def test_earlier_turns_go_before_the_prompt_and_after_the_system_text(history: Any) -> None:
    columns = {**PAIR, "history": "h", "system": "s"}
    row = {**TEXTS, "h": history, "s": "Be brief."}

    assert turns(read(columns, row)) == [
        ("system", "Be brief."),
        ("user", "Hi"),
        ("assistant", "Hello!"),
        ("user", "Name a tree."),
    ]


@pytest.mark.parametrize("history", [None, [], "", "[]"])
def test_an_empty_history_adds_nothing(history: Any) -> None:
    found = read({**PAIR, "history": "h"}, {**TEXTS, "h": history})

    assert turns(found) == [("user", "Name a tree.")]


@pytest.mark.parametrize("history", [["Hi"], "Hi", [["a", "b", "c"]], [["a", None]], 3])
def test_a_history_of_no_known_form_is_refused(history: Any) -> None:
    reason, detail = refused({**PAIR, "history": "h"}, {**TEXTS, "h": history})

    assert reason is Reason.WRONG_TYPE
    assert detail.startswith("`h` ")


def test_a_history_that_the_prompt_repeats_stands_once() -> None:
    earlier = [user("Hi"), assistant("Hello!")]
    row = {**TEXTS, "q": [*earlier, user("Name a tree.")], "h": earlier}

    assert len(read({**PAIR, "history": "h"}, row).prompt) == 3


def test_a_system_text_that_contradicts_the_prompt_is_refused() -> None:
    row = {**TEXTS, "q": [turn("system", "Be brief."), user("Tree?")], "s": "Be brief.\n"}
    columns = {**PAIR, "system": "s"}

    assert turns(read(columns, row)) == [("system", "Be brief."), ("user", "Tree?")]
    assert refused(columns, {**row, "s": "Be long."})[0] is Reason.PROMPT_DIFFERS


# Whole conversations

WHOLE = {
    "good": [user("Name a tree."), assistant("An oak.")],
    "bad": [user("Name a tree."), assistant("A stone.")],
}
SIDES = {"chosen": "good", "rejected": "bad"}


@pytest.mark.parametrize(
    "row",
    [
        WHOLE,
        {side: str(value) for side, value in WHOLE.items()},
        {
            "good": "\n\nHuman: Name a tree.\n\nAssistant: An oak.",
            "bad": "\n\nHuman: Name a tree.\n\nAssistant: A stone.",
        },
        {
            side: "".join(
                f"<|im_start|>{t['role']}\n{t['content']}<|im_end|>\n" for t in conversation
            )
            for side, conversation in WHOLE.items()
        },
    ],
)
def test_conversations_hold_their_prompt(row: Any) -> None:
    record = read_record(row, "columns", columns=SIDES)

    assert turns(record) == [("user", "Name a tree.")]
    assert said(record) == ["An oak.", "A stone."]


def test_the_common_beginning_of_several_conversations_is_the_prompt() -> None:
    start = [user("Hi"), assistant("Hello!"), user("Tree?")]
    row = {"r": [[*start, assistant(text)] for text in ("Oak", "Elm", "Stone")], "s": [3, 2, 1]}
    record = read({"responses": ["r"], "ratings": [RATED]}, row)

    assert [content for _, content in turns(record)] == ["Hi", "Hello!", "Tree?"]
    assert said(record) == ["Oak", "Elm", "Stone"]
    assert not record.context_mismatch


def test_a_single_conversation_parts_before_its_last_turn() -> None:
    row = {"r": [user("Hi"), assistant("Hello!"), user("Tree?"), assistant("Oak")], "s": [3]}
    record = read({"responses": ["r"], "ratings": [RATED]}, row)

    assert [content for _, content in turns(record)] == ["Hi", "Hello!", "Tree?"]
    assert said(record) == ["Oak"]


def test_conversations_that_part_early_do_not_answer_one_context() -> None:
    row = {
        "good": [user("Hi"), assistant("Hello!"), user("Tree?"), assistant("Oak")],
        "bad": [user("Hi"), assistant("Yo."), user("Tree?"), assistant("Oak")],
    }
    record = read(SIDES, row)

    assert (turns(record), record.context_mismatch) == ([("user", "Hi")], True)


def test_texts_without_a_prompt_column_are_refused() -> None:
    assert refused(SIDES, {"good": "An oak.", "bad": "A stone."}) == (
        Reason.NOT_A_TRANSCRIPT,
        "`good` is text without turns; name the prompt column with `prompt`",
    )


def test_a_prompt_beside_whole_conversations_must_be_a_turn_of_them() -> None:
    start = [turn("system", "Be brief."), user("Hi"), assistant("Hello!"), user("Tree?")]
    sides = {"good": [*start, assistant("Oak")], "bad": [*start, assistant("Stone")]}

    for prompt in ("Hi", "Tree?\n", [user("Hi"), assistant("Hello!"), user("Tree?")]):
        record = read(PAIR, {"q": prompt, **sides})
        assert record.prompt == start
        assert said(record) == ["Oak", "Stone"]
    assert refused(PAIR, {"q": "Bush?", **sides})[0] is Reason.PROMPT_DIFFERS
    mixed = {"q": "Tree?", **sides, "bad": "Stone"}
    assert refused(PAIR, mixed)[0] is Reason.NO_COMMON_PROMPT


# Paths


def test_paths_lead_into_objects_and_lists() -> None:
    row = {"a": {"b": [{"c": 1}, {"c": 2}]}, "x.y": {"z": [3]}, "t": '[{"c": 4}]', "a.b.0": 5}

    assert value_at(row, "a.b.1.c") == 2
    assert value_at(row, "a.b.-1.c") == 2
    assert value_at(row, "a.b.0") == 5
    assert value_at(row, "x.y.z.0") == 3
    assert value_at(row, "t.0.c") == 4
    assert values_at(row, "a.b[].c") == [1, 2]
    assert values_at(row, "t[].c") == [4]


def test_lists_within_lists_become_one_and_null_elements_stay_null() -> None:
    row = {"a": [{"b": [{"c": 1}, None]}, {"b": []}, None]}

    assert values_at(row, "a[].b[].c") == [1, None, None]


@pytest.mark.parametrize("path", ["z?", "a.z?", "a.b.7?", "n.b?"])
def test_what_may_be_missing_is_null(path: str) -> None:
    assert value_at({"a": {"b": [1]}, "n": None}, path) is None


def test_a_key_that_ends_in_a_question_mark_is_a_key() -> None:
    assert value_at({"safe?": 1}, "safe?") == 1
    assert values_at({"v": [{"a": 1}, {}]}, "v[].a?") == [1, None]
    assert values_at({}, "v[].a?") == []


@pytest.mark.parametrize(
    ("path", "reason", "detail"),
    [
        ("z", Reason.MISSING_VALUE, "there is no `z`"),
        ("a.txt", Reason.MISSING_VALUE, "there is no `a.txt`; `a` has the keys text, id"),
        ("r.2", Reason.MISSING_VALUE, "there is no `r.2`; `r` is a list of 2"),
        ("r.x", Reason.MISSING_VALUE, "there is no `r.x`; `r` is a list of 2"),
        ("n.x", Reason.MISSING_VALUE, "there is no `n.x`; `n` is null"),
        ("s.x", Reason.WRONG_TYPE, "there is no `s.x`; `s` is a string"),
        ("s.x?", Reason.WRONG_TYPE, "there is no `s.x`; `s` is a string"),
    ],
)
def test_an_error_says_what_stands_in_place_of_the_path(
    path: str, reason: Reason, detail: str
) -> None:
    row = {"a": {"text": "x", "id": 1}, "r": ["x", "y"], "n": None, "s": "x"}

    with pytest.raises(RowError) as caught:
        value_at(row, path)

    assert (caught.value.reason, caught.value.detail) == (reason, detail)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('["a", {"b": null}]', ["a", {"b": None}]),
        ("['it\\'s', \"x\", None, True, -1.5e3]", ["it's", "x", None, True, -1500.0]),
        ("['\\d \\n \\x41 \\u00e9 \\\\n']", ["\\d \n A é \\n"]),
        ("{'a': [1, 2]}", {"a": [1, 2]}),
        ("['a' 'b']", None),
        ("[f(x)]", None),
        ("[1", None),
        ("a", None),
        ('["\ud800"]', None),
        (["a"], None),
    ],
)
def test_lists_are_read_from_text(written: Any, value: Any) -> None:
    assert parsed_text(written) == value


# Choices


def test_a_winner_is_named_by_its_model() -> None:
    columns = {**CHOICE, "models": ["ma", "mb"], "labels": [{"column": "w", "names": "model"}]}
    row = {**TWO, "ma": "gpt-4", "mb": "Llama"}

    assert winners(read(columns, {**row, "w": "llama "})) == [(0, 1, "b")]
    assert refused(columns, {**row, "w": "claude"}) == (
        Reason.UNKNOWN_LABEL,
        "`w` is 'claude', not one of gpt-4, Llama",
    )
    same = {**row, "mb": "gpt-4", "w": "gpt-4"}
    assert refused(columns, same)[1] == "`w` is 'gpt-4', the model of 2 responses"


def test_a_tie_may_stand_beside_names() -> None:
    label = {"column": "w", "names": "model", "values": {"tie": "tie", "neither": "both_bad"}}
    columns = {**CHOICE, "models": ["m"], "labels": [label]}
    row = {**TWO, "m": ["gpt-4", "llama"]}

    assert winners(read(columns, {**row, "w": "Tie"})) == [(0, 1, "tie")]
    assert winners(read(columns, {**row, "w": "neither"})) == [(0, 1, "both_bad")]
    assert winners(read(columns, {**row, "w": "gpt-4"})) == [(0, 1, "a")]


@pytest.mark.parametrize(("first", "value"), [(0, 1), (1, 2), (0, "1"), (1, "2.0"), (1, 2.0)])
def test_the_best_of_several_is_better_than_each_other(first: int, value: Any) -> None:
    columns = {**BEST, "labels": [{"column": "w", "first": first}]}

    assert winners(read(columns, {**FOUR, "w": value})) == [(0, 1, "b"), (1, 2, "a")]


@pytest.mark.parametrize("value", [3, -1, 0.5, "x", True])
def test_a_number_of_no_response_is_refused(value: Any) -> None:
    columns = {**BEST, "labels": [{"column": "w", "first": 0}]}

    assert refused(columns, {**FOUR, "w": value})[0] is Reason.UNKNOWN_LABEL


def test_a_winner_is_named_by_its_id_or_its_text() -> None:
    by_id = {**BEST, "ids": ["n"], "labels": [{"column": "w", "names": "id"}]}
    by_text = {**BEST, "labels": [{"column": "w", "names": "response"}]}
    row = {**FOUR, "n": [7, 8, 9]}

    assert winners(read(by_id, {**row, "w": "9"})) == [(0, 2, "b"), (1, 2, "b")]
    assert winners(read(by_text, {**row, "w": " one\n"})) == [(0, 1, "a"), (0, 2, "a")]
    assert refused(by_text, {**row, "w": "four"}) == (
        Reason.UNKNOWN_LABEL,
        "`w` does not equal any response",
    )
    twice = {**row, "r": ["one", "two", "one"], "w": "one"}
    assert winners(read(by_text, twice)) == [(0, 1, "a"), (1, 2, "b")]


def test_the_text_of_a_winner_is_not_stored_again() -> None:
    columns = {**BEST, "labels": [{"column": "w", "names": "response"}]}

    assert {x.label for x in read(columns, {**FOUR, "w": "two"}).labels} == {"response 2"}


def test_a_side_needs_two_responses() -> None:
    columns = {**BEST, "labels": [{"column": "w", "values": {"1": "a"}}]}

    assert refused(columns, {**FOUR, "w": 1}) == (
        Reason.WRONG_TYPE,
        "`w` names a side, but the row has 3 responses, not 2",
    )


def test_a_null_vote_costs_that_vote_alone() -> None:
    columns = {**CHOICE, "labels": [PICKED, {**PICKED, "column": "v"}]}

    assert winners(read(columns, {**TWO, "w": None, "v": "B"})) == [(0, 1, "invalid"), (0, 1, "b")]
    assert refused(columns, {**TWO, "w": None, "v": " "}) == (
        Reason.LABEL_MISSING,
        "all labels are null or blank: `w`, `v`",
    )


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_null_response_keeps_its_place(missing: Any) -> None:
    columns = {**BEST, "labels": [{"column": "w", "first": 0}]}
    record = read_record(
        {**FOUR, "r": ["one", missing, "three"], "w": 2}, "columns", columns=columns
    )

    assert said(record) == ["one", "three"]
    assert winners(record) == [(0, 1, "b")]


@pytest.mark.parametrize(
    ("keys", "value", "expected"),
    [
        (("1", "0"), "1.0", "1"),
        (("1", "0"), 1.0, "1"),
        (("1.0", "0.0"), 1, "1.0"),
        (("1", "0"), True, "1"),
        (("1", "0"), "TRUE", "1"),
        (("1", "0"), "False ", "0"),
        (("true", "false"), 0, "false"),
        (("True", "False"), "true", "True"),
        (("True", "False"), "1.0", "True"),
        (("yes", "no"), True, "yes"),
        (("a", "tie"), " Tie", "tie"),
        (("A", "a"), "a ", "a"),
        (("A", "a", "Tie"), "TIE", "Tie"),
        (("1", "2"), True, None),
        (("1", "2"), "10", None),
        (("-1", "1"), "-1.00", "-1"),
        (("0.5",), ".5", None),
        (("0.5",), "0.50", "0.5"),
        (("12345678901234567890",), "12345678901234567891", None),
        (("Ab", "aB"), "AB", None),
    ],
)
def test_a_value_is_matched_by_its_spelling(
    keys: tuple[str, ...], value: Any, expected: str | None
) -> None:
    assert find_spelling(value, keys) == expected


def test_the_keys_of_values_may_be_numbers_and_truth_values_in_yaml() -> None:
    for values in ({1: "a", 0: "b"}, {True: "a", False: "b"}, {1.0: "a", 0.0: "b"}):
        assert choice("1", values=values) == [(0, 1, "a")]
        assert choice(False, values=values) == [(0, 1, "b")]
    assert "twice" in mistake(
        **CHOICE, labels=[{"column": "w", "values": {1: "a", "1": "b", 0: "b"}}]
    )


# Display order


@pytest.mark.parametrize(("shown", "expected"), [(0, (0, 1, "a")), (1, (1, 0, "b"))])
def test_a_label_is_oriented_as_it_was_shown(shown: int, expected: Any) -> None:
    first = {"column": "o", "values": {0: "a", 1: "b"}}
    row = {**TEXTS, "o": shown}

    assert winners(read({**PAIR, "shown_first": first}, row)) == [expected]


def test_a_tie_shown_the_other_way_round_is_a_tie() -> None:
    columns = {
        **CHOICE,
        "labels": [{"column": "w", "values": {"t": "tie"}}],
        "ratings": [RATED],
        "shown_first": {"column": "o", "values": {"y": "b", "x": "a"}},
    }
    labels = read(columns, {**TWO, "w": "t", "s": [1, 2], "o": "Y"}).labels

    assert [(x.a, x.b, x.winner, x.rating) for x in labels] == [
        (1, 0, "tie", None),
        (0, None, None, 1.0),
        (1, None, None, 2.0),
    ]


def test_an_order_that_is_not_listed_is_refused_and_a_null_one_is_the_columns() -> None:
    columns = {**PAIR, "shown_first": {"column": "o", "values": {"0": "a", "1": "b"}}}

    assert refused(columns, {**TEXTS, "o": 2})[0] is Reason.UNKNOWN_LABEL
    assert winners(read(columns, {**TEXTS, "o": None})) == [(0, 1, "a")]


def test_the_order_of_more_than_two_responses_is_refused() -> None:
    columns = {
        **BEST,
        "labels": [{"column": "w", "first": 0}],
        "shown_first": {"column": "o", "values": {"0": "a", "1": "b"}},
    }

    assert refused(columns, {**FOUR, "w": 0, "o": 1}) == (
        Reason.WRONG_TYPE,
        "`o` is about two responses, but the row has 3",
    )


# Ratings, ranks, rankings


def judges(labels: list[Label]) -> list[tuple[str | None, str | None]]:
    return list(dict.fromkeys((label.aspect, label.annotator) for label in labels))


def test_a_number_outside_the_scale_is_quarantined() -> None:
    columns = judged("ratings", {"columns": ["s"], "minimum": 1, "maximum": 10})

    assert refused(columns, {**TWO, "s": [99, 9]}) == (
        Reason.RATING_OUT_OF_RANGE,
        "`s` has 99, above the maximum of 10",
    )
    assert refused(columns, {**TWO, "s": [1, "0.5"]})[0] is Reason.RATING_OUT_OF_RANGE
    assert [x.rating for x in read(columns, {**TWO, "s": [1, 10]}).labels] == [1.0, 10.0]
    assert [x.rating for x in read(columns, {**TWO, "s": [None, 10]}).labels] == [None, 10.0]


def test_two_entries_of_one_aspect_are_two_annotators_named_after_their_columns() -> None:
    row = {**TWO, "r": [1, 2], "s": [2, 1], "o": "A>B"}
    entries = [{"columns": ["r"]}, {"columns": ["s"]}]

    assert judges(read({**CHOICE, "ratings": entries}, row).labels) == [
        ("overall", "r"),
        ("overall", "s"),
    ]
    both = {**CHOICE, "ranks": [{"columns": ["r"]}], "ranking": [ORDERED]}
    assert judges(read(both, row).labels) == [(None, "r"), (None, "o")]
    assert judges(read({**both, "annotator": "q"}, row).labels) == [(None, "Q?_r"), (None, "Q?_o")]


def test_aspects_of_ranks_and_rankings_are_kept() -> None:
    columns = {
        **CHOICE,
        "ranks": [{"columns": ["r"], "aspect": "tone", "annotator": "ann"}],
        "ranking": [{**ORDERED, "aspect": "facts"}],
    }
    row = {**TWO, "r": [1, 2], "o": "b > a"}
    labels = read(columns, row).labels

    assert judges(labels) == [("tone", "ann"), ("facts", None)]
    assert [(x.a, x.rank) for x in labels] == [(0, 1.0), (1, 2.0), (1, 1.0), (0, 2.0)]


def test_the_path_of_a_file_names_aspect_annotator_and_models() -> None:
    columns = {**CHOICE, "ranking": [ORDERED], "ratings": [RATED], "labels": [PICKED]}
    row = {**TWO, "o": "A>B", "s": [1, 2], "w": "A"}
    record = read(columns, row, aspect="tone", annotator="ann", model_a="m1", model_b="m2")

    assert judges(record.labels) == [("tone", "ann")]
    assert [one.model for one in record.candidates] == ["m1", "m2"]
    assert [one.model for one in read(columns, row, model="m").candidates] == ["m", "m"]


def test_a_column_names_the_annotator_of_each_vote() -> None:
    label = {**PICKED, "column": "votes[].w", "annotator_column": "votes[].by"}
    votes = [{"w": "A", "by": "ann"}, {"w": "B", "by": None}, {"w": "B"}]
    labels = read(judged("labels", label), {**TWO, "votes": votes}).labels

    assert [x.annotator for x in labels] == ["ann", "votes_2", "votes_3"]


def test_a_null_ranking_says_nothing_and_costs_no_other() -> None:
    columns = {**CHOICE, "ranking": [ORDERED, {**ORDERED, "column": "p"}]}
    labels = read(columns, {**TWO, "o": None, "p": "A>B"}).labels

    assert [(x.annotator, x.rank) for x in labels] == [
        ("o", None),
        ("o", None),
        ("p", 1.0),
        ("p", 2.0),
    ]


def test_a_ranking_names_no_response_that_the_row_lacks() -> None:
    columns = {**BEST, "ranking": [{"column": "o", "candidates": ["A", "B", "C", "D"]}]}

    assert len(read(columns, {**FOUR, "o": "C>A=B"}).labels) == 3
    assert refused(columns, {**FOUR, "o": "D>A"})[0] is Reason.UNKNOWN_LABEL


# What may be missing, and lists as text


@pytest.mark.parametrize("name", ["annotator", "group", "language", "split"])
def test_what_a_row_says_about_itself_may_be_missing(name: str) -> None:
    for value in (None, "", float("nan")):
        assert read({**PAIR, name: "x"}, {**TEXTS, "x": value}) == read(PAIR, TEXTS)
    for row in (TEXTS, {**TEXTS, "x": None}):
        assert read({**PAIR, name: "x"}, row) == read(PAIR, row)


def test_missing_models_cost_themselves_alone() -> None:
    columns = {**PAIR, "models": ["m.good", "m.bad"]}

    for row in (TEXTS, {**TEXTS, "m": {"good": None}}):
        assert [one.model for one in read(columns, row).candidates] == [None, None]
    half = read(columns, {**TEXTS, "m": {"bad": "b"}})
    assert [one.model for one in half.candidates] == [None, "b"]


def test_lists_of_a_csv_file_are_read_from_their_text() -> None:
    columns = {**BEST, "models": ["m"], "ranks": [{"columns": ["s"]}]}
    row = {"q": "Q?", "r": '["one", "two"]', "m": "['a', 'b']", "s": "[2, 1]"}
    record = read(columns, row)

    assert said(record) == ["one", "two"]
    assert [one.model for one in record.candidates] == ["a", "b"]
    assert [label.rank for label in record.labels] == [2.0, 1.0]


def test_a_rated_text_that_looks_like_a_list_is_one_response() -> None:
    row = {"q": "List two.", "r": '["one", "two"]', "s": 3}

    assert said(read({**BEST, "ratings": [RATED]}, row)) == ['["one", "two"]']


def test_prompt_like_columns_that_the_map_names_are_read_and_others_refused() -> None:
    columns = {**PAIR, "prompt": ["q", "extra.context"]}
    row = {**TEXTS, "extra": {"context": "In a wood."}, "system": "Be brief."}
    record = read_record(row, "columns", columns=columns)

    assert turns(record) == [("system", "Be brief."), ("user", "Name a tree.\n\nIn a wood.")]
    unread = read_row({**TEXTS, "context": "In a wood."}, "columns", columns=PAIR)
    assert isinstance(unread, RowError)
    assert unread.reason is Reason.PROMPT_PART_UNREAD


# Maps that are refused


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"prompt": "q", "chosen": "a"}, "set both `chosen` and `rejected`, or neither"),
        ({"prompt": "q"}, "set either `chosen` and `rejected`, or `responses`"),
        (CHOICE, "`responses` requires `labels`, `ratings`, `ranks` or `ranking`"),
        ({**SIDES, "history": "h"}, "`history` requires `prompt`"),
        (judged("labels", {"column": "w"}), "set exactly one of `values`, `negative`, `first` and"),
        (judged("labels", {**PICKED, "negative": "a"}), "set exactly one of `values`, `negative`"),
        (
            judged("labels", {"column": "w", "first": 0, "names": "id"}),
            "set exactly one of `values`",
        ),
        (
            judged("labels", {"column": "w", "names": "id"}),
            "set both `ids` and a label with `names: id`",
        ),
        ({**judged("labels", PICKED), "ids": ["n"]}, "set both `ids` and a label with `names: id`"),
        (judged("labels", {"column": "w", "names": "model"}), "labels with `names: model` require"),
        (
            {**judged("ratings", RATED), "shown_first": {"column": "o", "values": {"0": "a"}}},
            "`shown_first` requires `labels`, or `chosen` and `rejected`",
        ),
        (
            {**PAIR, "group": "v[].g"},
            "`group` is a single value; its path cannot have `[]`",
        ),
        ({**PAIR, "group": "?"}, "'?' is not the path of a column"),
        ({**PAIR, "prompt": ["q", ""]}, "'' is not the path of a column"),
        (
            judged("ratings", {**RATED, "minimum": 5, "maximum": 1}),
            "`minimum` must be less than `maximum`",
        ),
        (
            judged("labels", {**PICKED, "annotator": "a", "annotator_column": "b"}),
            "set either `annotator` or `annotator_column`, not both",
        ),
        (
            {**CHOICE, "ranking": [{**ORDERED, "annotator": "a"}, {**ORDERED, "annotator": "a"}]},
            "2 rankings have the annotator a and the same aspect; give each its own `aspect`",
        ),
    ],
)
def test_a_map_that_means_nothing_is_refused(columns: Any, message: str) -> None:
    assert message in mistake(**columns)
