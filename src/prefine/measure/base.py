"""The base class of measures: settings, columns, and the steps that write them."""

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
    """A forward pass of a policy over all responses; measures with equal passes share one."""

    weights: str
    """The key of the policy's ``Weights``."""
    template: str | None
    """A chat template (Jinja); null uses the model's own."""
    dtype: FloatType
    """The floating-point type of the computation."""
    max_tokens: int
    """Maximum number of tokens of a prompt and its response together."""


class RecipeView(NamedTuple):
    """The part of a recipe that its measures can read."""

    measures: tuple["Measure", ...]
    """All measures of the recipe."""
    encoder: Encoder
    """The sentence encoder."""
    seed: int
    """The seed of all random draws."""
    inputs: Inputs = Inputs()
    """The files and models that names refer to; empty before the recipe is resolved."""

    @property
    def rewards(self) -> dict[str, Reward]:
        """All rewards of responses, by name."""
        return {reward.name: reward for measure in self.measures for reward in measure.rewards()}


def mean_states_table(name: str) -> str:
    """Return the table in which a CHES measure of this name stores mean hidden states."""
    return f"mean_states_{name}"


class Measure(Part, ABC):
    """One kind of measure: columns computed for pairs or prompts. It never drops a row.

    A subclass defines ``kind``, ``columns``, the tables that it reads (``tables`` or ``reads``) and
    ``run``. Everything else has a default.
    """

    version: ClassVar[int] = 2
    """Version of the step; raise it whenever the bytes that ``run`` writes change."""
    id_column: ClassVar[Literal["pair_id", "prompt_id"]] = "pair_id"
    """The id of a row of the table that ``run`` writes."""
    scope: ClassVar[Literal["shard", "corpus"]] = "shard"
    """``shard``: ``run`` processes one shard; ``corpus``: it processes all shards at once."""
    uses: ClassVar[Literal["cpu", "model"]] = "cpu"
    """``model`` if ``run`` loads a model or calls a server."""
    tables: ClassVar[tuple[str, ...]] = ()
    """The tables that ``run`` reads, if they do not depend on the settings."""
    seeded: ClassVar[bool] = False
    """Whether the result depends on the recipe's seed."""

    @classmethod
    def kind_name(cls) -> str:
        """Return the name of this kind in a recipe: the only value of the field ``kind``."""
        (name,) = get_args(cls.model_fields["kind"].annotation)
        return name

    @property
    def label(self) -> str:
        """The name of the measure in a recipe: its ``name``, or its kind if it has no name."""
        return getattr(self, "name", self.kind_name())

    @property
    def table(self) -> str:
        """The table that ``run`` writes: ``id_column`` and ``columns``."""
        return f"measure_{self.label}"

    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """Return the columns that the measure writes."""

    def reads(self, recipe: RecipeView) -> tuple[str, ...]:
        """Return the tables that ``run`` reads."""
        return self.tables

    @abstractmethod
    def run(self, work: Work) -> Counts:
        """Compute the columns of a shard or of the corpus and write ``table``."""

    def prepared(self, recipe: RecipeView) -> Callable[[Work], Counts]:
        """Return the function of the step: ``run``, with arguments from the recipe bound."""
        return self.run

    def writes(self, recipe: RecipeView) -> Mapping[str, pa.Schema]:
        """Return the additional tables that ``run`` writes, with their schemas."""
        return {}

    def depends_on(self, recipe: RecipeView) -> Json:
        """Return what the result depends on in addition to settings, seed and tables."""
        return {}

    def helpers(self, recipe: RecipeView) -> Iterable[StepSpec]:
        """Return steps that write tables for this measure; a plan keeps those that are read."""
        return ()

    def reports(self, recipe: RecipeView) -> Iterable[StepSpec]:
        """Return steps that read the decisions and record statistics for the data set card."""
        return ()

    def weights_named(self) -> tuple[Weights, ...]:
        """Return the models and tokenizers that its settings name."""
        return tuple(part for part in walk(self) if isinstance(part, Weights))

    def needs(self) -> tuple[Need, ...]:
        """Return the extras that ``run`` needs."""
        return ()

    def examples(self) -> tuple[Examples, ...]:
        """Return the files of texts that the measure compares prompts with."""
        return ()

    def keyed(self) -> tuple[KeyedFiles, ...]:
        """Return the files whose rows the measure joins to the data by a key."""
        return ()

    def file_sets(self) -> tuple[FileSet, ...]:
        """Return the files that the settings name."""
        return tuple(examples.file_set for examples in self.examples())

    def server(self, inputs: Inputs) -> Served | None:
        """Return what vLLM servers must serve for the measure; None if it calls no server."""
        return None

    def rewards(self) -> tuple[Reward, ...]:
        """Return the response rewards that the measure computes."""
        return ()

    def mean_states(self) -> str | None:
        """Return the table of mean hidden states; None if the measure stores none."""
        return None

    def offers_pass(self) -> ForwardPass | None:
        """Return the forward pass that can also compute log-probabilities for other measures."""
        return None

    def likelihoods(self) -> tuple[ForwardPass, str] | None:
        """Return the forward pass that computes its log-probabilities, and their table."""
        return None

    def problems(self, recipe: RecipeView) -> Iterator[Problem]:
        """Yield conflicts with the rest of the recipe; locations are relative to the measure."""
        yield from ()

    def references(self) -> Mapping[str, tuple[str, ...]]:
        """Return tables of texts, each with the columns that contain ids of its rows."""
        return {}

    def card(self, notes: Mapping[str, Json]) -> str | None:
        """Return a section for the data set card, as Markdown.

        Args:
            notes: The manifest notes of the run's corpus steps, by step.
        """
        return None

    def spec(self, recipe: RecipeView) -> StepSpec:
        """Return the step that runs the measure."""
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
