"""Tools and tool calls: read, part of ids, shown to models, and exported where possible."""

from pathlib import Path
from typing import Any, ClassVar

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from prefine.cli import app
from prefine.errors import RecipeError
from prefine.export.settings import Export
from prefine.export.targets.trl import Trl
from prefine.ingest.record import Reason, RowError
from prefine.measure.judge.wording import Wording, render_question, response_text
from prefine.plan import publish_plan
from prefine.recipe import parse_recipe
from prefine.recipe.check import problems_of
from prefine.schema import Message, prompt_id, response_id
from prefine.serve.chat import Chat, PlainText, ToolsRefusedError
from prefine.settings import Model
from tests.made import (
    TEMPLATE,
    assistant,
    byte_tokenizer,
    explicit,
    read_record,
    read_row,
    run_recipe,
    table,
    turns_of,
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
SHOWS_TOOLS = (
    "{% if tools %}<tools>{{ tools | tojson }}</tools>{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for c in m.tool_calls or [] %}<call>{{ c.function.name }} "
    "{{ c.function.arguments.town }}</call>{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
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


def chat(folder: Path, template: str) -> Chat:
    byte_tokenizer().save_pretrained(folder / "bytes")
    return Chat(Model(model=str(folder / "bytes")), template)


PROMPT: list[Message] = [{"role": "user", "content": "Rain?"}]
CALLS: list[Message] = [{"role": "assistant", "content": "", "tool_calls": PARIS_TEXT}]


def test_a_template_gets_tools_and_parsed_arguments(tmp_path: Path) -> None:
    renderer = chat(tmp_path, SHOWS_TOOLS)
    shown = "<tools>" + orjson.dumps(orjson.loads(WEATHER_TEXT)).decode() + "</tools>"

    text = renderer.text([*PROMPT, *CALLS], ask=False, tools=WEATHER_TEXT)

    assert text.replace(" ", "") == (
        f"{shown}<|im_start|>user\nRain?<|im_end|>\n"
        "<|im_start|>assistant\n<call>weatherParis</call><|im_end|>\n"
    )


def test_a_response_of_calls_is_rendered_up_to_the_end_of_its_turn(tmp_path: Path) -> None:
    renderer = chat(tmp_path, SHOWS_TOOLS)

    found = renderer.prompt_response(PROMPT, CALLS, WEATHER_TEXT)

    decode = renderer.tokenizer.decode
    assert decode(found.response) == "<call>weather Paris</call><|im_end|>"
    assert decode(found.prompt).endswith("Rain?<|im_end|>\n<|im_start|>assistant\n")
    assert decode(found.prompt).startswith("<tools>")


def test_a_template_that_leaves_tools_out_is_refused(tmp_path: Path) -> None:
    renderer = chat(tmp_path, TEMPLATE)

    assert renderer.conversation(PROMPT)
    with pytest.raises(ToolsRefusedError):
        renderer.conversation(PROMPT, WEATHER_TEXT)
    with pytest.raises(ToolsRefusedError):
        renderer.conversation([*PROMPT, *CALLS])
    with pytest.raises(ToolsRefusedError):
        renderer.prompt_response(PROMPT, CALLS)
    with pytest.raises(ToolsRefusedError):
        chat(tmp_path, "{{ raise_exception('no tools') }}").text(PROMPT, ask=True, tools="[]")
    with pytest.raises(ToolsRefusedError):
        PlainText(Model(model=str(tmp_path / "bytes"))).prompt_response(PROMPT, CALLS)


def test_a_measure_says_that_a_template_leaves_tools_out(tmp_path: Path, write_lines: Any) -> None:
    byte_tokenizer().save_pretrained(tmp_path / "bytes")
    write_lines(ROWS)
    recipe = RECIPE.format(tools="keep") + (
        f"measures: [{{kind: equal_after_truncation, tokenizer: {{model: {tmp_path}/bytes}}, "
        "max_tokens: 99}]\n"
    )

    found = table(recipe, tmp_path, "measure_equal_after_truncation")

    assert sorted(found["truncation_reason"].fill_null("-")) == [
        "-",
        "template_refused",
        "template_refused",
    ]


def test_a_judge_reads_tools_and_calls() -> None:
    wording = Wording("{principle}|{conversation}|{first}|{second}", "p", reasoned=False)

    assert render_question(wording, PROMPT, response_text(CALLS), "No.", tools="[1]") == (
        f"p|tools: [1]\n\nuser: Rain?|tool_calls: {PARIS_TEXT}|No."
    )


STRUCT = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
CALL = pa.struct(
    [
        ("type", pa.string()),
        ("function", pa.struct([("name", pa.string()), ("arguments", pa.string())])),
        ("id", pa.string()),
    ]
)
TOOL_STRUCT = pa.list_(
    pa.struct(
        [
            ("role", pa.string()),
            ("content", pa.string()),
            ("tool_calls", pa.list_(CALL)),
            ("tool_call_id", pa.string()),
            ("name", pa.string()),
        ]
    )
)


def exported(recipe: str, folder: Path) -> Path:
    plan, runtime = run_recipe(recipe, folder)
    publish_plan(plan, runtime, str(folder / "out"))
    return folder / "out"


def test_tools_and_calls_are_exported_as_they_came(tmp_path: Path, write_lines: Any) -> None:
    write_lines(ROWS)

    out = exported(RECIPE.format(tools="keep"), tmp_path)

    path = out / "data/train-00000-of-00001.parquet"
    schema = pq.read_schema(path)
    assert [schema.field(name).type for name in ("prompt", "chosen", "rejected")] == [
        TOOL_STRUCT
    ] * 3
    assert schema.names[:4] == ["prompt", "chosen", "rejected", "tools"]
    assert schema.field("tools").type == pa.string()
    rows = pl.read_parquet(path).sort("tools", pl.col("chosen").list.get(0).struct.field("content"))
    assert rows["tools"].to_list() == [None, WEATHER_TEXT, WEATHER_TEXT]
    assert rows["prompt_id"].n_unique() == 2
    assert rows["chosen"].to_list()[1][0]["tool_calls"] == [
        {
            "type": "function",
            "function": {"name": "weather", "arguments": '{"town":"Paris","at":9}'},
            "id": "c1",
        }
    ]
    assert rows["chosen"].to_list()[2][0]["tool_calls"] is None
    assert "JSON text of the list of tools" in (out / "README.md").read_text()


def test_the_schema_without_tools_is_the_one_of_before(tmp_path: Path, write_lines: Any) -> None:
    write_lines([explicit("Q?", "A", "B")])

    out = exported(RECIPE.format(tools="refuse"), tmp_path)

    schema = pq.read_schema(out / "data/train-00000-of-00001.parquet")
    assert [schema.field(name).type for name in ("prompt", "chosen", "rejected")] == [STRUCT] * 3
    assert "tools" not in schema.names
    assert "tools" not in (out / "README.md").read_text()


def test_two_calls_without_a_text_are_neither_blank_nor_identical(
    tmp_path: Path, write_lines: Any
) -> None:
    write_lines(ROWS[:1])

    pairs = table(RECIPE.format(tools="keep"), tmp_path, "pairs")

    assert pairs.select("num_empty", "is_identical").rows() == [(0, False)]


def test_a_turn_of_calls_is_no_empty_turn(tmp_path: Path, write_lines: Any) -> None:
    row = asked("Rain?", assistant("Yes."), assistant("No."))
    row["prompt"] += [calling(PARIS), {"role": "tool", "content": "wet", "tool_call_id": "c1"}]
    write_lines([row])

    pairs = table(RECIPE.format(tools="keep"), tmp_path, "pairs")

    assert pairs.select("num_empty_turns", "turns_alternate").rows() == [(0, True)]


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


def test_explain_and_show_print_tools(tmp_path: Path, write_lines: Any) -> None:
    write_lines(ROWS[:1])
    run_recipe(RECIPE.format(tools="keep"), tmp_path)
    root = ["--root", str(tmp_path / "root")]
    [pair] = table(RECIPE.format(tools="keep"), tmp_path, "pairs")["pair_id"]

    explained = CliRunner().invoke(app, ["explain", pair, "--chars", "0", *root]).stdout
    shown = CliRunner().invoke(app, ["show", "prompts", *root]).stdout

    unwrapped = explained.replace("\n", "")
    assert f"--- tools{WEATHER_TEXT}" in unwrapped
    assert f"tool_calls: {PARIS_TEXT}" in unwrapped
    assert "{'role': 'user', 'content': 'Rain?'}" in shown.replace("\n", "")


def test_prompts_of_other_tools_lie_apart(tmp_path: Path, write_lines: Any) -> None:
    write_lines(ROWS)

    prompts = table(RECIPE.format(tools="keep"), tmp_path, "prompts")

    assert turns_of(prompts) == [[user("Rain?")]] * 2
    assert sorted(prompts["tools"].fill_null("")) == ["", WEATHER_TEXT]
