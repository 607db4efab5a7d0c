"""The reference pages, generated from the settings, columns and reasons of the code."""

from collections.abc import Callable, Mapping

from prefine.recipe.reference.markup import page
from prefine.recipe.reference.measures import measures_page
from prefine.recipe.reference.reasons import reasons_page
from prefine.recipe.reference.recipe import (
    layouts_page,
    recipe_page,
    rules_page,
    runtime_page,
    targets_page,
)
from prefine.recipe.reference.tables import tables_page
from prefine.recipe.schema import schema_text

_PAGES: Mapping[str, tuple[str, Callable[[], str]]] = {
    "recipe.md": ("All settings of a recipe.", recipe_page),
    "layouts.md": ("Layouts of source files.", layouts_page),
    "measures.md": ("Measures: settings, columns, requirements.", measures_page),
    "rules.md": ("The tests of rules.", rules_page),
    "targets.md": ("Targets of an export.", targets_page),
    "runtime.md": ("Settings of a run, and their flags.", runtime_page),
    "tables.md": ("Tables and their columns.", tables_page),
    "reasons.md": ("Reasons why rows are not used, and other text values.", reasons_page),
}
"""By file: the subject of the page, and the function that writes it."""


def reference() -> Mapping[str, str]:
    """Return every file of the reference, by name: the pages, their index, the JSON schema."""
    index = "\n".join(f"- [{name}]({name}): {about}" for name, (about, _) in _PAGES.items())
    schema = "- [recipe.schema.json](recipe.schema.json): JSON schema of a recipe, for editors."
    return {
        "index.md": page("Reference", f"{index}\n{schema}"),
        **{name: make() for name, (_, make) in _PAGES.items()},
        "recipe.schema.json": schema_text("recipe"),
    }
