"""Every key of a recipe about sources, pairs, verdicts, structure and export changes an output."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import polars as pl
import pytest

from prefine.decide.structure import Structure
from prefine.errors import PrefineError
from prefine.export.settings import Export
from prefine.ingest.source import Source
from prefine.pair.settings import Pairs
from prefine.pair.verdicts.settings import Verdicts
from prefine.planning import publish_plan
from prefine.planning.look import read_table
from tests.made import run_recipe

pytestmark = pytest.mark.usefixtures("distilled")

Recipe = dict[str, Any]


def pair(number: int, **more: Any) -> dict[str, Any]:
    texts = {
        "prompt": f"Name tree {number}.",
        "chosen": f"Oak {number}.",
        "rejected": f"Ash {number}.",
    }
    return {**texts, "uid": number, **more}


def rated(prompt: str, ratings: dict[str, list[Any]], **more: Any) -> dict[str, Any]:
    return {"q": prompt, "r": ["first one", "second", "the third"], **ratings, **more}


CALL = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
PAIRS = [pair(n) for n in range(6)]
FILES: dict[str, Any] = {
    "rows.jsonl": PAIRS,
    "other.jsonl": [pair(n) for n in range(9, 12)],
    "against.jsonl": [
        {**one, "chosen": one["rejected"], "rejected": one["chosen"]} for one in PAIRS[:3]
    ],
    "odd.jsonl": [
        pair(0, context="In spring."),
        pair(1, tools=[{"type": "function"}]),
        {**pair(2), "chosen": "<b>Oak</b> 2."},
        {**pair(3), "rejected": "Ash 3." * 400},
    ],
    "many.jsonl": [{"prompt": "Q?", "chosen": None, "rejected": "b"}, pair(1), pair(2)],
    "judged_by_eve.jsonl": PAIRS,
    "ratings.jsonl": [
        rated("Q1?", {"good": [5, 1, 3], "kind": [1, 4, 2]}),
        rated("Q2?", {"good": [2, 9, 3], "kind": [3, 2, 1]}),
    ],
    "generations.jsonl": [
        {"instruction": f"Q{n}?", "generations": ["a", "b", "c"], "ratings": r}
        for n, r in enumerate([[5, 1, 3], [2, 9, 3]])
    ],
    "votes.jsonl": [
        {"q": "Q?", "a": "same ", "b": "same", "w": "a"},
        {"q": "R?", "a": "", "b": "x", "w": "b"},
        {"q": "S?", "a": "x", "b": "y", "w": "tie"},
        {"q": "T?", "a": "x", "b": "y", "w": "failed"},
        {"q": "U?", "a": "x", "b": "y", "w": "a"},
    ],
    "repeated.jsonl": [{"q": "Q?", "a": "x", "b": "y", "w": w} for w in "aab"],
    "review.jsonl": [
        {"own_id": 0, "verdict": "wrong", "other": "right", "who": "eve", "when": 2, "source": "s"},
        {"own_id": 0, "verdict": "right", "other": "right", "who": "eve", "when": 1, "source": "s"},
        {"own_id": 1, "verdict": "wrong", "other": "tie", "who": "tom", "when": 1, "source": "s"},
        {"own_id": 3, "verdict": "wrong", "other": "tie", "who": "eve", "when": 2, "source": "s"},
        {"own_id": 3, "verdict": "right", "other": "tie", "who": "tom", "when": 1, "source": "s"},
        {"own_id": 2, "verdict": "drop", "other": "drop", "who": "tom", "when": 1, "source": "s"},
    ],
    "second.jsonl": [{"own_id": 4, "uid": 5, "verdict": "drop", "pad": "x" * 2000}],
    "asked.jsonl": [
        {"prompt": "Name tree 1.", "chosen": "Oak 1.", "rejected": "Ash 1.", "verdict": "wrong"},
        {**pair(2), "verdict": "drop", "system": "Be kind."},
    ],
    "latin.csv": "prompt,chosen,rejected\nCafé?,é,b\nTea?,a,b\n".encode("latin-1"),
    "cells.csv": b"prompt;chosen;rejected;more\nQ?;a,b,c;d,e;f,g\n",
    "held.json": json.dumps({"a": [pair(1)], "b": [pair(2)]}).encode(),
}
MAPPED = {
    "format": "columns",
    "columns": {
        "prompt": "q",
        "responses": ["r"],
        "ratings": [
            {"columns": ["good"], "aspect": "good"},
            {"columns": ["kind"], "aspect": "kind"},
        ],
    },
}
VOTED = {
    "format": "columns",
    "columns": {
        "prompt": "q",
        "responses": ["a", "b"],
        "labels": [
            {"column": "w", "values": {"a": "a", "b": "b", "tie": "tie"}, "otherwise": "invalid"}
        ],
    },
}


def source(name: str = "s", file: str = "rows.jsonl", **settings: Any) -> Recipe:
    return {"name": name, "files": [file], "max_quarantined": 1, **settings}


def recipe(*sources: Recipe, **settings: Any) -> Recipe:
    return {"name": "t", "sources": [*(sources or (source(),))], **settings}


def of_source(change: Recipe, base: Recipe | None = None) -> tuple[Recipe, Recipe]:
    before = source() if base is None else base
    return recipe(before), recipe({**before, **change})


def of_two(**change: Any) -> tuple[Recipe, Recipe]:
    """Return two sources that disagree, without and with a setting of one."""
    against = source("against", "against.jsonl")
    return recipe(source(), against), recipe(source(), {**against, **change})


def of_pairs(before: Recipe, after: Recipe, file: str = "ratings.jsonl") -> tuple[Recipe, Recipe]:
    rows = source(file=file, **MAPPED)
    return recipe(rows, pairs=before), recipe(rows, pairs=after)


def of_structure(key: str) -> tuple[Recipe, Recipe]:
    rows = source(file="votes.jsonl", **VOTED)
    return recipe(rows), recipe(rows, structure={key: "hold"})


def of_export(**settings: Any) -> tuple[Recipe, Recipe]:
    return recipe(), recipe(export=settings)


def of_verdicts(change: Recipe, base: Recipe | None = None) -> tuple[Recipe, Recipe]:
    entry = {"files": ["review.jsonl"], "key": "own_id", "by": "who", "at": "when"}
    before = entry if base is None else base
    after = {name: value for name, value in {**before, **change}.items() if value is not None}
    rows = source(id="uid")
    return recipe(rows, verdicts=[before]), recipe(rows, verdicts=[after])


ANNOTATORS = {"export": {"columns": ["num_annotators"]}}
BY = "by_(?P<annotator>[a-z]+)"
ASKED = {"files": ["asked.jsonl"], "key": "text"}
SECOND = {"files": ["second.jsonl"], "key": "own_id"}
WEIGHED = {"aspects": {"good": 1.0}}
CASES: dict[tuple[type, str], tuple[Recipe, Recipe]] = {
    (Source, "name"): of_source({"name": "other"}),
    (Source, "files"): of_source({"files": ["other.jsonl"]}),
    (Source, "format"): of_source({"format": "hh"}),
    (Source, "sha256"): of_source({"sha256": ["0" * 64]}),
    (Source, "path_fields"): (
        recipe(source(file="judged_by_eve.jsonl"), **ANNOTATORS),
        recipe(source(file="judged_by_eve.jsonl", path_fields=BY), **ANNOTATORS),
    ),
    (Source, "text"): of_source({"text": "html"}, source(file="odd.jsonl")),
    (Source, "id"): of_source({"id": "uid"}),
    (Source, "keep"): of_source({"keep": ["uid"]}),
    (Source, "tools"): of_source({"tools": "keep"}, source(file="odd.jsonl")),
    (Source, "ignore"): of_source({"ignore": ["context"]}, source(file="odd.jsonl")),
    (Source, "minimum"): of_source({"minimum": 2}, source(file="generations.jsonl")),
    (Source, "maximum"): of_source({"maximum": 5}, source(file="generations.jsonl")),
    (Source, "max_quarantined"): of_source({"max_quarantined": 0}, source(file="many.jsonl")),
    (Source, "priority"): of_two(priority=1),
    (Source, "weight"): of_two(weight=2.0),
    (Source, "anonymous"): of_source(
        {"anonymous": "several"}, source(file="repeated.jsonl", **VOTED)
    ),
    (Source, "max_row_bytes"): of_source({"max_row_bytes": 1024}, source(file="odd.jsonl")),
    (Source, "encoding"): of_source({"encoding": "latin-1"}, source(file="latin.csv")),
    (Source, "delimiter"): of_source({"delimiter": ","}, source(file="cells.csv")),
    (Source, "rows"): of_source({"rows": "b"}, source(file="held.json")),
    (Pairs, "use"): of_pairs(WEIGHED, {**WEIGHED, "use": ["label"]}),
    (Pairs, "select"): of_pairs(WEIGHED, {**WEIGHED, "select": "all"}),
    (Pairs, "minimum_gap"): of_pairs(WEIGHED, {**WEIGHED, "minimum_gap": 5.0}),
    (Pairs, "per_prompt"): of_pairs(
        {**WEIGHED, "select": "all"}, {**WEIGHED, "select": "all", "per_prompt": 1}
    ),
    (Pairs, "aspect"): of_pairs({"aspect": "good"}, {"aspect": "kind"}),
    (Pairs, "aspects"): of_pairs(WEIGHED, {"aspects": {"good": 1.0, "kind": 9.0}}),
    (Pairs, "identical"): (
        recipe(source(file="votes.jsonl", **VOTED)),
        recipe(source(file="votes.jsonl", **VOTED), pairs={"identical": "exact"}),
    ),
    (Pairs, "reward"): (recipe(), recipe(pairs={"reward": "rm"})),  # used in test_models
    (Structure, "identical"): of_structure("identical"),
    (Structure, "empty"): of_structure("empty"),
    (Structure, "unlabelled"): of_structure("unlabelled"),
    (Structure, "tie"): of_structure("tie"),
    (Structure, "verdict"): (
        of_verdicts({})[0],
        {**of_verdicts({})[0], "structure": {"verdict": "hold"}},
    ),
    (Export, "target"): of_export(target={"kind": "trl", "prompt": "implicit"}),
    (Export, "columns"): of_export(columns=["num_votes"]),
    (Export, "test_ratio"): of_export(test_ratio=0.5),
    (Export, "rows_per_shard"): of_export(rows_per_shard=2),
    (Export, "license"): of_export(license="mit"),
    (Export, "language"): of_export(language=["en"]),
    (Verdicts, "files"): of_verdicts({"files": ["second.jsonl"], "by": None, "at": None}),
    (Verdicts, "sha256"): of_verdicts({"sha256": ["0" * 64]}),
    (Verdicts, "key"): of_verdicts({"key": "text"}),
    (Verdicts, "key_columns"): of_verdicts({"key_columns": {"own_id": "uid"}}, SECOND),
    (Verdicts, "source"): of_verdicts({"source": "nobody"}),
    (Verdicts, "ignore"): of_verdicts({"ignore": ["system"]}, ASKED),
    (Verdicts, "max_row_bytes"): of_verdicts({"max_row_bytes": 1024}, SECOND),
    (Verdicts, "verdict"): of_verdicts({"verdict": "other"}),
    (Verdicts, "by"): of_verdicts({"by": None}),
    (Verdicts, "at"): of_verdicts({"at": None}),
    (Verdicts, "weight"): of_verdicts({"weight": 0.5}),
    (Verdicts, "name"): of_verdicts({"name": "second_review"}),
}


class Outcome(NamedTuple):
    """The outputs of a run: the bytes of the data set and the rows in quarantine, or an error."""

    files: dict[str, bytes]
    quarantine: list[tuple[Any, ...]]
    error: str = ""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Recipe], Outcome]:
    folder = tmp_path_factory.mktemp("effects")
    for name, rows in FILES.items():
        body = rows if isinstance(rows, bytes) else b"".join(_line(row) for row in rows)
        (folder / name).write_bytes(body)

    def run(settings: Recipe) -> Outcome:
        output = folder / f"out{len(list(folder.iterdir()))}"
        try:
            plan, runtime = run_recipe(json.dumps(settings), folder)
            publish_plan(plan, runtime, str(output))
            lost = read_table(plan, runtime, "quarantine").sort(pl.all()).rows()
        except PrefineError as error:
            return Outcome({}, [], str(error))
        written = {
            str(path.relative_to(output)): path.read_bytes()
            for path in output.rglob("*")
            if path.is_file() and path.name != "recipe.yaml"
        }
        manifest = json.loads(written.pop("manifest.json"))
        for key in ("fingerprint", "recipe_sha256", "files"):
            del manifest[key]
        return Outcome(written | {"manifest": json.dumps(manifest).encode()}, lost)

    return run


def _line(row: Any) -> bytes:
    return f"{json.dumps(row)}\n".encode()


@pytest.mark.parametrize("part", [Source, Pairs, Structure, Export, Verdicts])
def test_every_key_has_an_example(part: Any) -> None:
    assert {key for of, key in CASES if of is part} == set(part.model_fields)


@pytest.mark.parametrize(("part", "key"), CASES)
def test_a_key_changes_what_a_run_leaves(
    part: type, key: str, outcome: Callable[[Recipe], Outcome]
) -> None:
    before, after = (outcome(settings) for settings in CASES[part, key])

    assert before != after
    assert not (before.error and after.error), (before.error, after.error)
