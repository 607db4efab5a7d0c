"""Mistakes in recipes: the exact message of each, and no mistake with a message of pydantic's."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
import yaml
from pydantic_core.core_schema import ErrorType

from prefine.decide import CHECKS
from prefine.errors import DataError, PlaceError, RecipeError
from prefine.ingest.layouts import LAYOUTS, Detected, format_of
from prefine.measure.kinds import MEASURES
from prefine.pair.verdicts import Verdicts
from prefine.planning import check_places, make_plan
from prefine.recipe import Recipe, load_recipe, parse_recipe
from prefine.settings import Part, Runtime
from prefine.settings.mistakes import sentence_of

RECIPE = """name: made
sources:
  - {name: one, files: [a.jsonl]}
measures:
  - {kind: lengths}
  - {kind: reward/bootstrap}
rules:
  - {name: long, column: chosen_chars, maximum: 100}
"""

MISTAKES: dict[str, tuple[str, str, str]] = {
    "a kind of measure is misspelt": (
        "kind: lengths",
        "kind: length",
        "r.yaml:5 measures[0].kind: no kind `length`; did you mean `lengths`?",
    ),
    "a required key is misspelt": (
        "column: chosen_chars",
        "colum: chosen_chars",
        "r.yaml:8 rules[0].colum: unknown key `colum`; did you mean `column`?",
    ),
    "the section of the measures is misspelt": (
        "measures:",
        "measure:",
        "r.yaml:4 measure: unknown key `measure`; did you mean `measures`?",
    ),
    "a kind of measure lacks its s": (
        "kind: lengths",
        "kind: near_duplicate",
        "r.yaml:5 measures[0].kind: no kind `near_duplicate`; did you mean `near_duplicates`?",
    ),
    "a kind of measure does not exist": (
        "kind: lengths",
        "kind: quality",
        "r.yaml:5 measures[0].kind: no kind `quality`; expected one of: lengths, cosine, "
        "near_duplicates, contamination, prompt_topics, prompt_neighbours, target_similarity, "
        "label_consistency, pressure, reward/bootstrap, reward/transformers, reward/vllm, "
        "reward/agreement, ches/transformers, ... (20 in all)",
    ),
    "a measure is a text": (
        "{kind: lengths}",
        "lengths",
        "r.yaml:5 measures[0]: found the text `lengths`; expected a mapping, such as {KEY: VALUE}",
    ),
    "a measure has no kind": (
        "{kind: lengths}",
        "{tokenizer: null}",
        "r.yaml:5 measures[0]: the required key `kind` is missing",
    ),
    "files are not a list": (
        "files: [a.jsonl]",
        "files: a.jsonl",
        "r.yaml:3 sources[0].files: found the text `a.jsonl`; expected a list: [a.jsonl]",
    ),
    "there are no files": (
        "files: [a.jsonl]",
        "files: []",
        "r.yaml:3 sources[0].files: found an empty list; expected at least 1 item",
    ),
    "a file is a number": (
        "files: [a.jsonl]",
        "files: [5]",
        "r.yaml:3 sources[0].files[0]: found the number 5; expected text; put it in quotes",
    ),
    "a layout is misspelt": (
        "files: [a.jsonl]",
        "files: [a.jsonl], format: colums",
        "r.yaml:3 sources[0].format: no layout `colums`; did you mean `columns`?",
    ),
    "a layout does not exist": (
        "files: [a.jsonl]",
        "files: [a.jsonl], format: parquet",
        "r.yaml:3 sources[0].format: no layout `parquet`; the type of a file is recognised: leave "
        "out `format`, or describe the columns with `format: columns`",
    ),
    "a map is missing": (
        "files: [a.jsonl]",
        "files: [a.jsonl], format: columns",
        "r.yaml:3 sources[0].columns: the required key `columns` is missing",
    ),
    "a key of a map is in the source": (
        "files: [a.jsonl]",
        "files: [a.jsonl], prompt: question",
        "r.yaml:3 sources[0].prompt: `prompt` is a key of `columns` of the source with "
        "`format: columns` only",
    ),
    "a key of a map is misspelt": (
        "files: [a.jsonl]",
        "files: [a.jsonl], format: columns, columns: {prompt: q, chosen: c, reject: r}",
        "r.yaml:3 sources[0].columns.reject: unknown key `reject`; did you mean `rejected`?",
    ),
    "a number is in quotes": (
        "maximum: 100",
        "maximum: '0.5'",
        "r.yaml:8 rules[0].maximum: found the text `0.5`; "
        "expected a number: write it without quotes",
    ),
    "a number is a word": (
        "maximum: 100",
        "maximum: high",
        "r.yaml:8 rules[0].maximum: found the text `high`; expected a number",
    ),
    "a value is a list": (
        "maximum: 100",
        "equals: [a, b]",
        "r.yaml:8 rules[0].equals: found a list; expected true or false, a number or text",
    ),
    "a test is misspelt": (
        "maximum: 100",
        "maximun: 100",
        "r.yaml:8 rules[0].maximun: unknown key `maximun`; did you mean `maximum`?",
    ),
    "a test is abbreviated": (
        "maximum: 100",
        "max: 100",
        "r.yaml:8 rules[0].max: unknown key `max`; did you mean `maximum`?",
    ),
    "a rule has no test": (
        "maximum: 100",
        "missing: keep",
        "r.yaml:8 rules[0]: a rule has exactly one test; found: none; give one of `minimum`, "
        "`maximum`, `minimum_quantile`, `maximum_quantile`, `equals`, `differs`, `flip_when`, "
        "`hold_when`, `cap`, `budget`",
    ),
    "a rule has two tests": (
        "maximum: 100",
        "maximum: 100, equals: 3",
        "r.yaml:8 rules[0]: a rule has exactly one test; found: bound, equals; make a rule of each",
    ),
    "a key of another rule": (
        "maximum: 100",
        "maximum: 100, per: source",
        "r.yaml:8 rules[0].per: `per` is a key of `quantile`, `cap` only; this rule is of "
        "the kind `bound`",
    ),
    "a choice is misspelt": (
        "maximum: 100",
        "maximum: 100, missing: dropp",
        "r.yaml:8 rules[0].missing: found the text `dropp`; did you mean `drop`?",
    ),
    "a condition is a text": (
        "maximum: 100",
        "maximum: 100, unless: human",
        "r.yaml:8 rules[0].unless: found the text `human`; "
        "expected a mapping, such as {KEY: VALUE}",
    ),
    "a condition is empty": (
        "maximum: 100",
        "maximum: 100, unless: {column: source}",
        "r.yaml:8 rules[0].unless: found no test; expected `minimum` and/or `maximum`, or `equals`",
    ),
    "a column of a measure that is missing": (
        "chosen_chars",
        "cosine",
        "r.yaml:8 rules[0].column: column `cosine` is written by the measure `cosine`, which "
        "this recipe does not have: add `- kind: cosine` to measures",
    ),
    "a column that a setting adds": (
        "chosen_chars",
        "chosen_tokens",
        "r.yaml:8 rules[0].column: column `chosen_tokens` is written by the measure `lengths` "
        "only with `tokenizer: {...}`: add this setting to the measure",
    ),
    "a column of a model that is missing": (
        "chosen_chars",
        "rm_margin",
        "r.yaml:8 rules[0].column: no column `rm_margin`; a measure with `name: rm` would "
        "write it (kinds: `reward/bootstrap`, `reward/transformers`, `reward/vllm`), and the "
        "recipe has none of this name",
    ),
    "a column is misspelt": (
        "chosen_chars",
        "chosen_char",
        "r.yaml:8 rules[0].column: no column `chosen_char`; did you mean `chosen_chars`?",
    ),
    "a column does not exist": (
        "chosen_chars",
        "perplexity",
        "r.yaml:8 rules[0].column: no column `perplexity`; the columns are of pairs: own_id, "
        "source, num_sources, group, language, label_source, ... (38 in all); of `lengths`: "
        "prompt_chars, chosen_chars, rejected_chars, chars_gap; of `bootstrap`: "
        "bootstrap_margin, bootstrap_margin_std, ... (4 in all)",
    ),
    "a column to export does not exist": (
        "rules:",
        "export: {columns: [cosin]}\nrules:",
        "r.yaml:7 export.columns[0]: no column `cosin`; did you mean `cosine`? column `cosine` "
        "is written by the measure `cosine`, which this recipe does not have: add `- kind: "
        "cosine` to measures",
    ),
    "a column to balance is misspelt": (
        "column: chosen_chars, maximum: 100",
        "budget: 5, balance: [sauce]",
        "r.yaml:8 rules[0].balance[0]: no column `sauce`; did you mean `source`?",
    ),
    "a group is misspelt": (
        "column: chosen_chars, maximum: 100",
        "cap: 5, per: promptid",
        "r.yaml:8 rules[0].per: no column `promptid`; did you mean `prompt_id`?",
    ),
    "a source does not exist": (
        "column: chosen_chars, maximum: 100",
        "column: source, equals: two",
        "r.yaml:8 rules[0].equals: no source `two`; the sources are: one",
    ),
    "a key of export is at the top": (
        "rules:",
        "test_ratio: 0.1\nrules:",
        "r.yaml:7 test_ratio: unknown key `test_ratio` here; it is a key of `export`: move it "
        "there",
    ),
    "a share is not a share": (
        "rules:",
        "export: {test_ratio: 1}\nrules:",
        "r.yaml:7 export.test_ratio: found the number 1; expected a number of less than 1",
    ),
    "a section is misspelt": (
        "rules:",
        "exports: {test_ratio: 0.1}\nrules:",
        "r.yaml:7 exports: unknown key `exports`; did you mean `export`?",
    ),
    "a section does not exist": (
        "rules:",
        "foo: {bar: 1}\nrules:",
        "r.yaml:7 foo: unknown key `foo`; the keys here are: name, seed, shards, sources, "
        "pairs, verdicts, encoder, measures, structure, rules, export",
    ),
    "a section is empty": (
        "rules:",
        "pairs:\nrules:",
        "r.yaml:7 pairs: found nothing (null); expected a mapping, such as {KEY: VALUE}, or leave "
        "out the key",
    ),
    "a rule has the name of a structural rule": (
        "name: long",
        "name: tie",
        "r.yaml:8 rules[0].name: `tie` is the name of a structural rule, which every recipe "
        "has; give this rule another `name`",
    ),
    "a measure is there twice": (
        "  - {kind: lengths}",
        "  - {kind: near_duplicates}\n  - {kind: near_duplicates}\n  - {kind: lengths}",
        "r.yaml:6 measures[1]: the name `near_duplicates` is used twice, first by measures[0]; "
        "a recipe can have only one measure of this kind: remove one of them",
    ),
    "two sources have one name": (
        "  - {name: one",
        "  - {name: one, files: [b]}\n  - {name: one",
        "r.yaml:4 sources[1].name: the name `one` is used twice, first by sources[0]; give "
        "each its own `name`",
    ),
    "a name has capitals": (
        "name: made",
        "name: Made It",
        "r.yaml:1 name: found the text `Made It`; expected a name of lower-case letters, digits "
        "and underscores that begins with a letter",
    ),
    "a name is a date": (
        "name: made",
        "name: 2024-01-01",
        "r.yaml:1 name: found the date 2024-01-01; expected text; put it in quotes",
    ),
    "a name is missing": ("name: made\n", "", "r.yaml:1 name: the required key `name` is missing"),
    "a key is given twice": (
        "name: made",
        "name: made\nname: again",
        "r.yaml:2 name: the key `name` is repeated; it is already in line 1, remove one of them",
    ),
    "a line is indented with a tab": (
        "name: made",
        "name: made\n\tseed: 1",
        "r.yaml:2 recipe: this is not valid YAML (found character '\\t' that cannot start any "
        "token); indent with spaces, not tabs",
    ),
    "a text has a colon": (
        "name: made",
        "name: made: again",
        "r.yaml:1 recipe: this is not valid YAML (mapping values are not allowed here); put a "
        "text that contains `: ` in quotes",
    ),
    "a gap without ratings": (
        "rules:",
        "pairs: {use: [label], minimum_gap: 1}\nrules:",
        "r.yaml:7 pairs.minimum_gap: `minimum_gap` has no effect: `use` names labels only; "
        "leave it out, or add `rating` to `use`",
    ),
    "a reward that no measure gives": (
        "rules:",
        "pairs: {use: [reward], reward: rm}\nrules:",
        "r.yaml:7 pairs.reward: no reward measure `rm`; the response rewards are: none",
    ),
    "items longer than runs": (
        "{kind: lengths}",
        "{kind: lengths}\n  - {kind: contamination, benchmarks: [{name: b, files: [b]}], "
        "min_words: 9}",
        "r.yaml:6 measures[1].min_words: found 9, which is more than `ngram_words` (8); expected "
        "at most 8",
    ),
}
"""Each with what it replaces in the recipe, by what, and the message."""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_has_one_exact_message(mistake: str) -> None:
    old, new, message = MISTAKES[mistake]
    assert old in RECIPE

    with pytest.raises(RecipeError) as caught:
        parse_recipe(RECIPE.replace(old, new, 1), "r.yaml")

    assert str(caught.value) == message


ROWS = [{"question": "Why?", "good": "Because.", "bad": "No."}] * 2
MAP = "format: columns, columns: {prompt: question, chosen: good, rejected: bad}"
FILES: dict[str, tuple[str, str]] = {
    "a file is misspelt": (
        "{name: one, files: [hh/tset.jsonl]}",
        "sources[0].files[0]: source one: there is no file `hh/tset.jsonl` below FOLDER (the "
        "folder of the recipe; `--data DIR` names another one); nearest: `hh/test.jsonl`",
    ),
    "a folder is misspelt": (
        "{name: one, files: [hhh/test.jsonl]}",
        "sources[0].files[0]: source one: there is no file `hhh/test.jsonl` below FOLDER (the "
        "folder of the recipe; `--data DIR` names another one); there is no folder `hhh` in "
        "FOLDER; nearest: `hh`",
    ),
    "a file is a folder": (
        "{name: one, files: [hh]}",
        "sources[0].files[0]: source one: `hh` is a folder; name its files, or a glob such "
        "as `hh/*.jsonl`; FOLDER/hh holds: empty.jsonl, test.jsonl",
    ),
    "a glob matches nothing": (
        "{name: one, files: [hh/*.parquet]}",
        "sources[0].files[0]: source one: no file matches `hh/*.parquet` below FOLDER (the folder "
        "of the recipe; `--data DIR` names another one); FOLDER/hh holds: empty.jsonl, test.jsonl",
    ),
    "a file is empty": (
        "{name: one, files: [hh/empty.jsonl]}",
        "sources[0].files[0]: source one: the file `hh/empty.jsonl` is empty; leave it "
        "out, or download it again",
    ),
    "a file has other bytes": (
        "{name: one, files: [hh/test.jsonl], sha256: [abc]}",
        "sources[0].files: source one: the files do not match `sha256`; hh/test.jsonl has "
        "SHA256; use the files that the recipe was written for, or remove `sha256`",
    ),
    "a key of a map is in no row": (
        f"{{name: one, files: [hh/test.jsonl], {MAP.replace('question', 'questoin')}}}",
        "sources[0].columns.prompt: source one: none of the first 2 rows has the path `questoin` "
        "of `columns`; did you mean `question`? If later rows have it, write `questoin?`",
    ),
    "an id is in no row": (
        f"{{name: one, files: [hh/test.jsonl], id: uid, {MAP}}}",
        "sources[0].id: source one: none of the first 2 rows has the path `uid` of `id`; their "
        "keys are: question, good, bad. If later rows have it, write `uid?`",
    ),
    "a text of a benchmark is in no row": (
        f"{{name: one, files: [hh/test.jsonl], {MAP}}}]\nmeasures: [{{kind: contamination, "
        "benchmarks: [{name: quiz, files: [hh/test.jsonl], text: questions}]}",
        "measures[0].benchmarks[0].text: benchmark quiz: none of the first 2 rows has the path "
        "`questions` of `text`; did you mean `question`? If later rows have it, write "
        "`questions?`",
    ),
    "a file of a benchmark is missing": (
        f"{{name: one, files: [hh/test.jsonl], {MAP}}}]\nmeasures: [{{kind: contamination, "
        "benchmarks: [{name: quiz, files: [quiz.jsonl]}]}",
        "measures[0].benchmarks[0].files[0]: benchmark quiz: there is no file `quiz.jsonl` below "
        "FOLDER (the folder of the recipe; `--data DIR` names another one); FOLDER holds: hh/, "
        "r.yaml",
    ),
}
"""Mistakes that show when files are looked at: the source in the recipe, and the message."""


@pytest.mark.parametrize("mistake", FILES)
def test_a_mistake_in_files_has_one_exact_message(mistake: str, tmp_path: Path) -> None:
    source, message = FILES[mistake]
    (tmp_path / "hh").mkdir()
    (tmp_path / "hh" / "empty.jsonl").touch()
    lines = "".join(f"{json.dumps(row)}\n" for row in ROWS)
    (tmp_path / "hh" / "test.jsonl").write_text(lines)
    recipe = tmp_path / "r.yaml"
    recipe.write_text(f"name: made\nsources: [{source}]\n")

    with pytest.raises((RecipeError, DataError)) as caught:
        make_plan(load_recipe(recipe), Runtime(root=str(tmp_path / "root"), data=str(tmp_path)))

    text = str(caught.value).replace(str(recipe), "r.yaml").replace(str(tmp_path), "FOLDER")
    text = re.sub(r"[0-9a-f]{64}", "SHA256", text)
    assert re.sub(r"^r.yaml:[23] ", "", text) == message


def test_the_data_folder_is_named_where_it_is_not_that_of_the_recipe(tmp_path: Path) -> None:
    recipe = load_recipe({"name": "made", "sources": [{"name": "one", "files": ["a.jsonl"]}]})

    with pytest.raises(RecipeError) as caught:
        make_plan(recipe, Runtime(root=str(tmp_path / "root"), data=str(tmp_path)))

    assert str(caught.value) == (
        "recipe: sources[0].files[0]: source one: there is no file `a.jsonl` below "
        f"{tmp_path} (the data folder); {tmp_path} is empty"
    )


SERVED = {
    **yaml.safe_load(RECIPE),
    "measures": [
        {"kind": "lengths"},
        {"kind": "reward/vllm", "name": "rm", "served_model": "rm", "weights": {"model": "a/b"}},
    ],
}


@pytest.mark.parametrize(
    ("runtime", "message"),
    [
        ({"servers": {"rmm": ["http://a:1"]}}, "did you mean `rm`?"),
        ({"servers": {"judge": ["http://a:1"]}}, "the names in use are: rm"),
        ({"start": ["lengths"]}, "this measure runs without a server"),
    ],
)
def test_a_server_that_no_measure_uses_is_refused_before_files_are_read(
    runtime: dict[str, Any], message: str
) -> None:
    [name] = runtime.get("start") or runtime["servers"]

    with pytest.raises(RecipeError) as caught:
        make_plan(load_recipe(SERVED), Runtime(**runtime))

    assert str(caught.value) == f"no measure of the recipe uses the server `{name}`; {message}"


@pytest.mark.parametrize(
    ("root", "message"),
    [
        ("/proc/nothing", "cannot write below /proc/nothing: "),
        ("/dev/null/nothing", "cannot write below /dev/null/nothing: "),
    ],
)
def test_a_place_that_cannot_be_written_to_is_refused(root: str, message: str) -> None:
    with pytest.raises(PlaceError) as caught:
        check_places(Runtime(root=root))

    assert str(caught.value).startswith(message)
    assert "; choose another folder" in str(caught.value) or "; change it" in str(caught.value)


def test_a_recipe_may_be_a_path_a_mapping_or_text(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(RECIPE)
    settings = yaml.safe_load(RECIPE)
    recipe = load_recipe(file)

    assert recipe == load_recipe(str(file)) == load_recipe(RECIPE) == load_recipe(settings)
    assert recipe == load_recipe(json.dumps(settings)) == load_recipe(recipe)
    assert (recipe.file, load_recipe(settings).file) == (str(file), None)
    assert recipe.where(("rules", 0, "maximum")) == f"{file}:8 rules[0].maximum"
    assert load_recipe(settings).where(("rules", 0, "maximum")) == "recipe: rules[0].maximum"
    assert load_recipe(RECIPE).where(("pairs", "select")) == "recipe:1 pairs.select"


def test_a_recipe_that_contains_itself_is_refused() -> None:
    with pytest.raises(RecipeError, match="recipe:"):
        parse_recipe("name: made\nsources: &all [*all]\n")


# The kinds of mistakes that pydantic finds, in every setting

FOREIGN = re.compile(
    r"[Ii]nput should|Value error|[Ii]nput tag|instance of|valid (dictionary|list|number|integer"
    r"|string|boolean)|Field required|Extra inputs|[Tt]uple|pydantic|unable to parse|String should"
    r"|NoneType|<class|Traceback|Condition\b"
)
WRONG: list[Any] = ["some text", "0.5", -1, 10**30, ["x"], [], {"a": 1}, None, True]
START: dict[str, Any] = {"name": "made", "sources": [{"name": "one", "files": ["a.jsonl"]}]}
MODEL = {"weights": {"model": "a/b"}}
OTHERS: dict[str, list[dict[str, Any]]] = {
    "DisplacementPressure": [{"kind": "ches/transformers", "store": "float16", **MODEL}],
    "RewardAgreement": [
        {"kind": "reward/transformers", "name": "one", **MODEL},
        {"kind": "reward/transformers", "name": "other", **MODEL},
    ],
}
"""Measures that a measure needs."""
EXTRA: dict[str, dict[str, Any]] = {
    **{kind: {"column": "votes_for"} for kind in ("Bound", "Equals", "Differs")},
    "Quantile": {"column": "votes_for", "minimum_quantile": 0.5},
    "Flip": {"column": "votes_for", "flip_when": {"minimum": 1}},
    "Hold": {"column": "votes_for", "hold_when": {"minimum": 1}},
    "Cap": {"per": "source"},
    "RewardAgreement": {"models": ["one", "other"]},
    "Columns": {"columns": {"prompt": "q", "chosen": "c", "rejected": "r"}},
}


def _parts(annotation: Any) -> list[type[Part]]:
    """Return the parts in the type of a setting."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return [annotation]
    inner = () if get_origin(annotation) is Literal else get_args(annotation)
    return [part for arg in inner for part in _parts(arg)]


def _sample(annotation: Any) -> Any:
    """Return a value that a setting of a type may have."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return _settings(annotation)
    if origin in {Annotated, Union, UnionType}:
        return _sample(next(one for one in inner if one is not NoneType))
    if origin is Literal:
        return inner[0]
    if origin is tuple:
        return ["name", "other"] if inner[0] is str else [_sample(inner[0])]
    if origin is dict:
        return {"key": _sample(inner[1])}
    return 1 if annotation in {int, float} else annotation is bool or "name"


def _settings(cls: type[Part]) -> dict[str, Any]:
    """Return the least settings of a part."""
    required = {
        field.alias or name: _sample(field.annotation)
        for name, field in cls.model_fields.items()
        if field.is_required()
    }
    if issubclass(cls, tuple(LAYOUTS)):
        required["format"] = format_of(cls)
    for check in CHECKS:
        if cls is check:
            required[check.keys[0]] = _sample(check.model_fields[check.keys[0]].annotation)
    return required | EXTRA.get(cls.__name__, {})


def _recipes() -> Iterator[tuple[str, dict[str, Any], tuple[str | int, ...], type[Part]]]:
    """Yield a recipe for each part that one may hold: its name, and the place of the part."""
    yield "recipe", START, (), Recipe
    for section in ("pairs", "encoder", "structure", "export"):
        [cls] = _parts(Recipe.model_fields[section].annotation)
        yield section, {**START, section: {}}, (section,), cls
    kinds = {"measures": MEASURES, "rules": CHECKS, "verdicts": (Verdicts,)}
    for section, classes in kinds.items():
        for cls in classes:
            others = OTHERS.get(cls.__name__, [])
            yield (
                f"{section} {cls.__name__}",
                {**START, section: [_settings(cls), *others]},
                (section, 0),
                cls,
            )
    for cls in (Detected, *LAYOUTS):
        source = {**START["sources"][0], **_settings(cls)}
        yield f"source {cls.__name__}", {**START, "sources": [source]}, ("sources", 0), cls


def _with(recipe: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """Return a copy of settings with another value at a path."""
    if not path:
        return value
    key, *rest = path
    if isinstance(recipe, list):
        return [
            _with(item, tuple(rest), value) if i == key else item for i, item in enumerate(recipe)
        ]
    return {**recipe, key: _with(recipe.get(key, {}), tuple(rest), value)}


def _every_setting(
    recipe: dict[str, Any], here: tuple[str | int, ...], cls: type[Part], depth: int = 0
) -> Iterator[tuple[dict[str, Any], tuple[str | int, ...]]]:
    """Yield each setting of a part, and of the parts in it, with a recipe that may have it."""
    for name, field in cls.model_fields.items():
        if issubclass(cls, tuple(LAYOUTS)) and name in Detected.model_fields:
            continue
        place = (*here, field.alias or name)
        yield recipe, place
        parts = _parts(field.annotation)
        if len(parts) == 1 and depth < 3 and here:
            sample = _sample(field.annotation)
            inner = {list: (0,), dict: ("key",)}.get(type(sample), ())
            inner = () if sample == _settings(parts[0]) else inner
            yield from _every_setting(
                _with(recipe, place, sample), (*place, *inner), parts[0], depth + 1
            )


@pytest.mark.parametrize(
    ("recipe", "here", "cls"), [one[1:] for one in _recipes()], ids=[one[0] for one in _recipes()]
)
def test_a_wrong_value_of_any_setting_is_one_sentence_of_ours(
    recipe: dict[str, Any], here: tuple[str | int, ...], cls: type[Part]
) -> None:
    assert load_recipe(recipe).name == "made"
    for base, place in _every_setting(recipe, here, cls):
        for value in WRONG:
            changed = _with(base, place, value)
            is_text = value == WRONG[0]
            told = _told(yaml.safe_dump(changed, sort_keys=False) if is_text else changed)
            start = r"recipe:\d+ " if is_text else "recipe: "
            found = [re.match(rf"{start}([a-z_0-9.\[\]]+): \S", line) for line in told]
            about = (place, value, told)
            assert all(found), about
            assert len(told) <= 1 or value == {"a": 1}, about
            assert len({one[1] for one in found if one}) == len(told), about
            assert not any(FOREIGN.search(line) for line in told), about
            assert all(len(line) <= 420 for line in told), about


def _told(recipe: Any) -> list[str]:
    """Return the messages about a recipe, one line per mistake."""
    try:
        load_recipe(recipe)
    except RecipeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        return lines[1:] if len(lines) > 1 else lines
    return []


@pytest.mark.parametrize("kind", get_args(ErrorType))
def test_every_type_of_error_has_a_sentence_of_ours(kind: str) -> None:
    numbers = dict.fromkeys(("ge", "gt", "le", "lt", "min_length", "max_length", "multiple_of"), 1)
    texts = {"pattern": "x", "expected": "'a'", "tag": "c", "expected_tags": "'b'"}
    context = {**numbers, **texts, "discriminator": "'kind'", "error": ValueError("no such thing")}

    told = sentence_of([{"type": kind, "loc": ("a", "b"), "input": "abc", "ctx": context}])

    assert told
    assert not FOREIGN.search(told)
