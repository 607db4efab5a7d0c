"""The recipe: everything that changes the output, as the user writes it."""

from collections.abc import Iterable, Mapping
from typing import Self

from pydantic import Field, PrivateAttr

from prefine.decide import AnyRule, Rule, Structure
from prefine.export.settings import Export
from prefine.ingest.layouts import AnySource
from prefine.measure.base import RecipeView
from prefine.measure.kinds import AnyMeasure
from prefine.pair.settings import Pairs
from prefine.pair.verdicts import OUTRANKS, Verdicts
from prefine.recipe.source_map import SourceMap
from prefine.schema import PAIR_COLUMNS, UNKNOWN, Column
from prefine.schema.columns import kept_column, sides
from prefine.settings import Encoder, Inputs, Location, Name, Part


class Recipe(Part):
    """What to curate and how: everything that changes the output."""

    name: Name
    """The recipe's name: lower case, digits and underscores. It names runs and data sets."""
    seed: int = Field(default=0, ge=0)
    """Seed of every random draw: splits, folds, shuffles and broken ties."""
    shards: int | None = Field(default=None, ge=1, le=99_999)
    """Number of shards of every table; null means one for each 64 MiB of source files."""
    sources: tuple[AnySource, ...] = Field(min_length=1)
    """The files to read. Each entry is a set of files of one layout."""
    pairs: Pairs = Pairs()
    """How labels, ratings and rankings become pairs."""
    verdicts: tuple[Verdicts, ...] = ()
    """Files of human verdicts on pairs, such as the results of a review."""
    encoder: Encoder = Encoder()
    """The sentence encoder, used by every measure that compares texts by their meaning."""
    measures: tuple[AnyMeasure, ...] = ()
    """What is measured. Each entry adds columns that rules can test."""
    structure: Structure = Structure()
    """What happens to pairs without a usable preference. These rules come before all others."""
    rules: tuple[AnyRule, ...] = ()
    """Tests on columns, applied in this order, that keep, drop, flip or hold pairs."""
    export: Export = Export()
    """The data set that is written: its format, columns and splits."""

    _source: SourceMap = PrivateAttr(default_factory=SourceMap)

    def read_from(self, source: SourceMap) -> Self:
        """Return the same recipe with the file and lines that it was read from."""
        recipe = self.model_copy()
        recipe._source = source
        return recipe

    def where(self, path: Location) -> str:
        """Return the beginning of a message about a setting: ``FILE:LINE path.to.key``.

        Args:
            path: The location of the setting in the YAML.
        """
        return self._source.where(path)

    @property
    def file(self) -> str | None:
        """The file that the recipe was read from; null for settings without a file."""
        return self._source.file

    @property
    def all_rules(self) -> tuple[Rule, ...]:
        """The structural rules, then the recipe's own."""
        return self.structure.rules(verdicts=bool(self.verdicts)) + self.rules

    @property
    def verdicts_vote(self) -> bool:
        """Whether human verdicts are votes among the labels."""
        return any(one.weight != OUTRANKS for one in self.verdicts)

    @property
    def measured(self) -> dict[str, Column]:
        """Every column that the measures write, by name and in order."""
        return {column.name: column for m in self.measures for column in m.columns()}

    @property
    def columns(self) -> Mapping[str, Column]:
        """Every column that a rule may read, by name and in order; kept ones have no type yet."""
        names = dict.fromkeys(name for source in self.sources for name in source.keep)
        unknown = [
            column
            for name in names
            for column in (
                kept_column(name, UNKNOWN),
                *sides(name, UNKNOWN, f"kept column `{name}`"),
            )
        ]
        return self.columns_with(unknown)

    def columns_with(self, kept: Iterable[Column]) -> Mapping[str, Column]:
        """Return every column that a rule may read, by name and in order.

        Args:
            kept: The columns that sources keep.
        """
        own = {column.name: column for column in PAIR_COLUMNS}
        return own | {column.name: column for column in kept} | self.measured

    def view(self, inputs: Inputs | None = None) -> RecipeView:
        """Return the part of the recipe that measures can see.

        Args:
            inputs: Its resolved files and models; null if it is not resolved.
        """
        return RecipeView(self.measures, self.encoder, self.seed, inputs or Inputs())
