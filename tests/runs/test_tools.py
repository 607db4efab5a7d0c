"""Tool calls from the source file to the exported shard."""

from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from prefine.cli import app
from prefine.planning import publish_plan
from prefine.serve.chat import Chat, PlainText, ToolsRefusedError
from prefine.settings import Model
from tests.made import (
    TEMPLATE,
    assistant,
    byte_tokenizer,
    explicit,
    run_recipe,
    table,
    turns_of,
    user,
)
from tests.unit.test_tools import (
    CALLS,
    PARIS,
    PARIS_TEXT,
    PROMPT,
    RECIPE,
    ROWS,
    WEATHER_TEXT,
    asked,
    calling,
)

SHOWS_TOOLS = (
    "{% if tools %}<tools>{{ tools | tojson }}</tools>{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for c in m.tool_calls or [] %}<call>{{ c.function.name }} "
    "{{ c.function.arguments.town }}</call>{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def chat(folder: Path, template: str) -> Chat:
    byte_tokenizer().save_pretrained(folder / "bytes")
    return Chat(Model(model=str(folder / "bytes")), template)


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
    assert "role user, content Rain?" in shown.replace("\n", "")


def test_prompts_of_other_tools_lie_apart(tmp_path: Path, write_lines: Any) -> None:
    write_lines(ROWS)

    prompts = table(RECIPE.format(tools="keep"), tmp_path, "prompts")

    assert turns_of(prompts) == [[user("Rain?")]] * 2
    assert sorted(prompts["tools"].fill_null("")) == ["", WEATHER_TEXT]
