"""A recipe with its files and models resolved."""

from collections.abc import Mapping
from functools import partial

import yaml
from pydantic import Field

from prefine.decide import add_explanations
from prefine.export.curation import Curation
from prefine.ingest.kept import KeptColumn
from prefine.ingest.layouts import layout_named
from prefine.recipe.recipe import Recipe
from prefine.schema import VALUE_TYPES, Column
from prefine.schema.columns import kept_column, sides
from prefine.settings import File, Inputs, Model, Part
from prefine.settings.json import Json
from prefine.settings.registry import ORIGIN, origin_of


class Resolved(Part):
    """A recipe, its files and their hashes, its models and their digests, its number of shards."""

    recipe: Recipe
    shards: int
    files: dict[str, tuple[File, ...]]
    """By the key of a ``FileSet``."""
    models: dict[str, Model]
    """By the key of a ``Weights``."""
    kept: dict[str, KeptColumn] = Field(default_factory=dict)
    """The columns that sources keep, by name."""

    @property
    def inputs(self) -> Inputs:
        """The resolved files and models."""
        return Inputs(self.files, self.models)

    def to_yaml(self) -> str:
        """Return everything as YAML, with all defaults."""
        return _yaml(self)

    @property
    def kept_columns(self) -> tuple[Column, ...]:
        """The columns of pairs that come from kept columns."""
        return tuple(
            column
            for name, kept in self.kept.items()
            for column in (
                sides(name, VALUE_TYPES[kept.type], f"kept column `{name}` of the raw row")
                if kept.of_response
                else (kept_column(name, VALUE_TYPES[kept.type]),)
            )
        )

    @property
    def columns(self) -> Mapping[str, Column]:
        """Every column that a rule may read, by name and in order."""
        return self.recipe.columns_with(self.kept_columns)

    @property
    def _complete(self) -> Recipe:
        """The recipe with its number of shards and the exported columns filled in."""
        ids = ("own_id",) if any(source.id for source in self.recipe.sources) else ()
        ids += ("human_verdict",) if self.recipe.verdicts else ()
        kept = [column.name for column in self.kept_columns]
        export = self.recipe.export.with_columns((*ids, *kept, *self.recipe.measured))
        return self.recipe.model_copy(update={"shards": self.shards, "export": export})

    def written(self) -> Recipe:
        """Return a recipe that can be run again: files and models are pinned by hash."""
        return self._complete.pinned(self.inputs)

    @property
    def curation(self) -> Curation:
        """What an export needs to know about the recipe."""
        recipe, inputs = self._complete, self.inputs
        view = recipe.view(inputs)
        models = [
            {"measure": measure.kind_name(), **weights.identity(inputs)}
            for measure in recipe.measures
            for weights in measure.weights_named()
        ]
        reports = (spec for measure in recipe.measures for spec in measure.reports(view))
        return Curation(
            name=recipe.name,
            identity=recipe.identity(inputs),
            sources=[source.name for source in recipe.sources],
            columns=self.columns,
            kept=[column.name for column in self.kept_columns],
            measured=list(recipe.measured),
            models=models,
            plugins=self._plugins(),
            sections=self._sections,
            reports=[name for spec in reports for name in spec.makes],
            explained=partial(add_explanations, rules=recipe.all_rules),
            export=recipe.export,
            keeps_tools=any(source.tools == "keep" for source in recipe.sources),
        )

    def _plugins(self) -> list[str]:
        """Return the distributions whose layouts, measures or target are used."""
        formats = {file.format for files in self.files.values() for file in files} - {None}
        layouts = [layout_named(str(name)) for name in formats]
        used = [*layouts, *map(type, (*self.recipe.sources, *self.recipe.measures))]
        origins = [origin_of(cls) for cls in (*used, type(self.recipe.export.target))]
        return sorted({origin[ORIGIN] for origin in origins if origin})

    def _sections(self, notes: Mapping[str, Json]) -> list[str]:
        """Return the sections that measures add to the card, each once."""
        sections = (measure.card(notes) for measure in self.recipe.measures)
        return list(dict.fromkeys(text for text in sections if text is not None))


def _yaml(part: Part) -> str:
    return yaml.safe_dump(part.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def to_yaml(recipe: Recipe) -> str:
    """Return a recipe as YAML, with all defaults."""
    return _yaml(recipe)
