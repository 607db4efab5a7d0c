"""The pages on the recipe, its sources, rules and targets, and on the settings of a run."""

from prefine.decide import CHECKS
from prefine.decide.rule import ColumnRule, Rule
from prefine.export.target import KEYS, TOOLS
from prefine.export.targets import TARGETS
from prefine.ingest.layout import Layout
from prefine.ingest.layouts import LAYOUTS, Detected, format_of
from prefine.ingest.source import Source
from prefine.recipe.recipe import Recipe
from prefine.recipe.reference.book import part_section, parts_of, settings_table
from prefine.recipe.reference.markup import code, glossary, listed, page, table
from prefine.recipe.schema import about
from prefine.settings import Runtime
from prefine.settings.flags import SETTABLE

_SHARED = frozenset({"name", "unless", "verdicts"})
"""Settings that are the same for every rule."""


def recipe_page() -> str:
    """Return the page on the top-level settings of a recipe, and their parts."""
    parts = [part_section(name, "recipe.md") for name in parts_of("recipe.md")]
    intro = (
        "A recipe is a YAML file with the settings below. `prefine schema` prints them as a "
        "JSON schema, which editors use to complete and check a recipe."
    )
    return page("Recipe", intro, settings_table(Recipe, "recipe.md"), "## Parts", *parts)


def runtime_page() -> str:
    """Return the page on the settings of a run."""
    flags = {
        "root": "`--root`, or the environment variable `PREFINE_ROOT`",
        "data": "`--data`, or the environment variable `PREFINE_DATA`",
        "servers": "`--server NAME=URL`; repeat it for several servers",
        "start": "`--server NAME=start`",
    } | {name: f"`--set {name}=VALUE`" for name in SETTABLE}
    return page(
        "Runtime settings",
        "These settings say where and how fast a recipe runs. None of them changes the output, so "
        "they are not part of the recipe: they are flags of `prefine run`, and arguments of the "
        "flow and of the Python API.",
        settings_table(Runtime, "runtime.md"),
        "## Flags",
        table(("setting", "flag"), ((code(name), flags[name]) for name in Runtime.model_fields)),
    )


def layouts_page() -> str:
    """Return the page on layouts: how each is recognised, and its own settings."""
    parts = [part_section(name, "layouts.md") for name in parts_of("layouts.md")]
    return page(
        "Layouts",
        "The layout (`format` of a source) says how the rows of a file are read. A source without "
        "`format` is recognised by the keys of its first rows; `prefine ingest --detect FILE` "
        "shows the result. [Layouts](../layouts.md) lists the published data sets by layout, and "
        "[Column maps](../map.md) describes `format: columns`.",
        "## Settings of every source",
        "`format`, and the settings below.",
        settings_table(Detected, "layouts.md", {"format"}),
        *map(_layout, LAYOUTS),
        "## Parts",
        *parts,
    )


def _layout(layout: type[Layout]) -> str:
    facts = [f"## {format_of(layout)}", about(layout)]
    if layout.keys:
        facts.append(f"Recognised by the keys {listed(layout.keys, 'and')}.")
    if layout.aspects is not None and layout.aspects != ("overall",):
        facts.append(f"Aspects of its labels: {listed(layout.aspects, 'and')}.")
    elif layout.aspects is None:
        facts.append(
            "Aspects of its labels: as named in the rows, the file paths or the column map."
        )
    if layout.merit:
        weights = ", ".join(f"`{name}` {weight:g}" for name, weight in layout.merit.items())
        facts.append(f"Published weights of its aspects: {weights}.")
    if layout.reads_beside:
        facts.append(f"Reads {listed(layout.reads_beside, 'and')} as part of the prompt.")
    facts.append(settings_table(layout, "layouts.md", {*Source.model_fields}))
    return "\n\n".join(fact for fact in facts if fact)


def rules_page() -> str:
    """Return the page on the kinds of check."""
    parts = [part_section(name, "rules.md") for name in parts_of("rules.md")]
    tests = [
        (
            f"[{check.test}](#{check.test})",
            listed(check.keys),
            check.action,
            code(str(check.model_fields["missing"].default)),
        )
        for check in CHECKS
    ]
    return page(
        "Tests of rules",
        "A rule has exactly one test, which its keys determine. [Rules](../rules.md) defines "
        "order, nulls, ties, quantiles and flipped pairs exactly.",
        table(("test", "keys", "action", "pairs without a value"), tests),
        "## Settings of every rule",
        settings_table(CHECKS[0], "rules.md", CHECKS[0].model_fields.keys() - _SHARED),
        *(f"## {check.test}\n\n{about(check)}\n\n{_settings(check)}" for check in CHECKS),
        "## Parts",
        *parts,
    )


def _settings(check: type[Rule]) -> str:
    own = "Tests the value of one column." if issubclass(check, ColumnRule) else ""
    return f"{own}\n\n{settings_table(check, 'rules.md', _SHARED)}".strip()


def targets_page() -> str:
    """Return the page on the targets of an export: their settings and columns."""
    return page(
        "Targets",
        "`export.target` names the trainer that the data set is for.",
        *(
            "\n\n".join(
                (
                    f"## {target.kind_name()}",
                    about(target),
                    settings_table(target, "targets.md", {"kind"}),
                    "Columns of this target only:",
                    glossary(
                        ("column", "meaning"),
                        target.model_validate({"kind": target.kind_name()}).meanings(),
                    ),
                )
            )
            for target in TARGETS
            if not [n for n, f in target.model_fields.items() if f.is_required() and n != "kind"]
        ),
        "## Columns of every target",
        "After these columns come those that `export.columns` names.",
        glossary(("column", "meaning"), {**KEYS, **TOOLS}),
    )
