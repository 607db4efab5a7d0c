"""The traps of published preference data, one test each."""

from typing import Any

import pytest

from prefine.ingest.detect import matching_layouts
from prefine.ingest.layouts.columns.columnmap import RankingColumn
from prefine.ingest.layouts.columns.numbers import ranking
from prefine.ingest.record import Reason, Record, RowError
from prefine.schema import Kind
from tests.made import (
    assistant,
    explicit,
    read_record,
    read_row,
    turn,
    user,
)
from tests.unit.test_formats import ROWS, said, winners

SHP = {
    "prompt": "history",
    "responses": ["human_ref_A", "human_ref_B"],
    "labels": [{"column": "labels", "values": {"1": "a", "0": "b"}}],
    "group": "domain",
}
SHP_ROW = {
    "domain": "askbaking",
    "history": "Why did my bread sink?",
    "human_ref_A": "Oven.",
    "human_ref_B": "Over-proofed dough.",
    "labels": 0,
}
SAFE = {
    "prompt": "prompt",
    "responses": ["response_0", "response_1"],
    "labels": [
        {"column": "better_response_id", "values": {"0": "a", "1": "b"}, "aspect": "better"},
        {"column": "safer_response_id", "values": {"0": "a", "1": "b"}, "aspect": "safer"},
    ],
}
SAFE_ROW = {
    "prompt": "How to pick a lock?",
    "response_0": "Use a pick.",
    "response_1": "I'd rather not.",
    "better_response_id": 0,
    "safer_response_id": 1,
}


@pytest.mark.parametrize(
    ("layout", "change"),
    [
        ("arena_33k", {"winner": "tie"}),
        ("helpsteer3", {"overall_preference": 0, "individual_preference": []}),
        ("scored_text", {"score": [1.0, 1.0]}),
        ("arena_55k", {"winner_model_b": "0", "winner_tie": "1"}),
    ],
)
def test_ties_are_ties(layout: str, change: dict[str, Any]) -> None:
    assert winners(read_record({**ROWS[layout], **change}, layout)) == ["tie"]


def test_equal_places_in_a_written_ranking_are_a_tie() -> None:
    column = RankingColumn(column="world", candidates=("A", "B", "C", "D"))

    labels = ranking({"world": "B>A>C=D"}, column, 4, None, None)

    assert {"ABCD"[label.a]: label.rank for label in labels} == {"B": 1, "A": 2, "C": 3, "D": 3}
    assert {label.kind for label in labels} == {Kind.RANK}


@pytest.mark.parametrize("written", ["B>A>E", "A>A", ">", "A>>B"])
def test_what_is_no_ranking_is_refused(written: str) -> None:
    column = RankingColumn(column="world", candidates=("A", "B", "C", "D"))

    with pytest.raises(RowError, match="not a ranking"):
        ranking({"world": written}, column, 4, None, None)


@pytest.mark.parametrize(("value", "winner"), [(1, "a"), (0, "b")])
def test_one_means_a_where_the_map_says_so(value: int, winner: str) -> None:
    record = read_record({**SHP_ROW, "labels": value}, "columns", columns=SHP)

    assert winners(record) == [winner]
    assert record.group == "askbaking"


@pytest.mark.parametrize(("value", "winner"), [(-2, "a"), (2, "b"), (0, "tie")])
def test_negative_prefers_the_first_response(value: int, winner: str) -> None:
    row = {**ROWS["helpsteer2_preference"], "preference_strength": value}
    record = read_record(row)

    assert winners(record) == [winner]
    assert record.labels[0].strength == abs(value)


def test_two_labels_of_one_pair_stay_two() -> None:
    labels = read_record(SAFE_ROW, "columns", columns=SAFE).labels

    assert [(label.aspect, str(label.winner)) for label in labels] == [
        ("better", "a"),
        ("safer", "b"),
    ]


def test_votes_in_a_list_become_one_label_an_annotator() -> None:
    columns = {
        "prompt": "text",
        "responses": ["completion_a", "completion_b"],
        "labels": [
            {
                "column": "annotations[].overall",
                "values": {"A-is-better": "a", "B-is-better": "b", "Tie": "tie"},
            }
        ],
    }
    row = {
        "text": "Hi",
        "completion_a": "Hello",
        "completion_b": "Yo",
        "annotations": [{"overall": "A-is-better"}, {"overall": "Tie"}, {"overall": "B-is-better"}],
    }

    labels = read_record(row, "columns", columns=columns).labels

    assert [str(label.winner) for label in labels] == ["a", "tie", "b"]
    assert len({label.annotator for label in labels}) == 3


def test_a_string_prompt_that_repeats_the_first_message_stands_once() -> None:
    record = read_record(ROWS["h4"])

    assert record.prompt == [user("Say hi.")]


def test_typed_parts_from_value_and_json_cells_become_plain_text() -> None:
    assert said(read_record(ROWS["arena_140k"])) == ["5", "22"]
    assert said(read_record(ROWS["sharegpt"])) == ["Hello!", "What?"]
    assert said(read_record(ROWS["arena_55k"])) == ["More.", "Less."]


def test_an_image_part_is_refused() -> None:
    row = {**ROWS["arena_140k"]}
    row["conversation_b"] = [
        user("2+2?"),
        {"role": "assistant", "content": [{"type": "image", "image": "..."}]},
    ]
    found = read_row(row, "arena_140k")

    assert isinstance(found, RowError)
    assert found.reason is Reason.NOT_TEXT_CONTENT


def test_html_becomes_text_and_entities_are_undone() -> None:
    row = explicit("<p>How do I <b>sort</b>?</p>", "<p>Use sorted().</p><p>Or .sort().</p>", "No")
    as_html = read_record(row, text="html")
    escaped = read_record(explicit("1 &lt; 2?", "&quot;Yes&quot;", "No"), text="escaped")

    assert as_html.prompt == [user("How do I sort?")]
    assert said(as_html)[0] == "Use sorted().\nOr .sort()."
    assert escaped.prompt == [user("1 < 2?")]
    assert said(escaped)[0] == '"Yes"'


def test_the_word_human_inside_a_turn_does_not_split_it() -> None:
    start = "\n\nHuman: Who wrote it?\n\nAssistant: "
    record = read_record({"chosen": f"{start}A Human: nobody else.", "rejected": f"{start}No."})

    assert said(record)[0] == "A Human: nobody else."


def test_contexts_that_differ_between_sides_survive_and_are_marked() -> None:
    start = "\n\nHuman: Tell me about bees.\n\nAssistant: "
    row = {
        "chosen": f"{start}They fly.\n\nHuman: And?\n\nAssistant: They dance.",
        "rejected": f"{start}They sting.\n\nHuman: And?\n\nAssistant: They die.",
    }
    record = read_record(row)

    assert record.prompt == [user("Tell me about bees.")]
    assert record.candidates[0].messages == [
        assistant("They fly."),
        user("And?"),
        assistant("They dance."),
    ]
    assert record.context_mismatch


def test_a_transcript_that_goes_on_longer_than_the_other_survives() -> None:
    start = "\n\nHuman: Hi\n\nAssistant: Hello"
    record = read_record({"chosen": start, "rejected": f"{start}\n\nHuman: More\n\nAssistant: No"})

    assert record.candidates[0].messages == [assistant("Hello")]
    assert len(record.candidates[1].messages) == 3
    assert record.context_mismatch


def test_system_prompts_of_single_completions_mark_the_record() -> None:
    record = read_record(ROWS["ultrafeedback"])

    assert record.context_mismatch
    assert [c.meta for c in record.candidates] == [{"system": "Be kind."}, {"system": "Be brief."}]


def test_ratings_as_text_not_available_and_null_are_not_numbers() -> None:
    labels = read_record(ROWS["ultrafeedback"]).labels
    ratings = {(k.a, k.aspect): k.rating for k in labels}
    nulls = [k.rating for k in read_record(ROWS["distilabel"]).labels]

    assert ratings[0, "honesty"] is None
    assert ratings[0, "helpfulness"] == 4.0
    assert ratings[0, "overall"] == 8.5
    assert nulls == [5.0, None]


@pytest.mark.parametrize(
    ("chosen", "rejected"),
    [
        ("chosen-rating", "rejected-rating"),
        ("chosen_rating", "rejected_rating"),
        ("rating_chosen", "rating_rejected"),
        ("score_chosen", "score_rejected"),
        ("chosen_score", "rejected_score"),
    ],
)
def test_every_spelling_of_a_score_column_is_found(chosen: str, rejected: str) -> None:
    record = read_record(explicit("Hi?", "A", "B", **{chosen: 4.5, rejected: "2"}))

    assert [label.rating for label in record.labels] == [None, 4.5, 2.0]


def test_a_misspelt_model_column_is_found() -> None:
    record = read_record(explicit("Hi?", "A", "B", chonsen_model="x", rejected_model="y"))

    assert [candidate.model for candidate in record.candidates] == ["x", "y"]


def test_tool_turns_and_prompts_that_end_in_an_assistant_turn_are_kept() -> None:
    row = {
        "prompt": [user("Weather?"), assistant("Let me look."), turn("tool", "Rain.")],
        "chosen": [assistant("It rains.")],
        "rejected": [assistant("No idea.")],
    }

    assert [message["role"] for message in read_record(row).prompt] == ["user", "assistant", "tool"]


def test_a_record_is_read_the_same_from_texts_and_from_messages() -> None:
    plain = {"prompt": "Hi?", "chosen": "A", "rejected": "B"}
    found = [read_record(row) for row in (plain, explicit("Hi?", "A", "B"))]

    assert isinstance(found[0], Record)
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "beside",
    [
        {"tool_calls": [{"name": "get_weather"}]},
        {"function_call": {"name": "get_weather"}},
        {"thinking": "Hm."},
    ],
)
def test_a_message_that_is_more_than_its_text_is_refused(beside: dict[str, Any]) -> None:
    row = explicit("Weather?", "Let me check.", "Let me check.")
    row["chosen"][0] |= beside

    found = read_row(row)

    assert isinstance(found, RowError)
    assert found.reason is Reason.NOT_TEXT_CONTENT


@pytest.mark.parametrize(("key", "refused"), [("images", ["b64"]), ("tools", [{"name": "f"}])])
def test_a_row_with_images_or_tools_is_refused_and_one_without_is_read(
    key: str, refused: list[Any]
) -> None:
    row = explicit("Hi?", "A", "B")

    assert isinstance(read_row(row | {key: refused}), RowError)
    assert isinstance(read_row(row | {key: []}), Record)


@pytest.mark.parametrize(
    "beside",
    [
        {"question": "What is 2+2?", "system": ""},
        {"trajectory": [{"from": "user", "value": "Solve x"}], "parent_id": "p"},
    ],
)
def test_texts_beside_a_prompt_of_another_name_are_not_taken_to_hold_it(
    beside: dict[str, Any],
) -> None:
    row = {"chosen": "The answer is 4.", "rejected": "The answer is 5."}

    assert [found.format for found in matching_layouts(row)] == ["trl_implicit"]
    assert [found.format for found in matching_layouts(row | beside)] == ["paired"]
    assert said(read_record(row | beside)) == ["The answer is 4.", "The answer is 5."]


@pytest.mark.parametrize(
    ("chosen", "rejected", "prompt", "response"),
    [
        ("The sky is blue.", "The sky is green.", "The sky is", " blue."),
        ("<q>Capital of France?\n<a>\nParis", "<q>Capital of France?\n<a>\nRome", None, "Paris"),
        ("a b", "a b c", "a", " b"),
    ],
)
def test_texts_part_at_a_blank(
    chosen: str, rejected: str, prompt: str | None, response: str
) -> None:
    record = read_record({"chosen": chosen, "rejected": rejected})

    found = record.candidates[0].messages[0]["content"]
    assert found == response
    assert record.prompt[0]["content"] == (prompt or chosen.removesuffix(response))
    assert record.prompt[0]["content"] + found == chosen


def test_equal_texts_do_not_tell_where_the_prompt_ends() -> None:
    found = read_row({"chosen": "a b c", "rejected": "a b c"})

    assert isinstance(found, RowError)
    assert found.reason is Reason.NO_COMMON_PROMPT


def test_flattened_turns_are_read_alike_from_both_helpsteer2_files() -> None:
    prompt = "Hi\n<extra_id_1>Assistant\nHello\n<extra_id_1>User\nBye"
    rated = {"prompt": prompt, "response": "A", "helpfulness": 4, "correctness": 4}
    strength = {"prompt": prompt, "response_1": "A", "response_2": "B", "preference_strength": 1}

    assert read_record(rated).prompt == read_record(strength).prompt
    assert len(read_record(rated).prompt) == 3
