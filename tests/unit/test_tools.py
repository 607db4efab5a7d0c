"""Tools and tool calls: read, part of ids, shown to models, and exported where possible."""

from typing import Any, ClassVar

import orjson
import pytest

from prefine.errors import RecipeError
from prefine.export.settings import Export
from prefine.export.targets.trl import Trl
from prefine.ingest.record import Reason, RowError
from prefine.measure.judge.wording import Wording, render_question, response_text
from prefine.recipe import parse_recipe
from prefine.recipe.check import problems_of
from prefine.schema import Message, prompt_id, response_id
from tests.made import (
    assistant,
    explicit,
    read_record,
    read_row,
    user,
)

WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}
WEATHER_TEXT = (
    '[{"type":"function","function":{"name":"weather",'
    '"parameters":{"type":"object","properties":{}}}}]'
)
PARIS_TEXT = (
    '[{"id":"c1","type":"function","function":{"name":"weather",'
    '"arguments":"{\\"town\\":\\"Paris\\",\\"at\\":9}"}}]'
)
RECIPE = "name: made\nsources: [{{name: made, files: [rows.jsonl], tools: {tools}}}]\n"


def call(arguments: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": "c1",
        "type": "function",
        "function": {"name": "weather", "arguments": arguments},
        **more,
    }


def calling(*calls: Any, content: str | None = None) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def asked(prompt: str, chosen: Any, rejected: Any, **more: Any) -> dict[str, Any]:
    return {"prompt": [user(prompt)], "chosen": [chosen], "rejected": [rejected], **more}


PARIS = call({"town": "Paris", "at": 9})
ROWS = [
    asked("Rain?", calling(PARIS), calling(call({"town": "Rome"})), tools=[WEATHER]),
    asked("Rain?", assistant("Yes."), assistant("No."), tools=[WEATHER]),
    asked("Rain?", assistant("Yes."), assistant("No."), tools=None),
]


@pytest.mark.parametrize(
    "tools",
    [[WEATHER], orjson.dumps([WEATHER]).decode(), [orjson.dumps(WEATHER).decode()], str([WEATHER])],
)
def test_tools_are_the_same_as_a_list_and_as_text(tools: Any) -> None:
    record = read_record(
        asked("Rain?", calling(PARIS), assistant("No."), tools=tools), tools="keep"
    )

    assert record.tools == WEATHER_TEXT


@pytest.mark.parametrize("tools", [None, [], "", "[]", "null", float("nan")])
def test_a_row_without_tools_has_none(tools: Any) -> None:
    record = read_record(explicit("Q?", "A", "B", tools=tools), tools="keep")

    assert record.tools is None


@pytest.mark.parametrize("tools", ["weather", ["weather"], [[1]], 7])
def test_tools_that_are_no_objects_are_refused(tools: Any) -> None:
    found = read_row(explicit("Q?", "A", "B", tools=tools), tools="keep")

    assert isinstance(found, RowError)
    assert found.reason is Reason.PROMPT_PART_UNREAD


@pytest.mark.parametrize(
    "calls",
    [
        [PARIS],
        [call('{"town":"Paris","at":9}')],
        orjson.dumps([PARIS]).decode(),
        [{**PARIS, "index": None}],
    ],
)
def test_calls_are_json_text_with_their_arguments_as_text(calls: Any) -> None:
    said = {"role": "assistant", "content": None, "tool_calls": calls}

    record = read_record(asked("Rain?", said, assistant("No.")), tools="keep")

    assert record.candidates[0].messages == [
        {"role": "assistant", "content": "", "tool_calls": PARIS_TEXT}
    ]
    assert record.candidates[1].messages == [assistant("No.")]


def test_arguments_that_are_a_text_are_kept_as_they_are() -> None:
    said = calling({"function": {"name": "weather", "arguments": "{'town':  oops"}})

    record = read_record(asked("Rain?", said, assistant("No.")), tools="keep")

    assert record.candidates[0].messages[0].get("tool_calls") == (
        '[{"function":{"name":"weather","arguments":"{\'town\':  oops"}}]'
    )


@pytest.mark.parametrize(
    "unknown",
    [
        {"name": "weather", "arguments": {}},
        {"type": "custom", "function": {"name": "weather", "arguments": "{}"}},
        {"type": [], "function": {"name": "weather", "arguments": "{}"}},
        {"function": {"name": "", "arguments": "{}"}},
        {"function": {"name": "weather", "arguments": [1]}},
        {"function": {"name": "weather", "arguments": "{}", "strict": True}},
        call({}, index=3),
        "weather()",
        7,
    ],
)
def test_a_call_of_another_form_refuses_the_row(unknown: Any) -> None:
    found = read_row(asked("Rain?", calling(unknown), assistant("No.")), tools="keep")

    assert isinstance(found, RowError)
    assert found.reason is Reason.NOT_TEXT_CONTENT
    assert "`chosen[0].tool_calls[0]` is not a call of the form" in found.detail


@pytest.mark.parametrize(
    "beside",
    [{"function_call": {"name": "weather"}}, {"images": ["x"]}, {"thinking": "Hm."}],
)
def test_what_is_beyond_tools_is_still_refused(beside: dict[str, Any]) -> None:
    row = asked("Rain?", {**calling(PARIS), **beside}, assistant("No."), tools=[WEATHER])

    found = read_row(row, tools="keep")

    assert isinstance(found, RowError)
    assert found.reason is Reason.NOT_TEXT_CONTENT


def test_the_result_of_a_call_says_of_which() -> None:
    row = asked("Rain?", assistant("Yes."), assistant("No."), tools=[WEATHER])
    result = {"role": "tool", "content": "wet", "tool_call_id": "c1", "name": "weather"}
    row["prompt"] += [calling(PARIS), result]

    assert read_record(row, tools="keep").prompt == [
        user("Rain?"),
        {"role": "assistant", "content": "", "tool_calls": PARIS_TEXT},
        result,
    ]


@pytest.mark.parametrize(
    "turn",
    [
        {"role": "user", "content": "Rain?", "name": "ann"},
        {"role": "user", "content": "Rain?", "tool_calls": [PARIS]},
        {"role": "tool", "content": None, "tool_call_id": "c1"},
    ],
)
def test_parts_of_tools_at_the_wrong_role_refuse_the_row(turn: dict[str, Any]) -> None:
    row = {"prompt": [turn], "chosen": [assistant("A")], "rejected": [assistant("B")]}

    found = read_row(row, tools="keep")

    assert isinstance(found, RowError)
    assert found.reason is Reason.NOT_TEXT_CONTENT


@pytest.mark.parametrize(
    "row",
    [
        *ROWS[:2],
        asked("Rain?", calling(PARIS), assistant("No.")),
        {
            "prompt": [user("Rain?"), {"role": "tool", "content": "wet", "name": "weather"}],
            "chosen": [assistant("Yes.")],
            "rejected": [assistant("No.")],
        },
    ],
)
def test_a_source_refuses_tools_unless_it_keeps_them(row: dict[str, Any]) -> None:
    found = read_row(row)

    assert isinstance(found, RowError)
    assert found.reason is Reason.NOT_TEXT_CONTENT
    assert "`tools: keep`" in found.detail


def test_conversations_part_where_their_calls_differ() -> None:
    shared = [user("Rain?"), calling(PARIS), {"role": "tool", "content": "wet"}]
    row = {
        "chosen": [*shared, assistant("Yes.")],
        "rejected": [user("Rain?"), calling(call({"town": "Rome"})), *shared[2:], assistant("No.")],
    }

    record = read_record(row, "trl_implicit", tools="keep")

    assert record.prompt == [user("Rain?")]
    assert [len(one.messages) for one in record.candidates] == [3, 3]


def test_messages_as_text_keep_turns_that_are_calls_alone() -> None:
    said = [{"role": "assistant", "tool_calls": [PARIS]}]
    row = {
        "prompt": [user("Rain?")],
        "chosen": orjson.dumps(said).decode(),
        "rejected": orjson.dumps([assistant("No.")]).decode(),
    }

    record = read_record(row, "trl_explicit", tools="keep")

    assert record.candidates[0].messages[0].get("tool_calls") == PARIS_TEXT


def test_entities_are_undone_in_contents_and_not_in_calls() -> None:
    said = calling(call({"town": "A &amp; B"}), content="A &amp; B")

    record = read_record(asked("Rain?", said, assistant("No.")), tools="keep", text="escaped")

    [message] = record.candidates[0].messages
    assert message["content"] == "A & B"
    assert "A &amp; B" in (message.get("tool_calls") or "")


def test_a_map_names_the_column_of_the_tools() -> None:
    columns = {"prompt": "q", "chosen": "good", "rejected": "bad", "tools": "meta.tools?"}
    row = {"q": "Rain?", "good": [calling(PARIS)], "bad": "No.", "meta": {"tools": [WEATHER]}}

    record = read_record(row, "columns", columns=columns, tools="keep")

    assert record.tools == WEATHER_TEXT
    assert record.candidates[0].messages[0].get("tool_calls") == PARIS_TEXT
    assert read_record({**row, "meta": {}}, "columns", columns=columns, tools="keep").tools is None


def test_other_tools_beside_those_of_a_map_refuse_the_row() -> None:
    columns = {"prompt": "q", "chosen": "good", "rejected": "bad", "tools": "mine"}
    row = {"q": "Rain?", "good": "A", "bad": "B", "mine": [WEATHER], "tools": [{"name": "other"}]}

    found = read_row(row, "columns", columns=columns, tools="keep")

    assert isinstance(found, RowError)
    assert found.reason is Reason.PROMPT_PART_UNREAD
    assert read_record(row, "columns", columns=columns, tools="keep", ignore=("tools",))


def test_a_map_with_tools_needs_a_source_that_keeps_them() -> None:
    columns = "{prompt: q, chosen: good, rejected: bad, tools: mine}"
    recipe = f"name: m\nsources: [{{name: m, files: [x], format: columns, columns: {columns}}}]\n"

    with pytest.raises(RecipeError, match=r"`columns\.tools` requires `tools: keep` on the source"):
        parse_recipe(recipe)


def test_openai_keeps_its_tools_within_the_input() -> None:
    row = {
        "input": {"messages": [user("Rain?")], "tools": [WEATHER]},
        "preferred_output": [calling(PARIS)],
        "non_preferred_output": [assistant("No.")],
    }

    assert read_record(row, tools="keep").tools == WEATHER_TEXT
    assert isinstance(read_row(row), RowError)


def test_tools_and_calls_are_part_of_the_ids() -> None:
    plain: list[Message] = [{"role": "assistant", "content": "", "tool_calls": None}]
    paris: list[Message] = [{"role": "assistant", "content": "", "tool_calls": PARIS_TEXT}]
    name = prompt_id([user("What is a haiku?")])

    assert name == "5c7e5cd171360b07d151508a"
    assert prompt_id([user("What is a haiku?")], WEATHER_TEXT) == "462d4fb40476733e798a1476"
    assert (
        response_id(name, plain) == response_id(name, [assistant("")]) == "6382bbec78d07eedf1a2baaf"
    )
    assert response_id(name, paris) == "c9925c1499d710423e885e3e"


PROMPT: list[Message] = [{"role": "user", "content": "Rain?"}]
CALLS: list[Message] = [{"role": "assistant", "content": "", "tool_calls": PARIS_TEXT}]


def test_a_judge_reads_tools_and_calls() -> None:
    wording = Wording("{principle}|{conversation}|{first}|{second}", "p", reasoned=False)

    assert render_question(wording, PROMPT, response_text(CALLS), "No.", tools="[1]") == (
        f"p|tools: [1]\n\nuser: Rain?|tool_calls: {PARIS_TEXT}|No."
    )


class Bare(Trl):
    """A target that cannot hold tools."""

    carries_tools: ClassVar[bool] = False


def test_a_target_that_cannot_hold_tools_is_a_mistake_in_the_recipe() -> None:
    recipe = parse_recipe(RECIPE.format(tools="keep"))
    bare = Export().model_copy(update={"target": Bare(kind="trl")})

    assert not list(problems_of(recipe))
    assert list(problems_of(recipe.model_copy(update={"export": bare}))) == [
        (
            ("sources", 0, "tools"),
            "the target `trl` cannot hold tools; leave out `tools: keep`",
        )
    ]
