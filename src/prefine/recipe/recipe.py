"""The recipe: everything that changes a byte of the output, as a user writes it."""

from collections.abc import Iterable, Mapping

from pydantic import Field

from prefine.decide import AnyRule, Rule, Structure
from prefine.export.settings import Export
from prefine.ingest.layouts import AnySource
from prefine.measure.base import RecipeView
from prefine.measure.kinds import AnyMeasure
from prefine.pair.settings import Pairs
from prefine.pair.verdicts import OUTRANKS, Verdicts
from prefine.schema import PAIR_COLUMNS, UNKNOWN, Column
from prefine.schema.columns import kept_column, sides
from prefine.settings import Encoder, Inputs, Name, Part


class Recipe(Part):
    """Everything that changes a byte of the output."""

    name: Name
    seed: int = Field(default=0, ge=0)
    """Behind every shuffle, split, fold and tie."""
    shards: int | None = Field(default=None, ge=1, le=99_999)
    """How many shards the tables have; null takes one for each 64 MiB of source files."""
    sources: tuple[AnySource, ...] = Field(min_length=1)
    pairs: Pairs = Pairs()
    verdicts: tuple[Verdicts, ...] = ()
    """Files of human verdicts on pairs."""
    encoder: Encoder = Encoder()
    measures: tuple[AnyMeasure, ...] = ()
    structure: Structure = Structure()
    rules: tuple[AnyRule, ...] = ()
    export: Export = Export()

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
            kept: Those that sources keep.
        """
        own = {column.name: column for column in PAIR_COLUMNS}
        return own | {column.name: column for column in kept} | self.measured

    def view(self, inputs: Inputs | None = None) -> RecipeView:
        """Return what measures may know of the recipe.

        Args:
            inputs: What its names of files and models stand for, once it is resolved.
        """
        return RecipeView(self.measures, self.encoder, self.seed, inputs or Inputs())
