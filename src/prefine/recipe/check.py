"""What must hold between the parts of a recipe: names, and the columns that rules name."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from prefine.decide import DECIDED, KEYS, Rule, unknown_column
from prefine.errors import RecipeError
from prefine.export.settings import RESERVED
from prefine.ingest.read import layout_of
from prefine.measure.base import Measure
from prefine.recipe.recipe import Recipe
from prefine.recipe.resolved import Resolved
from prefine.schema import PAIR_COLUMNS, Column
from prefine.serve.local.backends import BACKENDS
from prefine.settings import Location, Problem

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def problems_of(recipe: Recipe) -> Iterator[Problem]:
    """Yield every contradiction between the parts of a recipe."""
    yield from _names(recipe)
    yield from _kept(recipe)
    yield from _rules(recipe, recipe.columns)
    yield from _pairs(recipe)
    yield from _aspects(recipe, (source.known_aspects() for source in recipe.sources))
    for index, measure in enumerate(recipe.measures):
        for location, text in measure.problems(recipe.view()):
            yield ("measures", index, *location), text
    yield from _encoder(recipe)
    yield from _export(recipe)


def _names(recipe: Recipe) -> Iterator[Problem]:
    for key, names in {
        "sources": [source.name for source in recipe.sources],
        "rules": [rule.reason for rule in recipe.all_rules],
        "verdicts": [verdicts.name for verdicts in recipe.verdicts],
        "measures": [name for measure in recipe.measures for name in _names_of(measure)],
    }.items():
        for name in _repeated(names):
            yield (key,), f"the name `{name}` is used twice; {_ways_out(recipe, key, name)}"
    for index, measure in enumerate(recipe.measures):
        if not _NAME.fullmatch(measure.label):
            text = f"`{measure.label}` cannot be the name of a folder; give the measure a `name`"
            yield ("measures", index), text
    columns = [column.name for measure in recipe.measures for column in measure.columns()]
    for name in _repeated(columns):
        yield ("measures",), f"two measures write the column `{name}`; rename one with `name`"
    for name in sorted({*columns} & {*(column.name for column in PAIR_COLUMNS), *KEYS}):
        yield ("measures",), f"a measure may not write `{name}`, which every pair has"
    for name in sorted(DECIDED & set(columns)):
        yield ("measures",), f"`{name}` is a column of the decisions; rename it with `name`"


def _kept(recipe: Recipe) -> Iterator[Problem]:
    """Yield why columns that sources keep cannot have their names."""
    taken = {
        *(column.name for column in PAIR_COLUMNS),
        *KEYS,
        *DECIDED,
        *RESERVED,
        *recipe.measured,
    }
    for index, source in enumerate(recipe.sources):
        for name in source.keep:
            if name in taken or not name:
                text = (
                    f"a kept column may not have the name `{name}`, which is taken; rename it: "
                    f"`keep: {{my_{name or 'column'}: {source.keep[name].column}}}`"
                )
                yield ("sources", index, "keep"), text


def _ways_out(recipe: Recipe, key: str, name: str) -> str:
    if key == "rules" and name not in _repeated(rule.reason for rule in recipe.rules):
        return "it is that of a rule of `structure`; give the rule another `name`"
    measures = [measure for measure in recipe.measures if measure.label == name]
    if measures and "name" not in type(measures[0]).model_fields:
        return "a measure of this kind can stand in a recipe once"
    return "give each its own `name`"


def _names_of(measure: Measure) -> list[str]:
    """Return a measure's name and those of its examples: their tables are named after both."""
    names = [examples.name for examples in measure.examples()]
    return [measure.label, *(name for name in names if name != measure.label)]


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]


def require_columns(resolved: Resolved) -> None:
    """Check what depends on files: the types of kept columns, and the layouts of sources.

    Raises:
        RecipeError: A rule tests a kept column by what it does not hold, or no source has an aspect
            that the recipe names.
    """
    recipe = resolved.recipe
    layouts = (
        layout_of(source, file)
        for source in recipe.sources
        for file in resolved.files.get(source.key, ())
    )
    found = (
        *_rules(recipe, resolved.columns),
        *_exported(recipe, resolved.columns),
        *_aspects(recipe, (layout.known_aspects() for layout in layouts)),
    )
    for location, text in found:
        parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
        where = "".join(parts).lstrip(".")
        raise RecipeError(f"recipe {recipe.name}, {where}: {text}{_typed(resolved, text)}")


def _typed(resolved: Resolved, problem: str) -> str:
    """Return how to give a kept column another type, where that may solve a problem."""
    about = re.match(r"`([^`]+)` (is|holds) text", problem)
    if about is None or about[1] not in {column.name for column in resolved.kept_columns}:
        return ""
    return (
        f". The first rows of all sources that keep `{about[1]}` decide its type; if it holds "
        "numbers, state `type: number` for it in `keep` of each"
    )


def _rules(recipe: Recipe, columns: Mapping[str, Column]) -> Iterator[Problem]:
    view = recipe.view()
    tables = {table for measure in recipe.measures for table in measure.writes(view)}
    for index, rule in enumerate(recipe.rules):
        found = (*rule.problems(columns), *rule.table_problems(tables), *_sources(recipe, rule))
        for location, text in found:
            yield ("rules", index, *location), text


def _sources(recipe: Recipe, rule: Rule) -> Iterator[Problem]:
    """Yield sources that a rule looks for and the recipe does not have."""
    names = [source.name for source in recipe.sources]
    for location, column, value in rule.compared():
        if column == "source" and value not in names:
            yield location, f"no source `{value}`; the sources are: {', '.join(names)}"


def _pairs(recipe: Recipe) -> Iterator[Problem]:
    rewards = recipe.view().rewards
    wants = "reward" in recipe.pairs.use
    if wants != (recipe.pairs.reward is not None):
        yield ("pairs", "reward"), "`reward` and `use: [reward]` go together"
    elif wants and recipe.pairs.reward not in rewards:
        known = ", ".join(rewards) or "none"
        text = f"no reward measure `{recipe.pairs.reward}`; the response rewards are: {known}"
        yield ("pairs", "reward"), text


def _aspects(recipe: Recipe, known: Iterable[Collection[str] | None]) -> Iterator[Problem]:
    """Yield the aspects that pairs name and no source has, where all sources are known."""
    judged: set[str] = set()
    for aspects in known:
        if aspects is None:
            return
        judged.update(aspects)
    single = {} if recipe.pairs.aspect is None else {("pairs", "aspect"): recipe.pairs.aspect}
    several = {("pairs", "aspects", name): name for name in recipe.pairs.aspects}
    for location, name in (*single.items(), *several.items()):
        if name not in judged:
            yield location, f"no source judges `{name}`; they judge {', '.join(sorted(judged))}"


def _encoder(recipe: Recipe) -> Iterator[Problem]:
    if recipe.encoder.backend not in BACKENDS:
        known = ", ".join(BACKENDS)
        text = f"no backend `{recipe.encoder.backend}`; the backends are: {known}"
        yield ("encoder", "backend"), text


def _exported(recipe: Recipe, columns: Mapping[str, Column]) -> Iterator[Problem]:
    for index, name in enumerate(recipe.export.columns or ()):
        path: Location = ("export", "columns", index)
        if name not in columns:
            yield path, unknown_column(name, columns)
        elif name in RESERVED:
            yield path, f"trainers read a column `{name}` as something else; leave it out"


def _export(recipe: Recipe) -> Iterator[Problem]:
    yield from _exported(recipe, recipe.columns)
    target = recipe.export.target
    for index, source in enumerate(recipe.sources):
        if source.tools == "keep" and not target.carries_tools:
            text = f"the target `{target.kind_name()}` cannot hold tools; leave out `tools: keep`"
            yield ("sources", index, "tools"), text
    for measure in recipe.measures:
        for column in measure.columns():
            if column.name in RESERVED:
                yield (
                    ("measures",),
                    f"trainers read a column `{column.name}` as something else; rename it",
                )
