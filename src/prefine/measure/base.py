"""What a measure is: settings, columns, and the steps that write them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar, Literal, NamedTuple, get_args

import pyarrow as pa

from prefine.schema import Column, flat_schema
from prefine.serve.vllm.served import Served
from prefine.settings import (
    Encoder,
    FileSet,
    FloatType,
    Inputs,
    Need,
    Part,
    Problem,
    Weights,
    walk,
)
from prefine.settings.json import Json
from prefine.step import Counts, StepSpec, Work
from prefine.tables.examples import Examples
from prefine.tables.keyed import KeyedFiles
from prefine.tables.rewards import Reward


class ForwardPass(NamedTuple):
    """One pass of a policy over all responses; what is read of it can be shared."""

    weights: str
    """The key of the policy's ``Weights``."""
    template: str | None
    dtype: FloatType
    max_tokens: int


class RecipeView(NamedTuple):
    """What a measure may know of the recipe that it stands in."""

    measures: tuple["Measure", ...]
    encoder: Encoder
    seed: int
    inputs: Inputs = Inputs()
    """What names of files and models stand for; nothing before the recipe is resolved."""

    @property
    def rewards(self) -> dict[str, Reward]:
        """All rewards of responses, by name."""
        return {reward.name: reward for measure in self.measures for reward in measure.rewards()}


def mean_states_table(name: str) -> str:
    """Return the table in which a CHES measure of this name stores mean hidden states."""
    return f"mean_states_{name}"


class Measure(Part, ABC):
    """One kind of measure: facts beside pairs, or beside their prompts. Never drops a row.

    A subclass has a ``kind``, says which columns it writes and which tables it reads, and computes
    them in ``run``. All else has a default.
    """

    version: ClassVar[int] = 2
    """Raised whenever the bytes that ``run`` writes change."""
    id_column: ClassVar[Literal["pair_id", "prompt_id"]] = "pair_id"
    """The id of its rows."""
    scope: ClassVar[Literal["shard", "corpus"]] = "shard"
    """``corpus``: ``run`` reads and writes all shards at once."""
    uses: ClassVar[Literal["cpu", "model"]] = "cpu"
    """``model``: ``run`` loads a model or calls a server."""
    tables: ClassVar[tuple[str, ...]] = ()
    """The tables that ``run`` reads, where they are always the same."""
    seeded: ClassVar[bool] = False
    """Whether ``run`` draws from the recipe's seed."""

    @classmethod
    def kind_name(cls) -> str:
        """Return what a recipe calls this kind: the one value of the field ``kind``."""
        (name,) = get_args(cls.model_fields["kind"].annotation)
        return name

    @property
    def label(self) -> str:
        """What the measure is called in a recipe: its ``name``, or its kind where it has none."""
        return getattr(self, "name", self.kind_name())

    @property
    def table(self) -> str:
        """The table that ``run`` writes: ``columns`` by ``key``."""
        return f"measure_{self.label}"

    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """Return the columns that it writes."""

    def reads(self, recipe: RecipeView) -> tuple[str, ...]:
        """Return the tables that ``run`` reads."""
        return self.tables

    @abstractmethod
    def run(self, work: Work) -> Counts:
        """Measure a shard, or the corpus; write ``table``."""

    def prepared(self, recipe: RecipeView) -> Callable[[Work], Counts]:
        """Return ``run``, for a measure that needs something of the recipe bound to it."""
        return self.run

    def writes(self, recipe: RecipeView) -> Mapping[str, pa.Schema]:
        """Return further tables that ``run`` writes."""
        return {}

    def depends_on(self, recipe: RecipeView) -> Json:
        """Return what the bytes of ``run`` depend on beside settings, seed and tables."""
        return {}

    def helpers(self, recipe: RecipeView) -> Iterable[StepSpec]:
        """Return steps that make tables for this measure; a plan keeps those that are read."""
        return ()

    def reports(self, recipe: RecipeView) -> Iterable[StepSpec]:
        """Return steps that look at the verdicts and note what the data set card says of them."""
        return ()

    def weights_named(self) -> tuple[Weights, ...]:
        """Return the models and tokenizers that its settings name."""
        return tuple(part for part in walk(self) if isinstance(part, Weights))

    def needs(self) -> tuple[Need, ...]:
        """Return the extras that ``run`` needs."""
        return ()

    def examples(self) -> tuple[Examples, ...]:
        """Return the files of texts that it compares prompts with."""
        return ()

    def keyed(self) -> tuple[KeyedFiles, ...]:
        """Return the files whose rows it joins with the data by a key."""
        return ()

    def file_sets(self) -> tuple[FileSet, ...]:
        """Return the files that it names."""
        return tuple(examples.file_set for examples in self.examples())

    def server(self, inputs: Inputs) -> Served | None:
        """Return what vLLM servers must serve for it, where it asks any."""
        return None

    def rewards(self) -> tuple[Reward, ...]:
        """Return the rewards of responses that it gives."""
        return ()

    def mean_states(self) -> str | None:
        """Return the table of mean hidden states that it stores, if it does."""
        return None

    def offers_pass(self) -> ForwardPass | None:
        """Return the pass of a policy in which others' likelihoods can be read."""
        return None

    def likelihoods(self) -> tuple[ForwardPass, str] | None:
        """Return the pass that its likelihoods can be read in, and the table for them."""
        return None

    def problems(self, recipe: RecipeView) -> Iterator[Problem]:
        """Yield what contradicts the rest of the recipe, located within the measure."""
        yield from ()

    def references(self) -> Mapping[str, tuple[str, ...]]:
        """Return tables of texts, each with the columns that hold ids of its rows."""
        return {}

    def card(self, notes: Mapping[str, Json]) -> str | None:
        """Return a section for the data set card, as Markdown.

        Args:
            notes: What the corpus steps of the run noted, by step.
        """
        return None

    def spec(self, recipe: RecipeView) -> StepSpec:
        """Return the measure's own step."""
        seed = {"seed": recipe.seed} if self.seeded else {}
        served = self.server(recipe.inputs)
        return StepSpec(
            name=self.table,
            version=self.version,
            run=self.prepared(recipe),
            reads=self.reads(recipe),
            writes={self.table: flat_schema(self.id_column, self.columns()), **self.writes(recipe)},
            config=self.identity(recipe.inputs) | seed | self.depends_on(recipe),
            scope=self.scope,
            uses=self.uses,
            rows_of="prompts" if self.id_column == "prompt_id" else "pairs",
            rows_to=self.table,
            server=served.name if served is not None and self.uses == "model" else None,
            needs=self.needs(),
        )
