"""Sources and roots that are not local files: an S3 endpoint, and ``hf://`` through datasets."""

import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import datasets
import pytest
import s3fs
from moto.server import ThreadedMotoServer

from tests.made import Environment, call, explicit, files

RECIPE = """
name: remote
shards: 2
sources: [{{name: made, files: ["{file}"]}}]
measures: [{{kind: lengths}}]
rules: [{{name: short, column: chosen_chars, minimum: 8}}]
"""
ROWS = [explicit(f"Question {i}?", "A good answer." if i % 4 else "No.", "Bad") for i in range(40)]


def prefine(*arguments: str, env: Environment, cwd: Path) -> str:
    return call([sys.executable, "-m", "prefine.cli", *arguments], env, cwd)


def recipe(folder: Path, file: str) -> str:
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(file=file), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def s3() -> Generator[Environment]:
    """Start an S3 endpoint on a free port; yield the environment that talks to it."""
    endpoint = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    endpoint.start()
    host, port = endpoint.get_host_and_port()
    secrets = {"AWS_ACCESS_KEY_ID": "made", "AWS_SECRET_ACCESS_KEY": "made-secret"}
    try:
        yield {
            **os.environ,
            **secrets,
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        endpoint.stop()


def test_a_run_between_buckets_writes_what_a_local_run_writes(
    s3: Environment, tmp_path: Path, write_lines: Any
) -> None:
    local = write_lines(ROWS)
    here = recipe(tmp_path, "rows.jsonl")
    prefine("run", here, "--output", "out", "--root", "root", env=s3, cwd=tmp_path)
    fs = s3fs.S3FileSystem(
        key=s3["AWS_ACCESS_KEY_ID"],
        secret=s3["AWS_SECRET_ACCESS_KEY"],
        endpoint_url=s3["AWS_ENDPOINT_URL"],
    )
    fs.mkdir("made-bucket")
    fs.put(str(local), "made-bucket/raw/rows.jsonl")
    there = recipe(tmp_path, "s3://made-bucket/raw/*.jsonl")
    places = ["--output", "s3://made-bucket/out", "--root", "s3://made-bucket/root"]

    prefine("run", there, *places, env=s3, cwd=tmp_path)
    told = prefine("-v", "run", there, *places, env=s3, cwd=tmp_path)

    assert "event=start" not in told, "a second run does nothing"
    assert "match the manifest" in prefine("verify", "s3://made-bucket/out", env=s3, cwd=tmp_path)
    fs.invalidate_cache()
    fs.get("made-bucket/out/", str(tmp_path / "fetched"), recursive=True)
    found, wanted = files(tmp_path / "fetched"), files(tmp_path / "out")
    differ = {"recipe.yaml", "manifest.json", "README.md"}
    assert set(found) == set(wanted)
    assert {n: b for n, b in found.items() if n not in differ} == {
        n: b for n, b in wanted.items() if n not in differ
    }


@pytest.fixture
def hub(tmp_path: Path) -> Environment:
    return {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}


def test_a_data_set_of_the_hub_is_read_through_datasets(hub: Environment, tmp_path: Path) -> None:
    folder = tmp_path / "made-set"
    made = datasets.Dataset.from_list(ROWS)
    made.to_parquet(folder / "data/train-00000-of-00001.parquet")
    made.select(range(3)).to_parquet(folder / "data/test-00000-of-00001.parquet")

    for split, count in (("train", 40), ("test", 3)):
        address = recipe(tmp_path, f"hf://{folder}?split={split}")
        told = prefine(
            "run", address, "--output", f"out-{split}", "--root", "root", env=hub, cwd=tmp_path
        )
        assert f"{count} labels made {count} pairs" in told


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("hf://{folder}?split=nowhere", "Unknown split"),
        ("hf://{folder}?spilt=train", "unknown keys: spilt"),
        ("hf://made/not-there", "made/not-there"),
    ],
)
def test_a_wrong_address_is_one_sentence(
    hub: Environment, tmp_path: Path, address: str, message: str
) -> None:
    folder = tmp_path / "made-set"
    datasets.Dataset.from_list(ROWS).to_parquet(folder / "data/train.parquet")
    path = recipe(tmp_path, address.format(folder=folder))
    command = [sys.executable, "-m", "prefine.cli", "run", path, "--output", "out"]

    told = call(command, hub, tmp_path, expected=2)

    assert message in told
    assert told.count("error: ") == 1
    assert "Traceback" not in told
