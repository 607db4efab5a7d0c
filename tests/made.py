"""Made rows, small models and short ways to run a recipe; used by all lanes."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from prefine.ingest.detect import FirstRows, matching_layouts
from prefine.ingest.layout import Context
from prefine.ingest.layouts import layout_named
from prefine.ingest.parse import parse_row
from prefine.ingest.record import Record, RowError
from prefine.ingest.rows import RawRow
from prefine.planning import Plan, make_plan, run_plan
from prefine.planning.look import read_table
from prefine.recipe import parse_recipe
from prefine.settings import Runtime
from prefine.step import run_step

Environment = dict[str, str]

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] + '\n' + m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def user(content: str) -> dict[str, str]:
    return turn("user", content)


def assistant(content: str) -> dict[str, str]:
    return turn("assistant", content)


def explicit(prompt: str, chosen: str, rejected: str, **more: Any) -> dict[str, Any]:
    """Return a row of TRL's explicit layout."""
    return {
        "prompt": [user(prompt)],
        "chosen": [assistant(chosen)],
        "rejected": [assistant(rejected)],
        **more,
    }


def first_rows(rows: list[Any]) -> FirstRows:
    """Return parsed rows as the first ones of a file."""
    return FirstRows([RawRow(n, row, None, b"") for n, row in enumerate(rows, 1)], None)


def read_row(row: Any, layout: str | None = None, **options: Any) -> Record | RowError:
    """Read one parsed row, in the layout that it fits where none is named."""
    if layout is None:
        matches = matching_layouts(row)
        assert len(matches) == 1, matches
        layout = matches[0].format
    source = layout_named(layout)(name="made", files=("made.jsonl",), **options)
    found = parse_row(RawRow(1, row, None, b""), source, Context())
    return found[0] if isinstance(found, list) else found


def read_record(row: Any, layout: str | None = None, **options: Any) -> Record:
    """Read one parsed row that must be readable."""
    record = read_row(row, layout, **options)
    assert isinstance(record, Record), record
    return record


def run_recipe(text: str, folder: Path, **runtime: Any) -> tuple[Plan, Runtime]:
    """Run a recipe whose sources are in a folder; its results are below ``folder/root``."""
    settings = Runtime(**{"root": str(folder / "root"), "data": str(folder), **runtime})
    plan = make_plan(parse_recipe(text), settings)
    run_plan(plan, settings)
    return plan, settings


def table(text: str, folder: Path, name: str, **runtime: Any) -> pl.DataFrame:
    """Run a recipe as far as one of its tables, and return it."""
    settings = Runtime(**{"root": str(folder / "root"), "data": str(folder), **runtime})
    plan = make_plan(parse_recipe(text), settings)
    last = plan.writers(name)[-1]
    for step in plan.steps[: plan.steps.index(last) + 1]:
        for shard in step.shards:
            run_step(step, shard, settings)
    return read_table(plan, settings, name)


def turns_of(rows: pl.DataFrame) -> list[list[dict[str, str]]]:
    """Return the messages of a table, without null fields."""
    return [
        [{key: value for key, value in message.items() if value is not None} for message in turns]
        for turns in rows["messages"]
    ]


def byte_tokenizer() -> Any:
    """Build a byte-level tokenizer with a chat template; every byte is a token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<pad>", "<|im_start|>", "<|im_end|>"]
    vocab = {token: number for number, token in enumerate(special + alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>"],
    )
    fast.chat_template = TEMPLATE
    return fast


def llama(kind: str, folder: Path, seed: int = 0, **config: Any) -> Path:
    """Build a small random Llama on disk: ``policy`` or ``reward``."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

    tokenizer = byte_tokenizer()
    torch.manual_seed(seed)
    settings = LlamaConfig(
        **{
            "vocab_size": len(tokenizer),
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 64,
            "max_position_embeddings": 4096,
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "bos_token_id": None,
            "num_labels": 1,
            **config,
        }
    )
    built = LlamaForCausalLM if kind == "policy" else LlamaForSequenceClassification
    model = built(settings)
    if kind == "reward":
        torch.nn.init.normal_(model.score.weight, std=0.2)
    else:
        weights = torch.linspace(0.5, 1.5, settings.hidden_size)
        model.model.norm.weight.data.copy_(weights)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def drawn_llama(kind: str, folder: Path) -> Path:
    """Build the same small Llama with weights that are the same bytes on every processor."""
    import numpy as np
    from safetensors.numpy import load_file, save_file

    path = llama(kind, folder) / "model.safetensors"
    rng = np.random.default_rng(0)
    drawn = {
        name: rng.standard_normal(values.shape, np.float32) * np.float32(0.05)
        for name, values in sorted(load_file(path).items())
    }
    save_file(drawn, path, metadata={"format": "pt"})
    return folder


def prefect_environment(home: Path, **more: str) -> Environment:
    """Return variables for Prefect.

    Args:
        home: Where it keeps its database, which takes seconds to make; one for all tests of a
            worker is ``tmp_path.parent / "prefect"``.
        more: Further variables.
    """
    return {
        **os.environ,
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "prefine",
        "NO_COLOR": "1",
        **more,
    }


def call(arguments: list[str], env: Environment, cwd: Path, expected: int = 0) -> str:
    """Run a command to its end; return what it printed."""
    done = subprocess.run(
        arguments, env=env, cwd=cwd, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == expected, f"{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def files(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pids: list[int]) -> bool:
    return until(lambda: not any(alive(pid) for pid in pids))


def until(condition: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    waiting = subprocess.Popen(["sleep", str(seconds)])
    try:
        while time.monotonic() < deadline:
            if condition():
                return True
            try:
                waiting.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        return condition()
    finally:
        waiting.kill()
        waiting.wait()
