"""Conversations that are written as one text are split, or refused with a reason of their own."""

from typing import Any

import pytest

from prefine.ingest.record import Reason, RowError
from prefine.ingest.transcripts import transcript
from tests.made import assistant, explicit, read_record, read_row, turn, user

TURNS = [turn("system", "Be kind."), user("Hi"), assistant("Hello!"), user("Name a tree.")]

RENDERED = {
    "ChatML": (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\nHello!<|im_end|>\n<|im_start|>user\nName a tree.<|im_end|>\n"
        "<|im_start|>assistant\n",
        "<|im_end|>\n",
    ),
    "Llama 3": (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nHello!<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nName a tree.<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "<|eot_id|>",
    ),
    "Zephyr": (
        "<|system|>\nBe kind.</s>\n<|user|>\nHi</s>\n<|assistant|>\nHello!</s>\n"
        "<|user|>\nName a tree.</s>\n<|assistant|>\n",
        "</s>",
    ),
    "Phi": (
        "<|system|>\nBe kind.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\nHello!<|end|>\n"
        "<|user|>\nName a tree.<|end|>\n<|assistant|>\n",
        "<|end|>",
    ),
    "Tulu": (
        "<|system|>\nBe kind.\n<|user|>\nHi\n<|assistant|>\nHello!\n<|user|>\nName a tree.\n"
        "<|assistant|>\n",
        "",
    ),
    "Command R": (
        "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>Be kind.<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>Hi<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>Hello!<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>Name a tree.<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
        "<|END_OF_TURN_TOKEN|>",
    ),
    "Llama 2": (
        "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHi [/INST] Hello! </s><s>[INST] Name a tree. "
        "[/INST]",
        " </s>",
    ),
}


def test_a_role_of_a_template_is_named_as_one_of_messages() -> None:
    prompt, _ = RENDERED["ChatML"]
    row = explicit(prompt.replace("system", "developer"), "Oak.", "Stone.")

    assert read_record(row).prompt == TURNS


@pytest.mark.parametrize("family", RENDERED)
def test_a_rendered_template_is_split_into_its_turns(family: str) -> None:
    prompt, end = RENDERED[family]

    record = read_record({"prompt": prompt, "chosen": f"Oak.{end}", "rejected": f"Stone.{end}"})

    assert record.prompt == TURNS
    assert [one.messages for one in record.candidates] == [
        [assistant("Oak.")],
        [assistant("Stone.")],
    ]


def test_gemma_has_no_system_turn() -> None:
    row = {
        "prompt": "<bos><start_of_turn>user\nName a tree.<end_of_turn>\n<start_of_turn>model\n",
        "chosen": "Oak.<end_of_turn>\n<eos>",
        "rejected": "Stone.",
    }

    record = read_record(row)

    assert record.prompt == [user("Name a tree.")]
    assert record.candidates[0].messages == [assistant("Oak.")]


def test_what_the_prompt_begins_of_the_response_belongs_to_the_response() -> None:
    head = "<|im_start|>user\nName a tree.<|im_end|>\n<|im_start|>assistant\n"
    row = {"chosen": f"{head}The tree is oak.", "rejected": f"{head}The tree is stone."}

    record = read_record(row)

    assert record.prompt == [user("Name a tree.")]
    assert record.candidates[0].messages == [assistant("The tree is oak.")]
    assert record.candidates[1].messages == [assistant("The tree is stone.")]


def test_the_template_of_alpaca_is_undone_where_it_is_whole() -> None:
    prompt = (
        "Below is an instruction that describes a task, paired with an input that provides further "
        "context. Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nTranslate.\n\n### Input:\ntree\n\n### Response:\n"
    )

    record = read_record({"prompt": prompt, "chosen": "arbre", "rejected": "tree"})

    assert record.prompt == [user("Translate.\n\ntree")]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "<|start|>user<|message|>Hi<|end|><|start|>assistant"},
        {"prompt": "<\uff5cUser\uff5c>Hi<\uff5cAssistant\uff5c>"},
        {"prompt": "A chat. USER: Hi\nASSISTANT:"},
        {"prompt": "USER: Hi ASSISTANT:"},
        {"prompt": "<|im_start|>user\nHi<|im_start|>assistant\n"},
        {"prompt": "<|im_start|>user\nHi <|eot_id|><|im_end|>\n<|im_start|>assistant\n"},
        {"prompt": "Hi", "chosen": "a<|im_end|>", "rejected": "b<|im_end|>"},
    ],
)
def test_a_template_that_cannot_be_split_is_refused(row: dict[str, Any]) -> None:
    found = read_row({"chosen": "a", "rejected": "b", **row})

    assert isinstance(found, RowError)
    assert found.reason is Reason.RENDERED_TEMPLATE
    assert "template" in found.detail


@pytest.mark.parametrize(
    "prompt",
    [
        "What does <|im_start|> mean?",
        "Question: why?\nAnswer:",
        "Continue the given dialogue:\n\n\n\nHuman: Hi\n\nAssistant:",
        "Q: What is the boiling point of water?\nA:",
        "Write a dialogue. Human: Hi Assistant: Hello",
        "Human: what makes us so?",
    ],
)
def test_a_prompt_that_only_mentions_such_marks_is_a_text(prompt: str) -> None:
    row = {"prompt": prompt, "chosen": "It is a token.</s>", "rejected": "b"}

    record = read_record(row)

    assert record.prompt == [user(prompt)]
    assert record.candidates[0].messages == [assistant("It is a token.</s>")]


def test_a_transcript_in_the_prompt_is_split() -> None:
    row = {
        "prompt": "\n\nHuman: Hi\n\nAssistant: Hello!\n\nHuman: Name a tree.\n\nAssistant:",
        "chosen": " Oak.",
        "rejected": " Stone.",
    }

    record = read_record(row)

    assert record.prompt == TURNS[1:]
    assert record.candidates[0].messages == [assistant(" Oak.")]


@pytest.mark.parametrize("prompt", ["User: Hi\nAssistant:", "Human: Hi\n\nHuman: Ho\n\nAssistant:"])
def test_a_transcript_that_cannot_be_split_is_refused(prompt: str) -> None:
    found = read_row({"prompt": prompt, "chosen": "a", "rejected": "b"})

    assert isinstance(found, RowError)
    assert found.reason is Reason.TRANSCRIPT_IN_PROMPT


def test_a_transcript_keeps_every_character_of_a_turn() -> None:
    text = "\n\nHuman:  Two blanks \n\n\n\nAssistant:\n\nHuman: there?\n\nAssistant: Yes.\n"

    assert transcript(text, "t") == [
        user(" Two blanks \n\n"),
        assistant(""),
        user("there?"),
        assistant("Yes.\n"),
    ]


def test_a_prompt_that_all_sides_repeat_is_taken_off() -> None:
    row = {
        "prompt": "Name a tree.",
        "chosen": "Name a tree. Oak.",
        "rejected": "Name a tree. Stone.",
    }

    assert [one.messages for one in read_record(row).candidates] == [
        [assistant(" Oak.")],
        [assistant(" Stone.")],
    ]
    one = read_record({**row, "rejected": "Stone."})
    assert one.candidates[0].messages == [assistant("Name a tree. Oak.")]
    short = read_record({"prompt": "Hi", "chosen": "Hi there!", "rejected": "Hi."})
    assert short.candidates[0].messages == [assistant("Hi there!")]


def test_messages_that_all_sides_repeat_are_taken_off() -> None:
    row = explicit("Tree?", "Oak.", "Stone.")
    row["chosen"], row["rejected"] = row["prompt"] + row["chosen"], row["prompt"] + row["rejected"]

    record = read_record(row)

    assert record.prompt == [user("Tree?")]
    assert [one.messages for one in record.candidates] == [
        [assistant("Oak.")],
        [assistant("Stone.")],
    ]


@pytest.mark.parametrize("spell", [lambda text: text.replace("'", '"'), lambda text: text])
def test_messages_as_text_are_read(spell: Any) -> None:
    row = {key: spell(str(value)) for key, value in explicit("Tree?", "Oak.", "Stone.").items()}

    record = read_record(row)

    assert record.prompt == [user("Tree?")]
    assert record.candidates[1].messages == [assistant("Stone.")]


def test_messages_as_text_on_one_side_are_refused() -> None:
    row = {"prompt": "Tree?", "chosen": '[{"role": "assistant", "content": "x"}]', "rejected": "y"}

    found = read_row(row, "trl_explicit")

    assert isinstance(found, RowError)
    assert found.reason is Reason.MESSAGES_AS_TEXT


def test_a_response_that_is_a_json_list_of_something_else_is_a_text() -> None:
    row = {"prompt": "Trees as JSON?", "chosen": '[{"name": "oak"}]', "rejected": "[1, 2]"}

    assert read_record(row).candidates[0].messages == [assistant('[{"name": "oak"}]')]


def test_half_a_surrogate_pair_in_a_text_is_refused() -> None:
    found = read_row({"prompt": "Tree?", "chosen": "Oak \ud83d", "rejected": "Stone."})

    assert isinstance(found, RowError)
    assert found.reason is Reason.INVALID_TEXT


@pytest.mark.parametrize(
    "side",
    [
        "<|prompter|>Name a tree.<|endoftext|><|assistant|>{}<|endoftext|>",
        "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>Name a tree.<|END_OF_TURN_TOKEN|>"
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{}<|END_OF_TURN_TOKEN|>",
        "<s>[INST] Name a tree. [/INST] {} </s>",
        "<|user|>\nName a tree.\n<|assistant|>\n{}",
    ],
)
def test_whole_rendered_sides_are_split_at_their_turns(side: str) -> None:
    row = {"chosen": side.format("Oak."), "rejected": side.format("Stone.")}

    for found in (read_record(row), read_record({**row, "prompt": "Name a tree."})):
        assert found.prompt == [user("Name a tree.")]
        assert [one.messages for one in found.candidates] == [
            [assistant("Oak.")],
            [assistant("Stone.")],
        ]
    other = read_row({**row, "prompt": "Name a fish."})
    assert isinstance(other, RowError)
    assert other.reason is Reason.RENDERED_TEMPLATE


def test_transcripts_as_sides_are_split() -> None:
    head = "\n\nHuman: Name a tree.\n\nAssistant: "
    row = {"prompt": "Name a tree.", "chosen": f"{head}Oak.", "rejected": f"{head}Stone."}

    record = read_record(row)

    assert record.prompt == [user("Name a tree.")]
    assert record.candidates[0].messages == [assistant("Oak.")]


def test_a_template_keeps_the_line_breaks_of_its_turns() -> None:
    prompt = "<|user|>\nName:\n\n<|assistant|>\n"

    record = read_record({"prompt": prompt, "chosen": "Oak.\n", "rejected": "Stone."})

    assert record.prompt == [user("Name:\n")]
    assert record.candidates[0].messages == [assistant("Oak.\n")]


@pytest.mark.parametrize(
    "prompt",
    [
        "[SYSTEM_PROMPT]Be kind.[/SYSTEM_PROMPT][INST]Hi[/INST]",
        "GPT4 Correct User: Hi<|end_of_turn|>GPT4 Correct Assistant:",
        "[|user|]Hi[|assistant|]",
        "[gMASK]<sop><|user|>\nHi<|assistant|>",
        "<extra_id_0>System\n\n<extra_id_1>User\nHi\n<extra_id_1>Assistant\n",
    ],
)
def test_templates_of_other_models_are_refused(prompt: str) -> None:
    found = read_row({"prompt": prompt, "chosen": "a", "rejected": "b"})

    assert isinstance(found, RowError)
    assert found.reason is Reason.RENDERED_TEMPLATE


@pytest.mark.parametrize(
    "prompt",
    [
        "Be kind.\n\nHuman: Hi\n\nAssistant:",
        "<human>: Hi\n<bot>:",
        "\u7528\u6237\uff1a\u4f60\u597d\n\u52a9\u624b\uff1a",
        "User: Hi\nAssistant: I think",
    ],
)
def test_other_transcripts_are_refused(prompt: str) -> None:
    found = read_row({"prompt": prompt, "chosen": "a", "rejected": "b"})

    assert isinstance(found, RowError)
    assert found.reason is Reason.TRANSCRIPT_IN_PROMPT


def test_a_transcript_may_end_with_the_human() -> None:
    prompt = "\n\nHuman: Hi\n\nAssistant: Hello!\n\nHuman: Name a tree."

    assert read_record({"prompt": prompt, "chosen": "a", "rejected": "b"}).prompt == TURNS[1:]


def test_a_response_keeps_its_first_word() -> None:
    row = {"prompt": "Once upon a time", "chosen": "Once upon a time, long ago."}

    record = read_record({**row, "rejected": "Once upon a timeless day."})
    assert record.candidates[1].messages == [assistant("Once upon a timeless day.")]


def test_a_repeated_prompt_without_blanks_is_taken_off() -> None:
    prompt = "\u4e2d\u56fd\u7684\u9996\u90fd\u662f\u54ea\u91cc\uff1f"
    row = {"prompt": prompt, "chosen": f"{prompt}\u5317\u4eac", "rejected": f"{prompt}\u4e0a\u6d77"}

    record = read_record({**row, "system": "Be brief."})

    assert record.candidates[0].messages == [assistant("\u5317\u4eac")]


@pytest.mark.parametrize(
    "text",
    [
        '{"role": "assistant", "content": "Oak."}',
        '{"from": "gpt", "value": "Oak."}',
        '{"messages": [{"role": "assistant", "content": "Oak."}]}',
        "\n  [\n  {'role': 'assistant', 'content': 'Oak.'}]",
    ],
)
def test_messages_as_text_have_many_forms(text: str) -> None:
    row = {"prompt": "Tree?", "chosen": text, "rejected": text.replace("Oak", "Stone")}

    record = read_record(row)

    assert [one.messages for one in record.candidates] == [
        [assistant("Oak.")],
        [assistant("Stone.")],
    ]


@pytest.mark.parametrize(
    "text",
    [
        '[{"role": "assistant", "content": "Oa',
        "array([{'role': 'assistant', 'content': 'Oak.'}], dtype=object)",
        "[{'content': 'Hi', 'role': 'user'} {'content': 'Oak.', 'role': 'assistant'}]",
    ],
)
def test_what_begins_like_messages_and_cannot_be_read_is_refused(text: str) -> None:
    found = read_row({"prompt": "Tree?", "chosen": text, "rejected": text}, "trl_explicit")

    assert isinstance(found, RowError)
    assert found.reason is Reason.MESSAGES_AS_TEXT


def test_a_response_with_a_role_of_its_own_is_a_text() -> None:
    text = '{"role": "admin", "content": "x"}'

    record = read_record({"prompt": "A user as JSON?", "chosen": text, "rejected": "b"})

    assert record.candidates[0].messages == [assistant(text)]


@pytest.mark.parametrize(
    "side",
    [
        "### User:\nName a tree.\n\n### Assistant:\n{}",
        "USER: Name a tree. ASSISTANT: {}",
        "<s>{}</s>",
    ],
)
def test_sides_in_a_template_without_special_tokens_are_refused(side: str) -> None:
    row = {"prompt": "Name a tree.", "chosen": side.format("Oak."), "rejected": side.format("Elm.")}

    found = read_row(row)

    assert isinstance(found, RowError)
    assert found.reason is Reason.RENDERED_TEMPLATE


def test_a_single_response_in_a_template_is_refused_where_it_is_certain() -> None:
    row = {"prompt": "Name a tree.", "completion": "Oak.<|im_end|>", "label": True}

    found = read_row(row)

    assert isinstance(found, RowError)
    assert found.reason is Reason.RENDERED_TEMPLATE
    assert len(read_record({**row, "completion": "Oak.</s>"}).candidates) == 1
