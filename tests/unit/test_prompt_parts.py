"""Prompt columns that a layout does not read are added to the prompt, or the row is rejected."""

from typing import Any

import pytest

from prefine.ingest.record import Reason, RowError
from tests.made import assistant, explicit, read_record, read_row, turn, user

PAIR = {"prompt": "Name a tree.", "chosen": "Oak.", "rejected": "Stone."}
ALPACA = {
    "instruction": "Translate.",
    "output_1": "arbre",
    "output_2": "tree",
    "annotator": "a",
    "preference": 1,
}


@pytest.mark.parametrize("key", ["system", "system_prompt", "System", "system_message"])
def test_a_system_text_goes_before_the_prompt(key: str) -> None:
    system = turn("system", "Answer in French.")

    assert read_record({**PAIR, key: "Answer in French."}).prompt == [system, user("Name a tree.")]
    conversation = {**explicit("Name a tree.", "Un chêne.", "An oak."), key: "Answer in French."}
    assert read_record(conversation).prompt == [system, user("Name a tree.")]


def test_a_system_text_that_the_prompt_has_is_not_repeated() -> None:
    turns = [turn("system", "Be brief."), user("Tree?")]
    row = {"prompt": turns, "chosen": "Oak.", "rejected": "Elm.", "system": "Be brief."}

    assert read_record(row).prompt == turns
    other = read_row({**row, "system": "Be long."})
    assert isinstance(other, RowError)
    assert other.reason is Reason.PROMPT_PART_UNREAD


@pytest.mark.parametrize(
    "history",
    [
        [["Hi", "Hello!"]],
        [user("Hi"), assistant("Hello!")],
        [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello!"}],
        ["Hi", "Hello!"],
        '[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]',
    ],
)
def test_earlier_turns_go_before_the_prompt(history: Any) -> None:
    record = read_record({**PAIR, "history": history, "system": "Be kind."})

    expected = [turn("system", "Be kind."), user("Hi"), assistant("Hello!"), user("Name a tree.")]
    assert record.prompt == expected


@pytest.mark.parametrize("history", ["we talked", [["a", "b", "c"]], ["a"], {"turns": "x"}])
def test_earlier_turns_of_no_known_form_refuse_the_row(history: Any) -> None:
    found = read_row({**PAIR, "history": history})

    assert isinstance(found, RowError)
    assert found.reason is Reason.PROMPT_PART_UNREAD
    assert "history" in found.detail


def test_two_tasks_do_not_become_one_prompt() -> None:
    first, second = (read_record({**ALPACA, "input": text}) for text in ("tree", "stone"))

    assert first.prompt == [user("Translate.\n\ntree")]
    assert second.prompt == [user("Translate.\n\nstone")]
    assert read_record({**ALPACA, "input": ""}).prompt == [user("Translate.")]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("input", "an oak"),
        ("context", "Trees of Europe."),
        ("passages", [["Oak", "Oaks are trees."]]),
        ("documents", [{"title": "Oak", "text": "Oaks are trees."}]),
        ("chat_template_kwargs", {"enable_thinking": True}),
        ("name", "forest"),
    ],
)
def test_another_part_of_the_prompt_refuses_the_row_and_says_how_to_read_it(
    key: str, value: Any
) -> None:
    found = read_row({**PAIR, key: value})

    assert isinstance(found, RowError)
    assert found.reason is Reason.PROMPT_PART_UNREAD
    assert f"`{key}`" in found.detail
    assert "format: columns" in found.detail
    assert read_record({**PAIR, key: value}, "trl_explicit", ignore=[key]).prompt == [
        user("Name a tree.")
    ]


CONVERSATION = [user("Hi"), assistant("Hello!"), user("Name a tree.")]


@pytest.mark.parametrize("key", ["messages", "conversation", "dialogue", "turns", "utterances"])
def test_a_conversation_beside_its_last_turn_is_the_prompt(key: str) -> None:
    assert read_record({**PAIR, key: CONVERSATION}).prompt == CONVERSATION
    assert isinstance(read_row({**PAIR, key: CONVERSATION[:2]}), RowError)
    texts = [turn["content"] for turn in CONVERSATION]
    assert read_record({**PAIR, key: texts}).prompt == CONVERSATION


def test_a_conversation_of_the_row_itself_costs_nothing() -> None:
    whole = [user("Name a tree."), assistant("Oak.")]

    assert read_record({**PAIR, "messages": whole, "turns": 1}).prompt == [user("Name a tree.")]


def test_a_conversation_that_ends_otherwise_refuses_the_row() -> None:
    found = read_row({**PAIR, "messages": [user("Hi"), assistant("Hello!"), user("And?")]})

    assert isinstance(found, RowError)
    assert found.reason is Reason.PROMPT_PART_UNREAD


@pytest.mark.parametrize("key", ["options", "choices", "search_results", "premise", "persona"])
def test_options_and_sources_of_a_question_are_not_dropped(key: str) -> None:
    values = {"A": "oak", "B": "stone"}

    found = read_row({**PAIR, key: values})
    assert isinstance(found, RowError)
    assert found.reason is Reason.PROMPT_PART_UNREAD
    by_chance = {**PAIR, "prompt": "Which is a tree: oak or stone?", key: values}
    assert isinstance(read_row(by_chance), RowError)
    shown = {**PAIR, "prompt": "Which is a tree?\noak\nstone", key: values}
    assert len(read_record(shown).prompt) == 1


@pytest.mark.parametrize("key", ["images", "image", "videos", "audio", "tools", "functions"])
def test_what_a_text_cannot_hold_refuses_the_row(key: str) -> None:
    found = read_row({**PAIR, key: [{"name": "x"}]})

    assert isinstance(found, RowError)
    assert found.reason is Reason.NOT_TEXT_CONTENT
    assert f"`{key}`" in found.detail


@pytest.mark.parametrize("value", [None, "", " ", [], {}, "[]", [None], float("nan"), [""]])
def test_an_empty_column_costs_nothing(value: Any) -> None:
    row = {**PAIR, "context": value, "input": value, "history": value, "tools": value}

    assert read_record(row).prompt == [user("Name a tree.")]


def test_a_part_that_stands_in_the_prompt_is_read() -> None:
    row = {"prompt": "Oaks are trees.\n\nName one.", "chosen": "a", "rejected": "b"}

    assert len(read_record({**row, "context": "Oaks are trees."}).prompt) == 1


def test_the_columns_of_a_map_are_read() -> None:
    columns = {"prompt": "context", "chosen": "good", "rejected": "input"}
    row = {"context": "Name a tree.", "good": "Oak.", "input": "Stone."}

    assert read_record(row, "columns", columns=columns).prompt == [user("Name a tree.")]


@pytest.mark.parametrize("context", ["no", "true"])
def test_a_short_part_does_not_stand_in_a_prompt_by_chance(context: str) -> None:
    found = read_row({**PAIR, "prompt": "Is it true or not?", "context": context})

    assert isinstance(found, RowError)
    assert found.reason is Reason.PROMPT_PART_UNREAD


def test_the_title_of_a_document_is_part_of_it() -> None:
    row = {**PAIR, "prompt": "Oaks grow slowly in Europe.\nWhat grows?"}
    text = "Oaks grow slowly in Europe."

    assert len(read_record({**row, "documents": [{"text": text}]}).prompt) == 1
    assert isinstance(read_row({**row, "documents": [{"title": "T", "text": text}]}), RowError)


@pytest.mark.parametrize("key", ["systemPrompt", "System-Prompt", "developer", "system msg"])
def test_columns_are_known_in_every_spelling(key: str) -> None:
    assert read_record({**PAIR, key: "Be kind."}).prompt[0] == turn("system", "Be kind.")


def test_parts_beside_a_nested_prompt_are_not_dropped() -> None:
    columns = {"prompt": "m.q", "chosen": "good", "rejected": "bad"}
    row = {"m": {"q": "Name it.", "document": "D1"}, "good": "a", "bad": "b"}

    found = read_row(row, "columns", columns=columns)
    assert isinstance(found, RowError)
    assert "`document`" in found.detail
    assert read_record(row, "columns", columns=columns, ignore=["document"]).prompt == [
        user("Name it.")
    ]


def test_history_that_ends_with_the_prompt_holds_it_once() -> None:
    history = ["Hi", "Hello!", "Name a tree."]

    assert read_record({**PAIR, "history": history}).prompt == CONVERSATION


def test_what_stands_beside_a_rendered_prompt_is_joined_with_its_turns() -> None:
    rendered = "<|im_start|>user\nName a tree.<|im_end|>\n<|im_start|>assistant\n"
    row = {**PAIR, "prompt": rendered, "system": "Be kind."}

    assert read_record(row).prompt == [turn("system", "Be kind."), user("Name a tree.")]
    own = "<|im_start|>system\nBe rude.<|im_end|>\n" + rendered
    assert isinstance(read_row({**row, "prompt": own}), RowError)


@pytest.mark.parametrize("key", ["image", "image_url", "reasoning", "documents", "tools"])
def test_a_message_with_more_than_text_refuses_the_row(key: str) -> None:
    row = explicit("Tree?", "Oak.", "Stone.")
    row["prompt"][0][key] = "x"

    found = read_row(row)
    assert isinstance(found, RowError)
    assert found.reason is Reason.NOT_TEXT_CONTENT


def test_a_number_may_be_a_part_of_the_prompt_or_a_count() -> None:
    assert read_record({**ALPACA, "input": 21}).prompt == [user("Translate.\n\n21")]
    assert isinstance(read_row({**PAIR, "context": 21}), RowError)
    assert len(read_record({**PAIR, "turns": 2, "options": 4}).prompt) == 1
