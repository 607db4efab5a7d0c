"""The base class of the CHES measures: settings, columns, tables and the loop over pairs."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from prefine.measure.base import Measure, RecipeView, mean_states_table
from prefine.measure.ches.chunk import Chunk
from prefine.measure.policy.likelihoods import LIKELIHOODS
from prefine.schema import COUNT, Column, Flip
from prefine.settings import Name, Weights
from prefine.settings.json import Json
from prefine.step import Counts, TableJournal, Work
from prefine.tables.conversations import read_conversations

if TYPE_CHECKING:
    from prefine.serve.states import StateReader


class Ches(Measure):
    """The base of the CHES measures; a subclass returns the reader of hidden states (``open``)."""

    tables: ClassVar = ("pairs", "prompts", "responses")
    version: ClassVar[int] = 4
    uses: ClassVar[Literal["cpu", "model"]] = "model"

    name: Name = "ches"
    """Name of the measure, and prefix of its columns."""
    weights: Weights
    """The policy at the start of preference tuning."""
    template: str | None = None
    """A chat template (Jinja) to use instead of the model's own."""
    max_tokens: int = Field(default=16_384, ge=8)
    """Maximum number of tokens of prompt and response; a pair with a longer side gets no score and
    the reason ``too_long``, it is never truncated."""
    store: Literal["float16", "float32"] | None = None
    """Store the mean hidden state of each response in this precision in the table
    ``mean_states_NAME``, which the measure ``pressure`` reads; null stores none."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name = self.name
        return (
            *_with_reversed(
                name,
                "centered hidden embedding similarity (CHES), a dot product of hidden states; "
                "higher predicts more likelihood displacement",
            ),
            *_with_reversed(
                f"{name}_normalized",
                "length-normalized CHES: the same with means instead of sums of hidden states",
            ),
            *_with_reversed(
                f"{name}_ln_div",
                "length-normalized CHES from the first token that differs; null if one response "
                "is a prefix of the other",
            ),
            Column(
                f"{name}_shared_tokens",
                pa.int64(),
                "length of the common prefix of both responses, in tokens",
                range=COUNT,
            ),
            Column(
                f"{name}_reason",
                pa.large_string(),
                "why there is no score: too_long, template_refused; else null",
            ),
        )

    def mean_states(self) -> str | None:
        """Return the table of mean hidden states; None if ``store`` is null."""
        return None if self.store is None else mean_states_table(self.name)

    def writes(self, recipe: RecipeView) -> Mapping[str, pa.Schema]:
        """Return the tables of mean states and of log-probabilities from the same pass."""
        shared = dict.fromkeys(self._shared_likelihoods(recipe), LIKELIHOODS)
        stored = self.mean_states()
        return shared if stored is None else {stored: self._means_schema(), **shared}

    def depends_on(self, recipe: RecipeView) -> Json:
        """Return the tables of log-probabilities that the same forward pass computes."""
        shared = self._shared_likelihoods(recipe)
        return {"likelihoods": list(shared)} if shared else {}

    def _shared_likelihoods(self, recipe: RecipeView) -> tuple[str, ...]:
        """Return the tables of log-probabilities that share this measure's forward pass.

        The first of several measures with the same pass writes them.
        """
        forward = self.offers_pass()
        if forward is None:
            return ()
        first = next((m for m in recipe.measures if m.offers_pass() == forward), None)
        if first is not self:
            return ()
        requests = (measure.likelihoods() for measure in recipe.measures)
        return tuple(
            request[1] for request in requests if request is not None and request[0] == forward
        )

    def _means_schema(self) -> pa.Schema:
        """Return the schema of the stored mean states."""
        number = pa.float16() if self.store == "float16" else pa.float32()
        return pa.schema(
            [
                pa.field("response_id", pa.large_string(), False),
                pa.field("num_states", pa.int64(), False),
                pa.field("mean", pa.large_list(number), False),
            ]
        )

    @abstractmethod
    def open(self, work: Work, *, likelihoods: bool) -> "StateReader":
        """Return the reader of hidden states, and record its properties in the manifest.

        Args:
            work: The shard.
            likelihoods: Whether the reader also computes log-probabilities.
        """

    def run(self, work: Work) -> Counts:
        """Score all pairs of a shard, and reuse chunks that an interrupted attempt has scored."""
        from prefine.serve.chat import chat_for

        chat = chat_for(work.model(self.weights), self.template)
        work.notes["chat"] = chat.facts()
        shared = [name for name, schema in work.step.writes.items() if schema == LIKELIHOODS]
        reader = self.open(work, likelihoods=bool(shared))
        journal = TableJournal(work)
        work.expect(work.read("pairs", ["pair_id"]).height)
        count = 0
        for number, pairs in enumerate(read_conversations(work)):
            tables = journal.get(number)
            if tables is None:
                chunk = Chunk(pairs, chat, reader, self.max_tokens)
                tables = {self.table: chunk.scores(self.name).to_arrow()}
                if (stored := self.mean_states()) is not None:
                    tables[stored] = chunk.means(self._means_schema())
                tables |= {table: chunk.likelihoods() for table in shared}
                journal.add(number, tables)
            for table, rows in tables.items():
                work.emit(table, rows)
            count += pairs.height
            work.progress(pairs.height)
        return Counts(count, count)


def _with_reversed(name: str, about: str) -> tuple[Column, Column]:
    reverse = f"{name}_reversed"
    return (
        Column(name, pa.float64(), about, Flip.SWAP, reverse),
        Column(reverse, pa.float64(), f"{name} with chosen and rejected swapped", Flip.SWAP, name),
    )
