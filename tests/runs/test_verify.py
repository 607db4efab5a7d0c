"""A published data set that contradicts itself: one damage at a time, one sentence each."""

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from prefine.cli import app
from prefine.errors import DataError
from prefine.export.verify import problems_of
from prefine.planning import publish_plan
from prefine.store import Store
from tests.made import explicit, run_recipe

RECIPE = """
name: made
sources:
  - {name: one, files: [one.jsonl]}
  - {name: two, files: [two.jsonl]}
measures: [{kind: lengths}]
rules:
  - {name: short, column: chosen_chars, minimum: 3}
  - {name: turn, column: chars_gap, flip_when: {maximum: -20}}
  - {name: look, column: chosen_chars, hold_when: {minimum: 60}}
export: {test_ratio: 0.3, rows_per_shard: 20}
"""
Damage = Callable[[Path, dict[str, Any]], None]


def lines(start: int, count: int) -> str:
    """Return rows of which 1 in 6 is dropped, 1 in 6 flipped and 1 in 6 held."""
    texts = [("ok", "no"), ("Yes, it is", "no"), ("Yes, it is", "x" * 40), ("y" * 70, "no")]
    pairs = [texts[n % 6] if n % 6 < 4 else ("It is", "no") for n in range(start, start + count)]
    rows = [explicit(f"Why {start + n}?", *pair) for n, pair in enumerate(pairs)]
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    (folder / "one.jsonl").write_text(lines(0, 42))
    (folder / "two.jsonl").write_text(lines(42, 18))
    plan, runtime = run_recipe(RECIPE, folder)
    publish_plan(plan, runtime, str(folder / "out"))
    return folder / "out"


@pytest.fixture
def out(clean: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clean, tmp_path / "out"))


def manifest_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "manifest.json").read_text())


def sealed(out: Path, manifest: dict[str, Any]) -> None:
    """Write a manifest that has the hashes of the files as they are."""
    for file in manifest["files"]:
        if (out / file["path"]).exists():
            body = (out / file["path"]).read_bytes()
            file |= {"num_bytes": len(body), "sha256": sha256(body).hexdigest()}
    (out / "manifest.json").write_text(json.dumps(manifest))


def told(out: Path) -> list[str]:
    return problems_of(Store(str(out)))


def test_a_data_set_as_published_has_no_contradiction(out: Path) -> None:
    manifest = manifest_of(out)

    assert told(out) == []
    assert manifest["dropped"] == {"hold/look": 10, "short": 10}
    assert manifest["num_flipped"] == 10
    assert len(list((out / "data").iterdir())) == 3
    sealed(out, manifest)
    assert told(out) == []


def at(path: str, value: Any) -> Damage:
    """Change one value of the manifest."""

    def change(out: Path, manifest: dict[str, Any]) -> None:
        *way, last = [int(key) if key.isdigit() else key for key in path.split(".")]
        here: Any = manifest
        for key in way:
            here = here[key]
        if value is None:
            del here[last]
        else:
            here[last] = value

    return change


COUNTS: list[tuple[Damage, str]] = [
    (at("num_pairs", 61), "manifest.json: 40 kept plus 20 dropped pairs do not equal 61"),
    (
        at("num_pairs", 61),
        "manifest.json: the splits have 60 pairs before rules, but num_pairs is 61",
    ),
    (at("num_flipped", 9), "explanations.csv has 10 flipped pairs, but the manifest has 9"),
    (
        at("num_flipped", 9),
        "10 rows of the shards are flipped, but the manifest has 9 flipped pairs of 1 rows",
    ),
    (
        at("num_flipped", 11),
        "manifest.json: num_flipped is 11, but the rules left 10 pairs flipped",
    ),
    (at("num_judgements", 7), "manifest.json: the sources have 60 labels, but num_judgements is 7"),
    (
        at("judgements_without_pair", {"no_value": 2}),
        "manifest.json: the sources have 0 unused labels for `no_value`, but judge",
    ),
    (
        at("sources.0.rows_in", 43),
        "manifest.json: source one has 43 rows, but 42 were read and 0 are in quarantine",
    ),
    (
        at("sources.1.quarantined", {"not_json": 1}),
        "manifest.json: source two has 18 rows, but 18 were read and 1 are in quarantine",
    ),
    (at("rules.4.in", 61), "manifest.json: rule short tested 61 pairs, but only 60 were left"),
    (at("rules.5.in", 51), "manifest.json: rule turn tested 51 pairs, but only 50 were left"),
    (at("rules.4.in", 9), "manifest.json: rule short tested 9 pairs, but acted on 10"),
    (at("rules.4.dropped", 9), "manifest.json: rule short dropped 9 pairs, but `dropped` has 10"),
    (at("rules.6.held", 9), "manifest.json: rule look held 9 pairs, but `dropped` has 10"),
    (
        at("rules.5.flipped", 9),
        "explanations.csv has 10 lines with flip by turn, but the manifest",
    ),
    (
        at("rules.5.turned_back", 1),
        "manifest.json: num_flipped is 10, but the rules left 9 pairs flipped",
    ),
    (
        at("dropped.short", 9),
        "explanations.csv has 10 lines with drop by short, but the manifest",
    ),
    (
        at("dropped.hold/look", 11),
        "explanations.csv has 10 lines with hold by look, but the manifest has 11",
    ),
    (at("dropped.other", 1), "manifest.json: rule other dropped 0 pairs, but `dropped` has 1"),
    (at("rows_per_pair", 2), "manifest.json: rows_per_pair is 2, target trl has 1"),
    (
        at("split_shares.before_rules.pairs.train", 1),
        "manifest.json: split train has 26 pairs after the rules, but 1 before",
    ),
    (
        at("split_shares.after_rules.pairs.test_ratio", 0.5),
        "manifest.json: split_shares after rules: test_ratio of pairs is 0.5, not 0.35",
    ),
    (
        at("split_shares.after_rules.prompts.test", 13),
        "split test has 14 prompts, but 13 in the manifest",
    ),
    (
        at("split_shares.wanted_test_ratio", 0.0),
        "manifest.json: 22 pairs are in test, although test_ratio is 0",
    ),
    (at("splits.train", 25), "split train has 26 rows, but 25 in the manifest"),
    (at("splits.test", None), "split test has 14 rows, but 0 in the manifest"),
    (at("num_pairs", None), "manifest.json lacks `num_pairs`"),
    (at("rules.0.in", "7"), "manifest.json: `rules.0.in`: input should be a valid integer"),
    (
        at("splits.valid", 1),
        "manifest.json: `splits.valid.[key]`: input should be 'train'",
    ),
    (at("name", "other"), "recipe.yaml: name is made, but other in the manifest"),
    (at("target", "kto"), "recipe.yaml: target is trl, but kto in the manifest"),
    (
        at("files.0.num_rows", 19),
        "data/train-00000-of-00002.parquet has 20 rows, but 19 in the manifest",
    ),
    (at("files.4", None), "manifest.json does not list README.md"),
    (at("recipe_sha256", "0"), "manifest.json: `recipe_sha256`: string should match pattern"),
]


@pytest.mark.parametrize(("damage", "sentence"), COUNTS)
def test_a_count_that_contradicts_another_is_a_sentence(
    out: Path, damage: Damage, sentence: str
) -> None:
    manifest = manifest_of(out)
    damage(out, manifest)
    sealed(out, manifest)

    assert [one for one in told(out) if one.startswith(sentence)]


def test_a_rule_that_leaves_a_source_out_is_found(out: Path) -> None:
    manifest = manifest_of(out)
    del manifest["rules"][5]["by_source"]["two"]
    sealed(out, manifest)

    assert (
        "manifest.json: rule turn does not count the pairs of source two, as other rules do"
        in told(out)
    )


@pytest.mark.parametrize("key", ["by_source", "turned_back"])
def test_a_rule_without_one_of_its_counts_is_found(out: Path, key: str) -> None:
    manifest = manifest_of(out)
    del manifest["rules"][5][key]
    sealed(out, manifest)

    assert told(out) == [f"manifest.json lacks `rules.5.{key}`"]


def test_another_name_of_a_rule_that_did_nothing_is_found(out: Path) -> None:
    manifest = manifest_of(out)
    manifest["rules"][0]["rule"] = "equal"
    sealed(out, manifest)

    assert told(out) == [
        "recipe.yaml: the list of rules made by `structure` is identical, empty, unlabelled, tie, "
        "but equal, empty, unlabelled, tie in the manifest"
    ]


def test_a_listed_file_without_a_path_is_an_error(out: Path) -> None:
    manifest = manifest_of(out)
    del manifest["files"][0]["path"]
    (out / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(DataError, match="lists a file outside its folder"):
        problems_of(Store(str(out)))


def by_source(short: dict[str, int], **more: dict[str, int]) -> Damage:
    """Give the rule `short` counts by source."""
    none = dict.fromkeys(("in", "dropped", "held", "flipped", "turned_back"), 0)
    return at("rules.4.by_source", {name: none | n for name, n in {"one": short, **more}.items()})


@pytest.mark.parametrize(
    ("damage", "sentences"),
    [
        (by_source({"in": 42, "dropped": 7}, two={"in": 18, "dropped": 3}), []),
        (
            by_source({"in": 42, "dropped": 6}, two={"in": 18, "dropped": 3}),
            ["manifest.json: rule short: `dropped` is 10, but 9 summed over its sources"],
        ),
        (
            by_source({"in": 41, "dropped": 7}, two={"in": 18, "dropped": 3}),
            ["manifest.json: rule short: `in` is 60, but 59 summed over its sources"],
        ),
        (
            by_source({"in": 42, "dropped": 7}, three={"in": 18, "dropped": 3}),
            [
                "manifest.json: rule short counts pairs of three, which is not a source",
                "manifest.json: rule short does not count the pairs of source two, as other rules "
                "do",
            ],
        ),
    ],
)
def test_counts_by_source_add_up_to_those_of_the_rule(
    out: Path, damage: Damage, sentences: list[str]
) -> None:
    manifest = manifest_of(out)
    damage(out, manifest)
    sealed(out, manifest)

    assert told(out) == sentences


def shard(out: Path, change: Callable[[pl.DataFrame], pl.DataFrame], name: str = "train") -> None:
    """Rewrite a shard."""
    path = next((out / "data").glob(f"{name}-00000-*"))
    schema = pq.read_schema(path)
    rows = change(pl.read_parquet(path))
    pq.write_table(rows.to_arrow().select(schema.names).cast(schema), path)


def csv(out: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Rewrite the explanations."""
    path = out / "explanations.csv"
    change(pl.read_csv(path)).write_csv(path)


def first_of(out: Path, verdict: str) -> str:
    found = pl.read_csv(out / "explanations.csv").filter(pl.col("verdict") == verdict)
    return found["pair_id"].min()  # pyright: ignore[reportReturnType]


def with_first(column: str, value: Any) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Change a value of the first row."""
    first = pl.int_range(pl.len()) == 0
    return lambda rows: rows.with_columns(
        pl.when(first).then(pl.lit(value)).otherwise(column).alias(column)
    )


def test_a_pair_that_is_in_two_rows_is_told(out: Path) -> None:
    def twice(rows: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([rows.head(1), rows.head(1), rows.tail(-2)])

    name = pl.read_parquet(out / "data/train-00000-of-00002.parquet")["pair_id"][0]
    shard(out, twice)
    sealed(out, manifest_of(out))

    assert f"1 pair is not in exactly 1 rows of the shards, such as {name} in 2" in told(out)


def test_a_pair_that_is_dropped_and_exported_is_told(out: Path) -> None:
    name = first_of(out, "drop")
    shard(out, with_first("pair_id", name))
    sealed(out, manifest_of(out))

    assert (
        f"1 pair is in the shards, but dropped or held in explanations.csv, such as {name}"
    ) in told(out)


def test_a_pair_that_is_flipped_in_one_place_only_is_told(out: Path) -> None:
    rows = pl.read_parquet(out / "data/train-00000-of-00002.parquet").filter("is_flipped")
    name = rows["pair_id"].min()
    flipped = pl.col("is_flipped") & (pl.col("pair_id") != name)
    shard(out, lambda rows: rows.with_columns(flipped))
    sealed(out, manifest_of(out))

    assert told(out) == [
        "9 rows of the shards are flipped, but the manifest has 10 flipped pairs of 1 rows",
        f"1 pair is flipped in explanations.csv, but not in the shards, such as {name}",
    ]


def test_a_flip_that_nobody_explains_is_told(out: Path) -> None:
    name = first_of(out, "flip")
    csv(out, lambda rows: rows.filter(pl.col("pair_id") != name))
    sealed(out, manifest_of(out))

    assert told(out) == [
        "explanations.csv has 9 flipped pairs, but the manifest has 10",
        f"1 pair is flipped in the shards, but not in explanations.csv, such as {name}",
    ]


def test_a_prompt_on_both_sides_is_told(out: Path) -> None:
    name = pl.read_parquet(out / "data/test-*.parquet")["prompt_id"][0]
    shard(out, with_first("prompt_id", name))
    sealed(out, manifest_of(out))

    assert f"1 prompt is in more than one split, such as {name}" in told(out)


def test_a_pair_on_both_sides_is_told(out: Path) -> None:
    name = pl.read_parquet(out / "data/test-*.parquet")["pair_id"][0]
    shard(out, with_first("pair_id", name))
    sealed(out, manifest_of(out))

    assert f"1 pair is in more than one split, such as {name}" in told(out)


@pytest.mark.parametrize("value", ["x", "0" * 23, "g" * 24, "A" * 24, "é" * 12])
def test_what_is_no_id_is_told(out: Path, value: str) -> None:
    shard(out, with_first("pair_id", value))
    csv(out, with_first("pair_id", value))
    sealed(out, manifest_of(out))

    problems = told(out)
    assert (
        "data/train-00000-of-00002.parquet has 1 rows whose pair_id is not 24 hex digits"
        in problems
    )
    assert "explanations.csv has 1 lines whose pair_id is not 24 hex digits" in problems


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        (
            with_first("verdict", "keep"),
            [
                "explanations.csv has lines with the verdict `keep`",
            ],
        ),
        (
            with_first("rule", "nobody"),
            ["explanations.csv has lines of a rule `nobody` that is not in the manifest"],
        ),
        (
            lambda rows: pl.concat([rows, rows.filter(pl.col("verdict") == "hold").head(1)]),
            [
                "explanations.csv has 11 lines with hold by look, but the manifest has 10",
                "1 pair is more than once in explanations.csv",
            ],
        ),
        (lambda rows: rows.drop("rule"), ["explanations.csv cannot be read: Column 'rule' in"]),
    ],
)
def test_lines_that_the_manifest_does_not_know_are_told(
    out: Path, change: Callable[[pl.DataFrame], pl.DataFrame], sentences: list[str]
) -> None:
    csv(out, change)
    sealed(out, manifest_of(out))

    problems = told(out)
    assert [s for s in sentences if not [one for one in problems if one.startswith(s)]] == []


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "explanations.csv cannot be read: Empty CSV file"),
        (b"\x00\xff\xfe" * 50, "explanations.csv cannot be read: "),
        (
            b"pair_id,verdict,rule\nsecret\n",
            "explanations.csv cannot be read: CSV parse error: ",
        ),
        (b'pair_id,verdict,rule\n"0', "explanations.csv cannot be read: "),
    ],
)
def test_a_damaged_csv_is_a_sentence(out: Path, body: bytes, sentence: str) -> None:
    (out / "explanations.csv").write_bytes(body)

    problems = told(out)

    assert problems[0] == "explanations.csv has changed since it was written"
    assert len(problems) == 2
    assert problems[1].startswith(sentence)
    assert "secret" not in problems[1]


def test_kept_text_of_many_lines_is_no_contradiction(out: Path) -> None:
    csv(out, lambda rows: rows.with_columns(own=pl.lit('a "quoted",\r\nlong\n\ntext')))
    sealed(out, manifest_of(out))

    assert told(out) == []


def test_a_data_set_in_which_every_pair_was_kept_verifies(tmp_path: Path) -> None:
    rows = [json.dumps(explicit(f"Why {n}?", "Because.", "No.")) for n in range(8)]
    (tmp_path / "one.jsonl").write_text("\n".join(rows))
    text = "name: made\nsources: [{name: one, files: [one.jsonl]}]\n"
    plan, runtime = run_recipe(text, tmp_path)
    publish_plan(plan, runtime, str(tmp_path / "out"))

    assert (tmp_path / "out/explanations.csv").read_text().count("\n") == 1
    assert told(tmp_path / "out") == []


def test_a_damaged_shard_costs_one_sentence_beside_its_bytes(out: Path) -> None:
    path = out / "data/train-00000-of-00002.parquet"
    path.write_bytes(path.read_bytes()[:-20])

    problems = told(out)

    assert problems[0] == f"data/{path.name} has changed since it was written"
    assert len(problems) == 2
    assert problems[1].startswith(f"data/{path.name} cannot be read: ")


def test_bytes_anywhere_in_a_shard_never_cost_a_traceback(out: Path) -> None:
    path = out / "data/test-00000-of-00001.parquet"
    body = path.read_bytes()
    for place in range(4, len(body), max(1, len(body) // 60)):
        path.write_bytes(body[:place] + bytes([body[place] ^ 0xFF]) + body[place + 1 :])

        assert f"data/{path.name} has changed since it was written" in told(out)


def test_a_shard_that_is_missing_costs_no_further_sentences(out: Path) -> None:
    (out / "data/train-00001-of-00002.parquet").unlink()

    assert told(out) == ["data/train-00001-of-00002.parquet is missing"]


def test_a_shard_that_is_not_listed_any_more_is_told(out: Path) -> None:
    manifest = manifest_of(out)
    name = "data/train-00001-of-00002.parquet"
    manifest["files"] = [file for file in manifest["files"] if file["path"] != name]
    sealed(out, manifest)

    problems = told(out)

    assert problems[:2] == [
        f"{name} is not in manifest.json, but readers would load it",
        f"manifest.json does not list {name}",
    ]
    assert "split train has 20 rows, but 26 in the manifest" in problems


def test_a_shard_of_other_columns_is_told(out: Path) -> None:
    path = out / "data/train-00001-of-00002.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["strength"]), path)
    sealed(out, manifest_of(out))

    assert told(out) == [f"data/{path.name} has a different schema than the first shard"]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("name: made", "name: other", "recipe.yaml: name is other, but made in the manifest"),
        ("- name: one", "- name: uno", "recipe.yaml: the list of sources is uno, two, but"),
        ("- name: look", "- name: see", "recipe.yaml: the list of rules is short, turn, see, but"),
        ("test_ratio: 0.3", "test_ratio: 0.2", "recipe.yaml: test_ratio is 0.2, but 0.3 in the"),
        ("kind: trl", "kind: kto", "recipe.yaml: target is kto, but trl in the manifest"),
        ("name: made", "{name: [", "recipe.yaml is not valid YAML"),
    ],
)
def test_another_recipe_is_told(out: Path, old: str, new: str, sentence: str) -> None:
    text = (out / "recipe.yaml").read_text()
    assert old in text
    (out / "recipe.yaml").write_text(text.replace(old, new, 1))
    sealed(out, manifest_of(out))

    assert [one[: len(sentence)] for one in told(out)] == [sentence]


def test_a_target_of_several_rows_a_pair_verifies(out: Path) -> None:
    """Rows are doubled as a target with two rows a pair would write them."""
    manifest = manifest_of(out)
    for file in manifest["files"]:
        if "num_rows" in file:
            path = out / file["path"]
            rows = pq.read_table(path)
            twice = pa.concat_tables([rows, rows])
            pq.write_table(twice, path)
            file["num_rows"] *= 2
    manifest |= {"target": "thumbs", "rows_per_pair": 2}
    manifest["splits"] = {split: 2 * count for split, count in manifest["splits"].items()}
    recipe = (out / "recipe.yaml").read_text()
    (out / "recipe.yaml").write_text(recipe.replace("kind: trl", "kind: thumbs"))
    sealed(out, manifest)

    assert told(out) == []

    shard(out, lambda rows: pl.concat([rows.head(1), rows.head(-1)]))
    sealed(out, manifest)
    assert [one for one in told(out) if "not in exactly 2 rows of the shards" in one]


def test_a_target_without_ids_is_counted_alone(out: Path) -> None:
    for path in (out / "data").iterdir():
        pq.write_table(pq.read_table(path, columns=["prompt", "chosen", "rejected"]), path)
    sealed(out, manifest_of(out))

    assert told(out) == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"prefine": "0"}', b"\xff"])
def test_a_damaged_manifest_is_one_sentence(out: Path, body: bytes) -> None:
    (out / "manifest.json").write_bytes(body)

    with pytest.raises(DataError, match=r"manifest\.json (is not valid JSON|was not written by)"):
        told(out)


def test_the_command_prints_a_line_a_contradiction(out: Path) -> None:
    manifest = manifest_of(out)
    at("num_judgements", 7)(out, manifest)
    sealed(out, manifest)

    done = CliRunner().invoke(app, ["verify", str(out)])

    assert done.exit_code == 1
    assert done.output.strip().splitlines() == [
        "manifest.json: the sources have 60 labels, but num_judgements is 7"
    ]
