"""Splits and prompt groups, in runs of a recipe."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from prefine.export.card import write_card
from prefine.planning import Plan, publish_plan
from prefine.planning.look import read_table
from prefine.schema import hash_unit, prompt_id
from prefine.settings import Runtime
from tests.made import assistant, explicit, run_recipe, table, turn, user

RECIPE = "name: made\nsources: [{name: made, files: [rows.jsonl]}]\n"


def recipe(ratio: float, more: str = "") -> str:
    return f"{RECIPE}{more}export: {{test_ratio: {ratio}}}\n"


def sides(text: str, folder: Path) -> dict[str, str]:
    """Return the split of each prompt by its text."""
    splits = dict(table(text, folder, "splits").iter_rows())
    prompts = table(text, folder, "prompts")
    return {
        "".join(message["content"] for message in turns): splits[name]
        for name, turns in prompts.select("prompt_id", "messages").iter_rows()
    }


def ran(text: str, folder: Path, name: str = "out") -> tuple[Plan, Runtime, dict[str, Any]]:
    plan, runtime = run_recipe(text, folder)
    publish_plan(plan, runtime, str(folder / name))
    return plan, runtime, json.loads((folder / name / "manifest.json").read_text())


def test_where_no_prompt_has_a_copy_the_draw_alone_decides(
    write_lines: Any, tmp_path: Path
) -> None:
    texts = [f"What is {n} plus {n}?" for n in range(300)]
    write_lines([explicit(text, "Even.", "Odd.") for text in texts])

    found = sides(recipe(0.1, "seed: 5\n"), tmp_path)

    draws = {text: hash_unit(5, "split", prompt_id([user(text)])) for text in texts}
    assert {text for text in texts if found[text] == "test"} == {
        text for text in texts if draws[text] < 0.1
    }


def test_twins_share_a_side_without_near_duplicates(write_lines: Any, tmp_path: Path) -> None:
    texts = [f"what is {n} plus {n}?" for n in range(60)]
    write_lines(
        [explicit(form(text), "Even.", "Odd.") for text in texts for form in (str, str.upper)]
    )

    found = sides(recipe(0.3), tmp_path)

    assert len(found) == 120
    assert [text for text in texts if found[text] != found[text.upper()]] == []
    assert set(found.values()) == {"train", "test"}


def test_turns_and_roles_do_not_hide_twins(write_lines: Any, tmp_path: Path) -> None:
    rows: list[Any] = []
    for n in range(40):
        asked = f"what is {n}?"
        sides_ = {"chosen": [assistant("Much.")], "rejected": [assistant("No.")]}
        rows += [
            {"prompt": [user(asked)], **sides_},
            {"prompt": [turn("system", "What IS"), user(f"{n}?")], **sides_},
        ]
    write_lines(rows)

    found = sides(recipe(0.4), tmp_path)

    assert len(found) == 80
    assert [n for n in range(40) if found[f"what is {n}?"] != found[f"What IS{n}?"]] == []


def test_a_component_larger_than_the_test_share_is_in_train_and_remarked(
    write_lines: Any, tmp_path: Path
) -> None:
    words = " ".join(f"word{n}" for n in range(60))
    copies = [f"{words} {n}" for n in range(30)]
    others = [f"What is {n} plus {n + 1}?" for n in range(70)]
    write_lines([explicit(text, "yes", "no") for text in [*copies, *others]])
    text = recipe(0.2, "measures: [{kind: near_duplicates}]\n")

    plan, runtime, manifest = ran(text, tmp_path)

    assert {side for name, side in sides(text, tmp_path).items() if name in copies} == {"train"}
    assert manifest["remarks"] == [
        "splits: groups of near-copy prompts that are larger than the requested test split are in "
        "train: 1, the largest with 30 of 100 pairs"
    ]
    counts = read_table(plan, runtime, "splits")["split"].value_counts()
    assert 15 <= dict(counts.iter_rows())["test"] <= 25
    card = (tmp_path / "out/README.md").read_text()
    assert f"## Notes\n\n- {manifest['remarks'][0]}\n" in card


def test_copies_that_join_a_prompt_leave_it_in_test(write_lines: Any, tmp_path: Path) -> None:
    texts = [" ".join(f"c{n}w{k}" for k in range(40)) for n in range(80)]
    measured = recipe(0.25, "measures: [{kind: near_duplicates}]\n")
    write_lines([explicit(text, "yes", "no") for text in texts])
    before = sides(measured, tmp_path)
    of_test = [text for text in texts if before[text] == "test"]
    assert len(of_test) > 10

    for joined in of_test[:6]:
        copies = [f"{joined} {word}" for word in ("now", "then")]
        write_lines([explicit(text, "yes", "no") for text in [*texts, *copies]])
        after = sides(measured, tmp_path)

        assert [after[text] for text in (joined, *copies)] == ["test"] * 3
        assert [text for text in texts if after[text] != before[text]] == []


def test_a_moved_threshold_moves_no_prompt(write_lines: Any, tmp_path: Path) -> None:
    write_lines([explicit(f"What is {n}?", "y" * (n % 9 + 1), "no") for n in range(60)])
    lengths = "measures: [{kind: lengths}]\nrules: [{name: short, column: chosen_chars, minimum: "

    loose, _, at_first = ran(recipe(0.3, f"{lengths}2}}]\n"), tmp_path)
    strict, runtime, later = ran(recipe(0.3, f"{lengths}6}}]\n"), tmp_path)

    assert loose.step("decide").fingerprint != strict.step("decide").fingerprint
    assert loose.step("splits").fingerprint == strict.step("splits").fingerprint
    shares = later["split_shares"]
    assert shares["before_rules"] == at_first["split_shares"]["before_rules"]
    assert shares["wanted_test_ratio"] == 0.3
    assert {s: n["train"] + n["test"] for s, n in shares["before_rules"].items()} == {
        "pairs": 60,
        "prompts": 60,
    }
    drawn = dict(read_table(strict, runtime, "splits").iter_rows())
    for split in ("train", "test"):
        rows = pl.read_parquet(tmp_path / "out/data" / f"{split}-*.parquet")
        assert {drawn[name] for name in rows["prompt_id"]} == {split}
        assert rows.height == shares["after_rules"]["pairs"][split] == later["splits"][split]


def test_the_card_and_the_manifest_hold_the_shares(write_lines: Any, tmp_path: Path) -> None:
    write_lines([explicit(f"What is {n}?", "yes", "no") for n in range(50)])

    _, _, manifest = ran(recipe(0.2), tmp_path)

    pairs = manifest["split_shares"]["after_rules"]["pairs"]
    assert pairs["test_ratio"] == pairs["test"] / 50
    card = (tmp_path / "out/README.md").read_text()
    line = f"| pairs after rules | {pairs['train']} | {pairs['test']} | {pairs['test'] / 50:.1%} |"
    assert line in card
    assert "The requested share of pairs in the test split was 20.0%." in card
    assert "## Notes" not in card
    assert manifest["remarks"] == []


def test_without_a_test_split_there_is_none(write_lines: Any, tmp_path: Path) -> None:
    write_lines([explicit(f"What is {n}?", "yes", "no") for n in range(50)])

    _, _, manifest = ran(recipe(0), tmp_path)

    assert manifest["splits"] == {"train": 50}
    assert manifest["split_shares"]["after_rules"]["pairs"] == {
        "train": 50,
        "test": 0,
        "test_ratio": 0.0,
    }
    assert manifest["remarks"] == []
    assert [path.name for path in (tmp_path / "out/data").iterdir()] == [
        "train-00000-of-00001.parquet"
    ]
    assert "## Splits" not in (tmp_path / "out/README.md").read_text()


def test_rules_that_empty_the_test_split_get_a_remark(write_lines: Any, tmp_path: Path) -> None:
    texts = [f"What is {n}?" for n in range(80)]
    in_test = {text for text in texts if hash_unit(0, "split", prompt_id([user(text)])) < 0.2}
    assert 12 <= len(in_test) <= 20
    write_lines([explicit(t, "yes" if t in in_test else "certainly", "no") for t in texts])
    rule = "rules: [{name: short, column: chosen_chars, minimum: 5}]\n"

    _, _, manifest = ran(recipe(0.2, f"measures: [{{kind: lengths}}]\n{rule}"), tmp_path)

    assert manifest["remarks"] == [
        "splits: after the rules the test split is empty; 20.0% of the pairs were requested"
    ]
    assert manifest["splits"] == {"train": 80 - len(in_test)}


def test_a_data_set_of_one_prompt_is_all_train(write_lines: Any, tmp_path: Path) -> None:
    write_lines([explicit("What?", f"yes {n}", "no") for n in range(5)])

    _, _, manifest = ran(recipe(0.5), tmp_path)

    assert manifest["splits"] == {"train": 5}
    assert manifest["remarks"] == [
        "splits: groups of near-copy prompts that are larger than the requested test split are in "
        "train: 1, the largest with 5 of 5 pairs",
        "splits: before the rules the test split is empty; 50.0% of the pairs were requested",
        "splits: after the rules the test split is empty; 50.0% of the pairs were requested",
    ]


def test_parts_are_those_of_the_prompts(write_lines: Any, tmp_path: Path) -> None:
    write_lines([explicit(f"What is {n}?", "yes", "no") for n in range(60)])
    plan, runtime = run_recipe(recipe(0.3, "shards: 3\n"), tmp_path)
    splits, gather = plan.step("splits"), plan.step("gather")

    for part in range(3):
        drawn = pl.read_parquet(Path(runtime.root) / splits.part("splits", part))
        prompts = pl.read_parquet(Path(runtime.root) / gather.part("prompts", part))
        assert drawn.columns == ["prompt_id", "split"]
        assert drawn["prompt_id"].to_list() == prompts["prompt_id"].to_list()


def test_a_component_of_the_users_own_keeps_prompts_together(
    write_lines: Any, tmp_path: Path
) -> None:
    texts = [f"What is {n}?" for n in range(60)]
    write_lines([explicit(text, "yes", "no") for text in texts])
    named = [
        {"prompt_id": prompt_id([user(text)]), "topic": f"t{n % 20}" if n < 40 else None}
        for n, text in enumerate(texts)
    ]
    (tmp_path / "topics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in named))
    measure = (
        "measures: [{kind: table, name: topics, files: [topics.jsonl], key: prompt_id, "
        "columns: {prompt_component: {column: topic, type: text}}}]\n"
    )

    found = sides(recipe(0.3, measure), tmp_path)

    assert [n for n in range(20) if found[texts[n]] != found[texts[n + 20]]] == []
    assert {found[text] for text in texts[:40]} == {"train", "test"}


def test_the_card_shows_pairs_turned_back_and_counts_by_source_where_there_are_any(
    write_lines: Any, tmp_path: Path
) -> None:
    write_lines([explicit(f"What is {n}?", "yes", "no") for n in range(10)])
    plan, _, facts = ran(recipe(0), tmp_path)
    none = dict.fromkeys(("in", "dropped", "held", "flipped", "turned_back"), 0)
    sizes = {"train": {"num_examples": 10, "num_bytes": 100}}
    curation = plan.resolved.curation
    facts["rules"] = [
        {"rule": "f", **none, "in": 9, "by_source": {"a": none, "b": none | {"in": 9}}}
    ]

    plain = write_card(curation, facts, sizes)
    facts["rules"][0]["turned_back"] = 2
    facts["sources"] *= 2
    full = write_card(curation, facts, sizes)

    assert "| rule | pairs in | dropped | held | flipped |\n" in plain
    assert "### By source" not in plain
    assert "| f | 9 | 0 | 0 | 0 | 2 |\n" in full
    assert "| rule | source | pairs in | dropped | held | flipped | turned back |\n" in full
    assert "| f | b | 9 | 0 | 0 | 0 | 0 |\n" in full
