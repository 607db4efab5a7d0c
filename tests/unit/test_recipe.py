"""Recipes: every mistake at once, and an identity that knows what changes bytes."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from prefine.errors import RecipeError
from prefine.recipe import Recipe, load_recipe, parse_recipe
from prefine.settings import Inputs, Model, Part, Runtime, Weights

GOOD = """
name: made
sources:
  - {name: one, files: [a.jsonl]}
measures:
  - {kind: lengths}
  - {kind: reward/bootstrap}
rules:
  - {name: long, column: chosen_chars, maximum: 100}
"""


def problems(text: str) -> str:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, "r.yaml")
    return str(caught.value)


def test_a_good_recipe_has_its_defaults_written_out() -> None:
    recipe = parse_recipe(GOOD)

    assert recipe.seed == 0
    assert recipe.pairs.select == "best_vs_worst"
    assert [rule.reason for rule in recipe.all_rules] == [
        "identical",
        "empty",
        "unlabelled",
        "tie",
        "long",
    ]


def test_every_mistake_is_reported_at_once_with_its_line_and_path() -> None:
    text = """name: made
sources:
  - name: one
    files: [a.jsonl]
    formt: hh
measures:
  - {kind: lengths}
  - {kind: reward/bootstrap, fold: 3}
rules:
  - {column: bootstrap_margn, minimum: 0}
  - {column: bootstrap_margin, minimum: 0, equals: 3}
  - {column: source, minimum: 0}
  - {per: source}
exports: {}
"""
    told = problems(text).splitlines()

    assert told[0] == "7 mistakes in the recipe"
    assert told[1:3] == [
        "  r.yaml:5 sources[0].formt: unknown key `formt`; did you mean `format`?",
        "  r.yaml:8 measures[1].fold: unknown key `fold`; did you mean `folds`?",
    ]
    assert told[3].startswith(
        "  r.yaml:10 rules[0].column: no column `bootstrap_margn`; did you mean `bootstrap_margin`?"
    )
    assert told[4:] == [
        "  r.yaml:11 rules[1]: a rule has exactly one test; found: bound, equals; "
        "make a rule of each",
        "  r.yaml:12 rules[2]: `source` is text; use `equals`, or a numeric column",
        "  r.yaml:13 rules[3]: a rule has exactly one test; found: none; give one of `minimum`, "
        "`maximum`, `minimum_quantile`, `maximum_quantile`, `equals`, `differs`, `flip_when`, "
        "`hold_when`, `cap`, `budget`",
        "  r.yaml:14 exports: unknown key `exports`; did you mean `export`?",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("maximum: 100", "equals: yes please"),
            "holds whole numbers; found the text `yes please`",
        ),
        (("{kind: lengths}", "{kind: length}"), "measures[0]"),
        (("kind: lengths", "tokenizer: null"), "`kind` is missing"),
        (("files: [a.jsonl]", "files: []"), "sources[0].files"),
        (
            ("name: long", "name: tie"),
            "`tie` is the name of a structural rule, which every recipe has",
        ),
        (("name: made", "name: Made It"), "r.yaml:2 name"),
        (
            ("{kind: lengths}", "{kind: lengths}\n  - {kind: lengths}"),
            "`lengths` is used twice, first by measures[0]; a recipe can have only one measure",
        ),
        (("column: chosen_chars, maximum: 100", "cap: 3"), "`cap` needs `per`"),
        (("column: chosen_chars, maximum: 100", "cap: 3, per: topic"), "no column `topic`"),
        (
            ("column: chosen_chars, maximum: 100", "budget: 3, order_by: -source"),
            "`source` is text; `order_by` needs a numeric column",
        ),
        (("{name: one, files: [a.jsonl]}", "{name: one, files: [a], format: columns}"), "columns"),
        (("maximum: 100", "maximum: .inf"), "finite number"),
        (("maximum: 100", "maximum: 100, unless: {column: sorce, equals: a}"), "`source`?"),
        (("maximum: 100", "maximum: 100, unless: {column: source, minimum: 1}"), "is text"),
        (("maximum: 100", "minimum: 9, maximum: 3"), "the minimum 9 is above the maximum 3"),
        (("files: [a.jsonl]", "files: [a.jsonl], path_fields: '('"), "not a regular expression"),
        (
            ("{kind: lengths}", "{kind: ches/transformers, name: value, weights: {model: a/b}}"),
            "writes the column `value`, but it is a column of the decisions",
        ),
        (
            ("name: made", "name: made\nname: again"),
            "the key `name` is repeated; it is already in line 2",
        ),
        (
            ("name: made", "pairs: {use: [reward]}\nname: made"),
            "`use` names `reward`, but no reward measure is set",
        ),
        (
            ("name: made", "pairs: {use: [reward], reward: rm}\nname: made"),
            "no reward measure `rm`; the response rewards are: none",
        ),
        (("name: made", "export: {columns: [marginn]}\nname: made"), "no column `marginn`"),
        (
            ("{kind: reward/bootstrap}", "{kind: reward/bootstrap, name: margin}"),
            "no mistake",
        ),
    ],
)
def test_contradictions_are_told(change: tuple[str, str], message: str) -> None:
    text = GOOD.replace(*change)
    if message == "no mistake":
        assert parse_recipe(text).measures
        return

    assert message in problems(text)


def test_an_empty_key_is_told() -> None:
    text = "name: made\nsources: [{name: one, files: [a.jsonl]}]\nmeasures:\n"

    assert "measures" in problems(text)


def test_a_measure_may_not_write_a_column_that_trainers_interpret() -> None:
    text = GOOD.replace(
        "{kind: lengths}", "{kind: ches/transformers, name: text, weights: {model: a/b}}"
    )

    assert "writes the column `text`, but trainers read a column of this name" in problems(
        text.replace("chosen_chars", "bootstrap_margin")
    )


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "name: [unclosed"])
def test_what_is_no_recipe_is_one_sentence(text: str) -> None:
    assert "\n" not in problems(text)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot read the recipe"):
        load_recipe(tmp_path / "none.yaml")


def test_a_location_is_no_part_of_the_identity() -> None:
    here, there = (parse_recipe(GOOD.replace("a.jsonl", name)) for name in ("a.jsonl", "b/c.jsonl"))

    assert here != there
    assert here.identity() == there.identity()


def test_a_model_folder_is_known_by_its_bytes() -> None:
    one, other = Weights(model="/one/place"), Weights(model="/other/place")

    def identity(weights: Weights, digest: str) -> dict[str, object]:
        models = {weights.key: Model(model=weights.model, digest=digest)}
        return weights.identity(Inputs(models=models))

    assert identity(one, "abc") == identity(other, "abc") == {"digest": "abc"}
    assert identity(one, "abc") != identity(one, "abd")


@pytest.mark.parametrize(
    "change",
    [
        ("files: [a.jsonl]", "files: [a.jsonl], resolved: []"),
        ("kind: lengths", "kind: lengths, tokenizer: {model: a/b, digest: abc}"),
        ("name: made", "files: {}\nname: made"),
        ("name: made", "models: {}\nname: made"),
    ],
)
def test_nothing_that_is_found_out_can_be_written(change: tuple[str, str]) -> None:
    assert "unknown key" in problems(GOOD.replace(*change))


def _fields(model: type[BaseModel]) -> set[str]:
    return set(model.model_fields)


def test_no_runtime_value_is_named_in_a_recipe() -> None:
    assert not _fields(Runtime) & _fields(Recipe)


@pytest.mark.parametrize("part", Part.__subclasses__())
def test_every_field_of_a_recipe_says_what_it_is(part: type[Part]) -> None:
    assert part.__doc__


def test_a_pin_of_a_model_that_nobody_asks_stays() -> None:
    pinned = Weights(model="a/b", sha256="abc")

    assert pinned.pinned(Inputs()) == pinned
    models = {pinned.key: Model(model="a/b", digest="abd")}
    assert pinned.pinned(Inputs(models=models)).sha256 == "abd"


RATED = "columns: {prompt: q, responses: [x, y], ratings: [{columns: [s, t], aspect: safer}]}"


@pytest.mark.parametrize(
    ("source", "pairs", "message"),
    [
        (
            f"format: columns, {RATED}",
            "{aspect: saver}",
            "has the aspect `saver`; they have safer; did you mean `safer`",
        ),
        (
            f"format: columns, {RATED}",
            "{aspects: {safer: 1, good: 1}}",
            "no source has the aspect `good`",
        ),
        (f"format: columns, {RATED}", "{aspect: safer}", None),
        (f"format: columns, path_fields: '(?P<aspect>.)', {RATED}", "{aspect: saver}", None),
        ("format: helpsteer2", "{aspects: {help: 1}}", "they have coherence, .*helpfulness"),
        ("format: helpsteer2", "{aspects: {helpfulness: 1}}", None),
        ("format: ultrafeedback", "{aspects: {help: 1}}", None),
        ("text: plain", "{aspect: saver}", None),
    ],
)
def test_an_aspect_that_no_source_can_have_is_refused_when_the_recipe_is_checked(
    source: str, pairs: str, message: str | None
) -> None:
    text = f"name: t\nsources: [{{name: s, files: [r.jsonl], {source}}}]\npairs: {pairs}\n"

    if message is None:
        parse_recipe(text)
    else:
        with pytest.raises(RecipeError, match=rf"recipe:3 pairs\.aspects?.*: .*{message}"):
            parse_recipe(text)


def test_a_misspelt_required_key_is_one_mistake() -> None:
    text = "nme: made\nsources:\n  - {name: one, fles: [a.jsonl]}\n"

    assert problems(text).splitlines() == [
        "2 mistakes in the recipe",
        "  r.yaml:1 nme: unknown key `nme`; did you mean `name`?",
        "  r.yaml:3 sources[0].fles: unknown key `fles`; did you mean `files`?",
    ]


@pytest.mark.parametrize("source", [None, 1, ["a"], b"a", "", " ", "a\0b"])
def test_what_is_no_recipe_is_refused(source: object) -> None:
    with pytest.raises(RecipeError):
        load_recipe(source)  # pyright: ignore[reportArgumentType]


def test_numbers_of_numpy_are_numbers() -> None:
    raw = {"name": "made", "seed": np.int64(3), "sources": [{"name": "a", "files": ["b"]}]}

    assert load_recipe(raw).seed == 3
