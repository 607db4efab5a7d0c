"""The table of published layouts: each is read right, by itself or with the map of the docs."""

import json
import re
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from prefine.errors import DataError
from prefine.ingest.detect import detect, matching_layouts, parse_first_record
from prefine.ingest.layout import Context, Layout
from prefine.ingest.layouts import AnySource, layout_named
from prefine.ingest.parse import parse_row
from prefine.ingest.record import Label, Reason, Record, RowError
from prefine.ingest.rows import RawRow
from prefine.schema import Kind, Message, Winner
from tests.conftest import PROJECT
from tests.made import assistant, first_rows, read_row, user
from tests.published import CA, CHOSEN, MT_BENCH, PUBLISHED, REJECTED, Published, Read, arena

PAGE = (PROJECT / "docs" / "layouts.md").read_text(encoding="utf-8")
SOURCES: TypeAdapter[Any] = TypeAdapter(AnySource)
NAMES = [entry.name for entry in PUBLISHED]
_SIGNS = {Winner.TIE: "=", Winner.BOTH_BAD: "!", Winner.INVALID: "?"}


def test_every_source_of_the_page_is_a_source() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)

    sources = [SOURCES.validate_python(source) for one in blocks for source in yaml.safe_load(one)]
    assert [source.name for source in sources] == [
        *("community_alignment", "argilla", "judgebench", "autoj"),
    ]


def documented_map(name: str) -> dict[str, Any]:
    """Return the map that the page shows under the name of a set."""
    found = re.search(rf"^### {re.escape(name)}\n.*?```yaml\n(.*?)```", PAGE, re.MULTILINE | re.S)
    assert found, f"docs/layouts.md shows no map for {name}"
    [source] = yaml.safe_load(found[1])
    assert source["format"] == "columns"
    return source["columns"]


def written(label: Label) -> str:
    """Write a label as ``tests.published`` does."""
    if label.kind is Kind.PAIR:
        first, second = (label.b, label.a) if label.winner is Winner.B else (label.a, label.b)
        text = f"{first}{_SIGNS.get(label.winner or Winner.INVALID, '>')}{second}"
    elif label.kind is Kind.RATING:
        text = f"{label.a}:{label.rating if label.rating is None else f'{label.rating:g}'}"
    else:
        text = f"{label.a}#{label.rank if label.rank is None else f'{label.rank:g}'}"
    strength = "" if label.strength is None else f"*{label.strength:g}"
    aspect = "" if label.aspect is None else f"/{label.aspect}"
    return f"{text}{strength}{aspect}" + ("" if label.annotator is None else f"@{label.annotator}")


def turns(messages: list[Message]) -> list[str]:
    return [f"{turn['role']}: {turn['content']}" for turn in messages]


def as_read(record: Record) -> Read:
    responses = [
        candidate.messages[0]["content"]
        if [turn["role"] for turn in candidate.messages] == ["assistant"]
        else turns(candidate.messages)
        for candidate in record.candidates
    ]
    return Read(turns(record.prompt), responses, [written(label) for label in record.labels])


def read(entry: Published) -> list[Record]:
    """Read the rows of a form as one file."""
    options = {"columns": documented_map(entry.name)} if entry.format == "columns" else {}
    layout: Layout = layout_named(entry.format)(name="made", files=("made.jsonl",), **options)
    rows = [(row, dict[str, str]()) for row in entry.rows]
    context = Context(tables={name: layout.index(name, rows) for name in layout.lookups()})
    records: list[Record] = []
    for number, row in enumerate(entry.rows):
        found = parse_row(RawRow(number + 1, row, None, b""), layout, context)
        if isinstance(found, RowError):
            assert found.reason is Reason.LABEL_MISSING, found
            continue
        records += found
    return records


@pytest.mark.parametrize("entry", PUBLISHED, ids=NAMES)
def test_a_published_row_is_read_right(entry: Published) -> None:
    records = read(entry)

    assert [as_read(record) for record in records] == entry.expected
    if entry.mismatch:
        assert all(record.context_mismatch for record in records)


@pytest.mark.parametrize("entry", PUBLISHED, ids=NAMES)
def test_a_published_row_is_recognised_or_needs_the_map(entry: Published) -> None:
    expected = [] if entry.format == "columns" else [entry.format]

    for row in entry.rows:
        assert [found.format for found in matching_layouts(row)] == expected


@pytest.mark.parametrize("entry", PUBLISHED, ids=NAMES)
def test_the_page_says_how_each_set_is_read(entry: Published) -> None:
    how = "map" if entry.format == "columns" else re.escape(f"`{entry.format}`")

    assert re.search(rf"^\| {re.escape(entry.name)} \|[^|]*\| {how}[ ,|]", PAGE, re.MULTILINE)


def test_the_page_lists_nothing_that_is_not_tested() -> None:
    listed = re.findall(r"^\| ([^|]+?) \| [^|]* \| (?:map|`\w+`)", PAGE, re.MULTILINE)

    assert listed == NAMES
    assert len(NAMES) == len(set(NAMES)) >= 65


BESIDE = {"prompt": "Pick.", "responses": ["Oak", "Stone"]}


@pytest.mark.parametrize(
    "row",
    [
        {**BESIDE, "chosen": 0, "rejected": 1},
        {"prompt": "Pick.", "chosen": 4.5, "rejected": 1.0},
        {"prompt": "Pick.", "chosen_id": "r1", "rejected_id": "r2"},
        {"question": "Pick.", "chosen": 0, "rejected": 1, "answers": ["Oak", "Stone"]},
        {"question": "Pick.", "answer_a": "Oak", "answer_b": "Stone"},
        {"prompt": "Pick.", "response_a": "Oak", "response_b": "Stone"},
        {"prompt": "Pick.", "response_1": "Oak", "response_2": "Stone", "winner": 1},
        {"query": "tree", "positive": "An oak.", "negative": "A stone."},
        {"question": "Pick.", "chosen": "Oak", "accepted": "Elm", "rejected": "Stone"},
        {"text": "Pick.", "chosen": "Oak", "rejected": "Stone"},
        {"messages": CHOSEN, "label": 3},
        {"messages": CHOSEN, "label": 1},
        {"conversation_a": "Oak", "conversation_b": "Stone", "winner": "model_a"},
        {"instruction": "Pick.", "output": ["Oak", "Elm", "Stone"]},
        {"question": "Pick.", "answers": ["Oak", "Stone"]},
    ],
    ids=",".join,
)
def test_a_row_that_only_looks_like_a_layout_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="no known layout has these keys"):
        detect(first_rows([row]), "made.jsonl")


@pytest.mark.parametrize(
    ("row", "detail"),
    [
        ({**BESIDE, "chosen": "0", "rejected": "1"}, "`chosen` is '0'"),
        (
            {**BESIDE, "chosen": "response_2", "rejected": "response_1"},
            "refer to `responses`",
        ),
        (
            {"question": "Pick.", "options": ["Oak", "Stone"], "chosen": "A", "rejected": "B"},
            "refer to `options`",
        ),
        (
            {"question": "2+2?", "response": "4", "accepted": "True", "rejected": "False"},
            "`accepted` is 'True' and seems to refer to `response`",
        ),
        (
            {"question": "2+2?", "options": "[4, 5]", "good": "0.9", "bad": "0.1"},
            "`good` is '0.9'",
        ),
        (
            {"prompt": "Answer.", "question": "2+2?", "chosen": "4", "rejected": "5"},
            "`prompt` and `question` may both be the prompt",
        ),
        (
            {"instruction": "Answer.", "question": "2+2?", "chosen": "4", "rejected": "5"},
            "`instruction` and `question` may both be the prompt",
        ),
        (
            {"messages": CHOSEN, "chosen": assistant("Hi!"), "rejected": assistant("No.")},
            "`messages` ends with an assistant turn",
        ),
        (
            {"prompt": "Pick.", "response_1": "Oak", "response_2": "Stone", "winner": "gpt-4"},
            "`winner` is gpt-4",
        ),
        (arena("gpt-4"), "`winner` is gpt-4"),
        ({**MT_BENCH, "winner": "model_a", "turn": 3}, "`turn` is 3, but a conversation has 2"),
        ({**CA, "first_turn_preferred_response": "response_e"}, "`first_turn_preferred_response`"),
        (
            {"instruction": "Pick.", "output_1": "Oak", "output_2": "Stone", "label": 3},
            "`label` is 3, not one of 1, 2",
        ),
        (
            {"instruction": "Pick.", "output_1": "Oak", "output_2": "Stone", "label": 0},
            "`label` is 0, not one of 1, 2",
        ),
        (
            {"instruction": "Pick.", "output_1": "Oak", "output_2": "Stone", "preference": 0},
            "`preference` is 0, not from 1 to 2",
        ),
        (
            {"instruction": "Pick.", "generations": ["Oak", "Stone"], "ratings": ["9/10", "2/10"]},
            "`overall` is 9/10, not a number",
        ),
        ({"prompt": "Pick.", "completion": "Oak", "label": "4"}, "`label` is 4"),
    ],
)
def test_what_a_row_says_in_no_known_way_is_quarantined_with_the_value(
    row: dict[str, Any], detail: str
) -> None:
    found = read_row(row)

    assert isinstance(found, RowError)
    assert detail in found.detail


def two(*names: str) -> dict[str, str]:
    return dict(zip(names, ("Hi!", "No."), strict=True))


@pytest.mark.parametrize(
    ("sides", "beside"),
    [
        (("A", "B"), two("response_A", "response_B")),
        (("B", "A"), two("response_A", "response_B")),
        (("a", "b"), two("responseA", "responseB")),
        (("A", "B"), two("completion_a", "completion_b")),
        (("A", "B"), two("option_a", "option_b")),
        (("A", "B"), two("output_a", "output_b")),
        (("A", "B"), two("text_a", "text_b")),
        (("(A)", "neither"), two("text_a", "text_b")),
        (("A", "B"), two("A", "B")),
        (("1", "2"), two("response1", "response2")),
        (("1", "2"), two("answer1", "answer2")),
        (("0", "1"), two("text_1", "text_2")),
        (("2", "1"), two("text_a", "text_b")),
        (("response_A", "response_B"), two("response_A", "response_B")),
        (("Response A", "Response B"), two("response_A", "response_B")),
        (("response_a", "neither"), two("response_A", "response_B")),
        (("model_a", "model_b"), two("model_a_response", "model_b_response")),
        (("GPT 4", "llama"), two("gpt_4_response", "llama_response")),
        (("first", "second"), two("first", "second")),
        (("gpt", "llama"), {"responses": two("gpt", "llama")}),
        (("gpt", "llama"), {"responses": json.dumps(two("gpt", "llama"))}),
        (("A", "B"), {"texts": two("response_a", "response_b")}),
        (("r1", "r2"), {"responses": [{"id": "r1", "text": "Hi!"}, {"id": "r2", "text": "No."}]}),
        (("7", "9"), {"replies": [{"id": 7, "text": "Hi!"}, {"id": 9, "text": "No."}]}),
        (("0", "1"), {"replies": ["Hi there!", "No."]}),
        (("gpt", "llama"), {"models": ["gpt", "llama"], "replies": ["Hi!", "No."]}),
        (
            ("gpt-4", "llama-2"),
            {"model_a": "gpt-4", "model_b": "llama-2", **two("response_a", "response_b")},
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("names", [("prompt", "chosen", "rejected"), ("question", "win", "lose")])
def test_sides_that_refer_to_responses_elsewhere_are_quarantined(
    sides: tuple[str, str], beside: dict[str, Any], names: tuple[str, ...]
) -> None:
    found = read_row({**dict(zip(names, ("Say hi.", *sides), strict=True)), **beside})

    assert isinstance(found, RowError)
    assert found.reason is Reason.RESPONSE_NOT_TEXT
    assert re.search("seems? to refer to", found.detail)


@pytest.mark.parametrize(
    ("sides", "beside"),
    [
        (("A", "B"), {}),
        (("4", "5"), {"tags": ["math", "easy"], "source": "gsm"}),
        (("1", "2"), {"tags": ["math", "easy", "sums"]}),
        (("4", "5"), {"option_4": None, "option_5": None}),
        (("1", "2"), {"score_1": 3, "score_2": 4}),
        (("source", "drain"), {"source": "wiki", "drain_id": None}),
        (("Hi!", "No."), {"responses": ["Hi!", "No."]}),
        (("Hi!", "No."), {"responses": [{"text": "Hi!", "id": 1}, {"text": "No.", "id": 2}]}),
        (("Hi!", "No."), two("response_a", "response_b")),
        (("Hi!", "No."), {"chosen_model": "gpt", "rejected_model": "llama"}),
    ],
    ids=str,
)
def test_short_responses_that_name_nothing_are_read(
    sides: tuple[str, str], beside: dict[str, Any]
) -> None:
    found = read_row({"question": "Say hi.", "chosen": sides[0], "rejected": sides[1], **beside})

    assert isinstance(found, Record)
    assert as_read(found).responses == list(sides)


def test_turns_of_a_prompt_are_nothing_that_a_side_points_at() -> None:
    prompt = [user("1+1?"), assistant("2"), user("1+0?")]

    found = read_row({"messages": prompt, "chosen": "1", "rejected": "2"})

    assert isinstance(found, Record)
    assert as_read(found).responses == ["1", "2"]


SWIFT = {"messages": [user("Say hi."), assistant("Hi!")]}


@pytest.mark.parametrize("response", ["No.", None, "", assistant("No.")])
def test_a_rejected_response_that_repeats_the_rejected_messages_is_read(response: Any) -> None:
    messages = [user("Say hi."), assistant("No.")]

    found = read_row({**SWIFT, "rejected_messages": messages, "rejected_response": response})

    assert isinstance(found, Record)
    assert as_read(found).responses == ["Hi!", "No."]


def test_two_different_rejected_responses_of_one_row_are_quarantined() -> None:
    messages = [user("Say hi."), assistant("No.")]

    found = read_row({**SWIFT, "rejected_messages": messages, "rejected_response": "Go away."})

    assert isinstance(found, RowError)
    assert found.detail == "`rejected_messages` and `rejected_response` hold different responses"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((spelt, "0=1") for spelt in ("Tie", " tie ", "TIE")),
        *(
            (spelt, "0!1")
            for spelt in ("TIE (BOTHBAD)", "both bad", "both_bad", "Neither", "bothbad")
        ),
        *((spelt, "0>1") for spelt in ("model A", "MODEL_A", "a", "Model-A")),
        *((spelt, "1>0") for spelt in ("model b", "B", "response_b")),
    ],
)
def test_a_winner_is_known_in_every_spelling(value: str, expected: str) -> None:
    record = read_row(arena(value))

    assert isinstance(record, Record)
    assert as_read(record).labels == [expected]


@pytest.mark.parametrize(
    ("value", "rating"),
    [
        *((up, 1.0) for up in (True, 1, 1.0, "True", " true ", "1", "1.0", "YES", "desirable")),
        *((up, 1.0) for up in ("Good", "thumbs_up", "thumbs up")),
        *((down, 0.0) for down in (False, 0, 0.0, "False", "0", "0.0", "no", "Undesirable")),
        *((down, 0.0) for down in ("bad", "Thumbs-Down")),
    ],
)
def test_a_thumb_is_known_in_every_spelling(value: object, rating: float) -> None:
    record = read_row({"prompt": "Say hi.", "completion": "Hi!", "label": value})

    assert isinstance(record, Record)
    assert [label.rating for label in record.labels] == [rating]


@pytest.mark.parametrize("value", [2, -1, "maybe", "", None, [], 0.5])
def test_what_is_no_thumb_is_refused(value: object) -> None:
    found = read_row({"prompt": "Say hi.", "completion": "Hi!", "label": value})

    assert isinstance(found, RowError)
    assert found.reason is Reason.UNKNOWN_LABEL


@pytest.mark.parametrize(
    "generations",
    ['["Hi!", "No."]', "['Hi!', 'No.']", '["Hi!",\n "No."]'],
)
def test_a_list_in_a_cell_of_a_csv_is_a_list(generations: str) -> None:
    record = read_row({"instruction": "Say hi.", "generations": generations, "ratings": "[5, 1]"})

    assert isinstance(record, Record)
    assert as_read(record) == Read(
        ["user: Say hi."], ["Hi!", "No."], ["0:5/overall", "1:1/overall"]
    )


def test_a_list_as_numpy_prints_it_is_not_read_as_one_text() -> None:
    found = read_row({"instruction": "Say hi.", "generations": "['Hi!' 'No.']", "ratings": "[5]"})

    assert isinstance(found, RowError)
    assert found.detail == "`generations` is not a list with items"


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Say hi.", "all_generated_responses": ["Hi!", None], "all_rm_scores": [2, 1]},
        {"instruction": "Say hi.", "generations": ["Hi!", None], "ratings": [2, 1]},
        {
            "prompt": "\n\nHuman: Say hi.\n\nAssistant:",
            "answers": [{"answer": "Hi!", "rank": 1}, {"answer": None, "rank": 2}, None],
        },
        {"instruction": "Say hi.", "completions": [{"response": "Hi!", "overall_score": 1}, None]},
        {
            "context": [user("Say hi.")],
            "completions": [{"rank": 0, "completion": [assistant("Hi!")]}, None],
        },
        {
            "question": "Say hi.",
            "answers": [{"text": "Hi!", "pm_score": 1}, {"text": None, "pm_score": 0}],
        },
        {
            "question": "Say hi.",
            "prediction 1": "Hi!",
            "prediction 2": "No.",
            "prediction 3": "Eh.",
            "prediction 4": None,
            "preference": [1, 1, 1, 1, 1, 1],
        },
        {
            "prompt": "Say hi.",
            "chosen": ["Hi!", None],
            "rejected": ["No.", "Eh."],
            "num_correct": 2,
            "total_completions": 4,
        },
    ],
    ids=",".join,
)
def test_a_missing_response_of_a_list_costs_that_response(row: dict[str, Any]) -> None:
    record = read_row(row)

    assert isinstance(record, Record)
    assert record.candidates[0].messages == [assistant("Hi!")]
    assert all(candidate.messages for candidate in record.candidates)
    assert {label.a for label in record.labels} | {label.b or 0 for label in record.labels} == set(
        range(len(record.candidates))
    )


def test_the_systems_of_missing_completions_are_no_context() -> None:
    told = {"response": "Hi!", "custom_system_prompt": "Be kind.", "overall_score": 1}
    row = {"instruction": "Say hi.", "completions": [told, {**told, "response": "No."}, None]}

    record = read_row(row)

    assert isinstance(record, Record)
    assert not record.context_mismatch


def test_a_turn_as_text_and_a_conversation_with_a_system_are_cut_too() -> None:
    system = {"role": "system", "content": "Be kind."}
    sides = {f"conversation_{side}": [system, *MT_BENCH[f"conversation_{side}"]] for side in "ab"}

    record = read_row({**MT_BENCH, **sides, "winner": "model_b", "turn": "1"})

    assert isinstance(record, Record)
    assert as_read(record) == Read(
        ["system: Be kind.", "user: Say hi."], ["Hi!", "No."], ["1>0@author_1"]
    )


def test_equal_scores_of_webgpt_are_a_tie_and_equal_quotes_one_context() -> None:
    row = {
        "question": {"full_text": "Say hi."},
        "answer_0": "Hi!",
        "answer_1": "No.",
        "score_0": 0.0,
        "score_1": 0.0,
        "quotes_0": {"extract": ["x"]},
        "quotes_1": {"extract": ["x"]},
    }

    record = read_row(row)

    assert isinstance(record, Record)
    assert as_read(record).labels == ["0=1*0"]
    assert not record.context_mismatch


def test_a_tree_spells_what_was_deleted_in_any_way() -> None:
    replies = [
        {"message_id": name, "text": name, "role": "assistant", "rank": rank, "deleted": deleted}
        for name, rank, deleted in (("a", 0, "False"), ("b", 1, "0"), ("c", 2, "true"))
    ]
    root = {"message_id": "p", "text": "Hi?", "role": "prompter", "deleted": "false"}

    found = read_row({"message_tree_id": "p", "prompt": {**root, "replies": replies}})

    assert isinstance(found, Record)
    assert as_read(found).responses == ["a", "b"]


JUNK: tuple[Any, ...] = (
    *(None, 0, -1, 0.5, True, "", "x", "[1]", '["a"]', [], {}, [None], [1], ["a"], [[]], [{}]),
    *({"a": 1}, float("nan"), 10**40, "\ud800", [user("x")], [assistant("x")]),
)


@pytest.mark.parametrize("entry", PUBLISHED, ids=NAMES)
def test_whatever_a_column_holds_the_row_is_read_or_quarantined(entry: Published) -> None:
    options = {"columns": documented_map(entry.name)} if entry.format == "columns" else {}
    layout: Layout = layout_named(entry.format)(name="made", files=("made.jsonl",), **options)
    for key in entry.rows[0]:
        for value in JUNK:
            row = {**entry.rows[0], key: value}
            rows = [(other, dict[str, str]()) for other in (row, *entry.rows[1:])]
            context = Context(tables={name: layout.index(name, rows) for name in layout.lookups()})

            found = parse_row(RawRow(1, row, None, b""), layout, context)

            assert isinstance(found, RowError) or all(record.labels for record in found)
            matching_layouts(row)


def test_a_file_of_single_messages_is_shown_as_it_is(write_lines: Any) -> None:
    [entry] = [one for one in PUBLISHED if one.format == "oasst_messages"]
    path = write_lines(entry.rows)

    found, shown = parse_first_record(str(path))

    assert found.format == "oasst_messages"
    assert list(shown) == ["row"]


@pytest.mark.parametrize(("turn", "said"), [(1, ["Two."]), (2, ["Two.", "And?", "Three."])])
def test_a_judgement_of_fastchat_is_about_its_turn(turn: int, said: list[str]) -> None:
    answers = [
        ({"question_id": 1, "model_id": m, "choices": [{"turns": ["Two.", "Three."]}]}, {})
        for m in ("x", "y")
    ]
    row = {
        "question_id": 1,
        "model_a": "x",
        "model_b": "y",
        "judge_id": "j",
        "winner": "x",
        "turn": turn,
    }
    layout = layout_named("fastchat")(
        name="made", files=("made.jsonl",), tables={"questions": {"files": ["q.jsonl"]}}
    )
    question = {"question_id": 1, "turns": ["1+1?", "And?"]}
    tables = {
        "questions": layout.index("questions", [(question, {})]),
        "answers": layout.index("answers", answers),
    }

    found = parse_row(RawRow(1, row, None, b""), layout, Context(tables=tables))

    assert isinstance(found, list)
    [record] = found
    for candidate in record.candidates:
        assert [message["content"] for message in candidate.messages] == said


def test_lists_as_text_beside_a_prompt_are_not_guessed_at() -> None:
    row = {"prompt": "Say hi.", "chosen": '["Hi!", "Hi."]', "rejected": '["No.", "No!"]'}

    with pytest.raises(
        DataError, match=r"several layouts fit; set `format`.*trl_explicit.*rm_bench"
    ):
        detect(first_rows([row]), "made.csv")

    record = read_row(row, "rm_bench")
    assert isinstance(record, Record)
    assert as_read(record).responses == ["Hi!", "Hi.", "No.", "No!"]


def test_a_tree_without_a_choice_says_so() -> None:
    lonely = {"message_id": "p", "text": "Hi?", "role": "prompter", "replies": []}

    found = read_row({"message_tree_id": "p", "prompt": lonely})

    assert isinstance(found, RowError)
    assert found.detail == "no prompt of the tree has two ranked replies"


def test_a_conversation_of_prism_ends_where_no_response_is_chosen() -> None:
    history = [
        {"turn": 0, "role": "user", "content": "Hi?"},
        {"turn": 0, "role": "model", "content": "A", "score": 9, "if_chosen": False},
        {"turn": 1, "role": "user", "content": "More?"},
        {"turn": 1, "role": "model", "content": "B", "score": 9, "if_chosen": True},
    ]
    row = {
        "conversation_id": "c",
        "user_id": "u",
        "conversation_type": "unguided",
        "conversation_history": history,
    }
    layout = layout_named("prism")(name="made", files=("made.jsonl",))

    found = parse_row(RawRow(1, row, None, b""), layout, Context())

    assert isinstance(found, list)
    assert [as_read(record).prompt for record in found] == [["user: Hi?"]]


def test_both_labels_of_pku_need_an_aspect_and_its_safety_facts_are_kept() -> None:
    row = {
        "prompt": "Say hi.",
        "response_0": "Hi!",
        "response_1": "No.",
        "better_response_id": "0",
        "safer_response_id": "1",
        "is_response_0_safe": False,
        "is_response_1_safe": True,
        "response_0_severity_level": 2,
    }

    record = read_row(row)

    assert isinstance(record, Record)
    assert as_read(record).labels == ["0>1/better", "1>0/safer"]
    assert [candidate.meta for candidate in record.candidates] == [
        {"is_response_safe": False, "response_severity_level": 2},
        {"is_response_safe": True},
    ]


def test_sides_of_whole_conversations_with_another_prompt_are_not_cut_twice() -> None:
    row = {"instruction": "Say hi.", "chosen": CHOSEN, "rejected": REJECTED}

    assert [found.format for found in matching_layouts(row)] == ["h4"]


def test_merit_is_what_the_publications_state() -> None:
    assert dict(layout_named("helpsteer2").merit) == {"helpfulness": 1.0}
    assert dict(layout_named("ultrafeedback").merit) == {
        "instruction_following": 1.0,
        "honesty": 1.0,
        "truthfulness": 1.0,
        "helpfulness": 1.0,
    }
    assert not layout_named("llmeval2").merit


@pytest.mark.parametrize("entry", PUBLISHED, ids=NAMES)
def test_a_layout_has_no_other_aspects_than_it_says(entry: Published) -> None:
    if entry.format == "columns" or (known := layout_named(entry.format).aspects) is None:
        return
    aspects = {
        aspect.partition("@")[0]
        for read in entry.expected
        for label in getattr(read, "labels", ())
        for aspect in re.findall(r"/([^/@*]+)", label)
    }

    assert aspects <= set(known)
