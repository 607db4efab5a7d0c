"""What all ways of measuring CHES share: settings, columns, tables, and chunks of pairs."""

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
from prefine.tables.conversations import conversations

if TYPE_CHECKING:
    from prefine.serve.states import StateReader


class Ches(Measure):
    """What all ways of measuring CHES share. A subclass says what reads the states (``open``)."""

    tables: ClassVar = ("pairs", "prompts", "responses")
    version: ClassVar[int] = 4
    uses: ClassVar[Literal["cpu", "model"]] = "model"

    name: Name = "ches"
    weights: Weights
    """The policy at the start of preference tuning."""
    template: str | None = None
    """A chat template (Jinja) to use instead of the model's own."""
    max_tokens: int = Field(default=16_384, ge=8)
    """A pair with a longer side gets no score and the reason ``too_long``; nothing is cut."""
    store: Literal["float16", "float32"] | None = None
    """Keep each response's mean hidden state and its number of states, in this precision, as the
    table ``mean_states_NAME``: for work across pairs."""

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of this measure."""
        name = self.name
        return (
            *_both_ways(name, "centered hidden embedding similarity; higher displaces more"),
            *_both_ways(f"{name}_normalized", "the same, divided by the lengths in tokens"),
            *_both_ways(f"{name}_ln_div", "the last, from the first differing token on"),
            Column(
                f"{name}_shared_tokens",
                pa.int64(),
                "first tokens that both responses share",
                range=COUNT,
            ),
            Column(
                f"{name}_reason",
                pa.large_string(),
                "why there is no score: too_long, template_refused; else null",
            ),
        )

    def mean_states(self) -> str | None:
        """Return the table of mean hidden states, where they are stored."""
        return None if self.store is None else mean_states_table(self.name)

    def writes(self, recipe: RecipeView) -> Mapping[str, pa.Schema]:
        """Return the table of mean states, and those of likelihoods read in the same pass."""
        shared = dict.fromkeys(self._shared_likelihoods(recipe), LIKELIHOODS)
        stored = self.mean_states()
        return shared if stored is None else {stored: self._means_schema(), **shared}

    def depends_on(self, recipe: RecipeView) -> Json:
        """Return which likelihoods are read in the same pass."""
        shared = self._shared_likelihoods(recipe)
        return {"likelihoods": list(shared)} if shared else {}

    def _shared_likelihoods(self, recipe: RecipeView) -> tuple[str, ...]:
        """Return the tables of likelihoods that the first measure with their pass writes."""
        offered = self.offers_pass()
        if offered is None:
            return ()
        first = next((m for m in recipe.measures if m.offers_pass() == offered), None)
        if first is not self:
            return ()
        wanted = (measure.likelihoods() for measure in recipe.measures)
        return tuple(want[1] for want in wanted if want is not None and want[0] == offered)

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
        """Return what reads the policy's states; note in the manifest what is known of it."""

    def run(self, work: Work) -> Counts:
        """Score all pairs of a shard; chunks that an interrupted attempt scored are kept."""
        from prefine.serve.chat import chat_for

        chat = chat_for(work.model(self.weights), self.template)
        work.notes["chat"] = chat.facts()
        shared = [name for name, schema in work.step.writes.items() if schema == LIKELIHOODS]
        reader = self.open(work, likelihoods=bool(shared))
        journal = TableJournal(work)
        work.expect(work.read("pairs", ["pair_id"]).height)
        count = 0
        for number, pairs in enumerate(conversations(work)):
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


def _both_ways(name: str, about: str) -> tuple[Column, Column]:
    reverse = f"{name}_reversed"
    return (
        Column(name, pa.float64(), about, Flip.SWAP, reverse),
        Column(reverse, pa.float64(), f"{name} of the swapped pair", Flip.SWAP, name),
    )
