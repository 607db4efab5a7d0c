"""Check that the parts of a recipe agree: names, and the columns that rules name."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from prefine.decide import DECIDED, KEYS, KnownColumns, Rule, unknown_column
from prefine.errors import RecipeError
from prefine.export.settings import RESERVED
from prefine.ingest.read import layout_of
from prefine.ingest.source import Source
from prefine.measure.base import Measure
from prefine.recipe.recipe import Recipe
from prefine.recipe.resolved import Resolved
from prefine.recipe.source_map import spell
from prefine.recipe.writers import missing_column, named_column, similar_column
from prefine.schema import PAIR_COLUMNS, Column
from prefine.serve.local.backends import BACKENDS
from prefine.settings import Location, Problem
from prefine.settings.names import listed, nearest, unknown

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def problems_of(recipe: Recipe) -> Iterator[Problem]:
    """Yield every contradiction between the parts of a recipe."""
    yield from _names(recipe)
    yield from _kept(recipe)
    yield from _rules(recipe, recipe.columns)
    yield from _pairs(recipe)
    yield from _gap(recipe)
    yield from _aspects(recipe, (source.known_aspects() for source in recipe.sources))
    for index, measure in enumerate(recipe.measures):
        for location, text in measure.problems(recipe.view()):
            yield ("measures", index, *location), text
    yield from _encoder(recipe)
    yield from _export(recipe)


def _names(recipe: Recipe) -> Iterator[Problem]:
    named: dict[str, list[tuple[Location, str]]] = {
        "sources": [
            (("sources", i, "name"), source.name) for i, source in enumerate(recipe.sources)
        ],
        "verdicts": [(("verdicts", i, "name"), one.name) for i, one in enumerate(recipe.verdicts)],
        "measures": [
            (("measures", i), name)
            for i, measure in enumerate(recipe.measures)
            for name in _names_of(measure)
        ],
    }
    for locations in named.values():
        for location, name, first in _repeated(locations):
            yield (
                location,
                f"the name `{name}` is used twice, first by {first}; {_fix(recipe, location)}",
            )
    yield from _rule_names(recipe)
    yield from _measure_columns(recipe)


def _repeated(named: Iterable[tuple[Location, str]]) -> Iterator[tuple[Location, str, str]]:
    """Yield the location of each repeated name, the name, and its first location."""
    first: dict[str, Location] = {}
    for location, name in named:
        if name in first:
            yield location, name, spell(first[name][:2])
        first.setdefault(name, location)


def _fix(recipe: Recipe, location: Location) -> str:
    index = location[1]
    if location[0] == "measures" and isinstance(index, int):
        measure = recipe.measures[index]
        if "name" not in type(measure).model_fields and not measure.examples():
            return "a recipe can have only one measure of this kind: remove one of them"
    return "give each its own `name`"


def _rule_names(recipe: Recipe) -> Iterator[Problem]:
    """Yield rules that have the name of another rule, or of one that every recipe has."""
    own = [(("rules", i), rule.reason) for i, rule in enumerate(recipe.rules)]
    structural = {rule.reason for rule in recipe.all_rules} - {name for _, name in own}
    structural |= {rule.reason for rule in recipe.all_rules[: -len(own) or None]}
    for location, name in own:
        if name in structural:
            yield (
                (*location, "name"),
                f"`{name}` is the name of a structural rule, which every recipe has; give this "
                "rule another `name`",
            )
    for location, name, first in _repeated(own):
        if name not in structural:
            yield (
                location,
                f"the name `{name}` is used twice, first by {first}; give each its own `name`",
            )


def _measure_columns(recipe: Recipe) -> Iterator[Problem]:
    """Yield measures whose names or columns are taken; one problem for each measure."""
    taken = {column.name: "every pair has it" for column in PAIR_COLUMNS}
    taken |= dict.fromkeys(KEYS, "every pair has it")
    taken |= dict.fromkeys(DECIDED, "it is a column of the decisions")
    taken |= dict.fromkeys(RESERVED, "trainers read a column of this name as something else")
    labels: set[str] = set()
    for index, measure in enumerate(recipe.measures):
        if not _NAME.fullmatch(measure.label):
            text = f"`{measure.label}` cannot be the name of a folder; give the measure a `name`"
            yield ("measures", index), text
        names = [column.name for column in measure.columns()]
        clash = next((name for name in names if name in taken), None)
        if clash is not None and measure.label not in labels:
            text = f"the measure writes the column `{clash}`, but {taken[clash]}; rename it: `name`"
            yield ("measures", index), text
        labels.add(measure.label)
        for name in names:
            taken.setdefault(name, f"measures[{index}] writes it too")


def _kept(recipe: Recipe) -> Iterator[Problem]:
    """Yield kept columns of sources whose names are taken."""
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


def _names_of(measure: Measure) -> list[str]:
    """Return a measure's name and those of its examples: their tables are named after both."""
    names = [examples.name for examples in measure.examples()]
    return [measure.label, *(name for name in names if name != measure.label)]


def require_columns(resolved: Resolved) -> None:
    """Check what depends on files: the types of kept columns, and the layouts of sources.

    Raises:
        RecipeError: A rule tests a kept column for a value of another type, or no source has
            an aspect that the recipe names.
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
        raise RecipeError(f"{recipe.where(location)}: {text}{_typed(resolved, text)}")


def _typed(resolved: Resolved, problem: str) -> str:
    """Return how to give a kept column another type, if that may solve a problem."""
    about = re.match(r"`([^`]+)` (is|holds) text", problem)
    if about is None or about[1] not in {column.name for column in resolved.kept_columns}:
        return ""
    return (
        f". The first rows of all sources that keep `{about[1]}` decide its type; if it holds "
        "numbers, state `type: number` for it in `keep` of each"
    )


def _known_columns(recipe: Recipe, columns: Mapping[str, Column]) -> KnownColumns:
    """Return the columns, and how messages explain names that are not columns."""
    measured = recipe.measured
    pairs = [column.name for column in PAIR_COLUMNS]
    groups = {
        "pairs": pairs,
        "kept columns": [name for name in columns if name not in {*measured, *pairs}],
        **{f"`{one.label}`": [column.name for column in one.columns()] for one in recipe.measures},
    }

    def explain(name: str) -> str | None:
        missing = missing_column(name, recipe.measures)
        if missing is not None or nearest(name, columns) is not None:
            return missing
        return named_column(name, recipe.measures) or similar_column(name, recipe.measures)

    return KnownColumns(columns, groups=groups, explain=explain)


def _rules(recipe: Recipe, columns: Mapping[str, Column]) -> Iterator[Problem]:
    view = recipe.view()
    tables = {table for measure in recipe.measures for table in measure.writes(view)}
    known = _known_columns(recipe, columns)
    for index, rule in enumerate(recipe.rules):
        found = (*rule.problems(known), *rule.table_problems(tables), *_sources(recipe, rule))
        for location, text in found:
            yield ("rules", index, *location), text


def _sources(recipe: Recipe, rule: Rule) -> Iterator[Problem]:
    """Yield sources that a rule compares with and the recipe does not have."""
    names = [source.name for source in recipe.sources]
    for location, column, value in rule.compared():
        if column == "source" and value not in names:
            yield location, unknown("source", str(value), names)


def _pairs(recipe: Recipe) -> Iterator[Problem]:
    rewards = recipe.view().rewards
    wants = "reward" in recipe.pairs.use
    if wants and recipe.pairs.reward is None:
        text = "`use` names `reward`, but no reward measure is set; add `reward: NAME`"
        yield ("pairs", "use"), text
    elif not wants and recipe.pairs.reward is not None:
        text = "`reward` has no effect without `use: [reward]`; add it, or leave out `reward`"
        yield ("pairs", "reward"), text
    elif wants and recipe.pairs.reward not in rewards:
        name = str(recipe.pairs.reward)
        text = unknown("reward measure", name, rewards, plural="response rewards")
        yield ("pairs", "reward"), text


def _gap(recipe: Recipe) -> Iterator[Problem]:
    """Yield a problem if `minimum_gap` has no effect."""
    if recipe.pairs.minimum_gap == 0:
        return
    here: Location = ("pairs", "minimum_gap")
    compared = [use for use in recipe.pairs.use if use != "label"]
    if not compared:
        text = "`minimum_gap` has no effect: `use` names labels only; leave it out"
        yield here, f"{text}, or add `rating` to `use`"
    elif compared == ["rank"]:
        return
    elif "reward" not in compared and all(_has_labels_only(one) for one in recipe.sources):
        text = "`minimum_gap` has no effect: no source has ratings or ranks; leave it out"
        yield here, f"{text}, or name ratings in the `columns` of a source"


def _has_labels_only(source: Source) -> bool:
    """Return whether a source states that its rows have only labels."""
    return source.known_kinds() == {"label"}


def _aspects(recipe: Recipe, known: Iterable[Collection[str] | None]) -> Iterator[Problem]:
    """Yield aspects that pairs name and no source has, if those of all sources are known."""
    in_sources: set[str] = set()
    for aspects in known:
        if aspects is None:
            return
        in_sources.update(aspects)
    single = {} if recipe.pairs.aspect is None else {("pairs", "aspect"): recipe.pairs.aspect}
    several = {("pairs", "aspects", name): name for name in recipe.pairs.aspects}
    for location, name in (*single.items(), *several.items()):
        if name not in in_sources:
            close = nearest(name, in_sources)
            hint = f"; did you mean `{close}`?" if close else ""
            yield (
                location,
                f"no source has the aspect `{name}`; they have {listed(sorted(in_sources))}{hint}",
            )


def _encoder(recipe: Recipe) -> Iterator[Problem]:
    if recipe.encoder.backend not in BACKENDS:
        yield ("encoder", "backend"), unknown("backend", recipe.encoder.backend, BACKENDS)


def _exported(recipe: Recipe, columns: Mapping[str, Column]) -> Iterator[Problem]:
    known = _known_columns(recipe, columns)
    for index, name in enumerate(recipe.export.columns or ()):
        path: Location = ("export", "columns", index)
        if name not in columns:
            yield path, unknown_column(name, known)
        elif name in RESERVED:
            yield path, f"trainers read a column `{name}` as something else; leave it out"


def _export(recipe: Recipe) -> Iterator[Problem]:
    yield from _exported(recipe, recipe.columns)
    target = recipe.export.target
    for index, source in enumerate(recipe.sources):
        if source.tools == "keep" and not target.carries_tools:
            text = f"the target `{target.kind_name()}` cannot hold tools; leave out `tools: keep`"
            yield ("sources", index, "tools"), text
