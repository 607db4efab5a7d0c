"""Tools and tool calls before real models, and before TRL."""

from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from prefine.planning import publish_plan
from tests.made import byte_tokenizer, explicit, llama, run_recipe, table
from tests.runs.test_tools import SHOWS_TOOLS
from tests.unit.test_tools import RECIPE, ROWS, WEATHER_TEXT

pytestmark = pytest.mark.filterwarnings("ignore")

MEASURES = """
measures:
  - {{kind: reward/transformers, name: rm, weights: {{model: {reward}}}{template}}}
  - {{kind: ches/transformers, weights: {{model: {policy}}}, store: float32{template}}}
  - {{kind: policy/transformers, weights: {{model: {policy}}}{template}}}
  - {{kind: policy/transformers, name: half, weights: {{model: {policy}}}, max_tokens: 8}}
"""


def facts(folder: Path, template: str) -> pl.DataFrame:
    models = {
        "reward": llama("reward", folder / "reward", pad_token_id=0),
        "policy": llama("policy", folder / "policy"),
    }
    given = f", template: {orjson.dumps(template).decode()}" if template else ""
    recipe = RECIPE.format(tools="keep") + MEASURES.format(**models, template=given)
    return table(recipe, folder, "facts")


def test_what_a_template_leaves_out_has_no_values_and_a_reason(
    tmp_path: Path, write_lines: Any
) -> None:
    write_lines([*ROWS[:2], explicit("And now?", "Yes.", "No.")])

    found = facts(tmp_path, "")

    columns = ("rm_margin", "ches", "ches_shared_tokens", "policy_logp_margin")
    reasons = ("rm_reason", "ches_reason", "policy_reason")
    told = found.filter(pl.col("rm_reason") == "template_refused")
    assert told.height == 2
    assert set(told.select(reasons).unique().row(0)) == {"template_refused"}
    assert told.select(pl.col(*columns, "chosen_policy_tokens").is_null().all()).row(0) == (
        True,
    ) * (len(columns) + 1)
    plain = found.filter(pl.col("rm_reason").is_null())
    assert plain.select(reasons).row(0) == (None, None, None)
    assert None not in plain.select(columns).row(0)
    assert sorted(found["half_reason"]) == ["template_refused", "template_refused", "too_long"]


def test_a_template_that_shows_tools_gives_every_pair_its_values(
    tmp_path: Path, write_lines: Any
) -> None:
    write_lines([*ROWS, explicit("And now?", "Yes.", "No.")])

    found = facts(tmp_path, SHOWS_TOOLS)

    assert found.height == 4
    assert found.select("rm_reason", "ches_reason", "policy_reason").null_count().row(0) == (4,) * 3
    assert found.select("rm_margin", "ches", "policy_logp_margin").null_count().row(0) == (0,) * 3
    assert found["chosen_rm"].n_unique() == 4


def test_trl_renders_exported_tools_and_calls(tmp_path: Path, write_lines: Any) -> None:
    from datasets import load_dataset
    from trl.data_utils import apply_chat_template

    write_lines(ROWS)
    plan, runtime = run_recipe(RECIPE.format(tools="keep"), tmp_path)
    publish_plan(plan, runtime, str(tmp_path / "out"))
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = SHOWS_TOOLS.replace(
        "{{ c.function.arguments.town }}", "{{ c.function.arguments }}"
    )

    loaded: Any = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "c"))
    rendered: list[dict[str, str]] = []
    for row in loaded:
        sides = {key: row[key] for key in ("prompt", "chosen", "rejected")}
        tools = None if row["tools"] is None else orjson.loads(row["tools"])
        rendered.append(apply_chat_template(sides, tokenizer, tools=tools))

    called = [row for row in rendered if "<call>" in row["chosen"]]
    assert [row["chosen"] for row in called] == [
        '<call>weather {"town":"Paris","at":9}</call><|im_end|>\n'
    ]
    shown = [row["prompt"].startswith("<tools>") for row in rendered]
    assert sorted(shown) == [False, True, True]
    text = called[0]["prompt"].removeprefix("<tools>").split("</tools>")[0]
    assert orjson.loads(text) == orjson.loads(WEATHER_TEXT)
