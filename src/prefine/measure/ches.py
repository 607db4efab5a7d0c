"""CHES: how alike chosen and rejected are in the policy's own hidden space.

What comes in: pairs, and the policy at the start of preference tuning. What goes out: the score of
each pair in both directions, in three forms. What never happens: a pad in a sum, a cut response, a
score for a pair that was not measured whole, a response that is read twice for two pairs.

With S the sum of the hidden states that predict a response's tokens, n their number and m = S / n:

    ches            = <S+, S- - S+>        higher: preference tuning pushes chosen down more
    ches_normalized = <m+, m- - m+>
    ches_ln_div     = the same as the last, over the states from the first differing token on

A response costs one pass whatever the number of its pairs: K responses to a prompt give K sums, and
all ordered couples of them are dot products of those.

Source: Razin et al. 2024, Unintentional Unalignment, Definitions 2 and 3; its theory lets the first
tokens differ, which ``ches_ln_div`` restores for responses that begin alike.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from prefine.measure.policy import conversations, fitting, likelihoods, tokenised
from prefine.recipe import Ches, PolicyLikelihood, VllmChes
from prefine.step import Counts, Work

if TYPE_CHECKING:
    from prefine.serve.chat import Chat
    from prefine.serve.states import StateReader

_NAMED = pa.schema([("table", pa.string()), ("rows", pa.large_binary())])
"""How the tables of a chunk are put aside: each as an Arrow stream of its own."""

Vector = npt.NDArray[np.float64]


class Score(NamedTuple):
    """CHES of an ordered couple, and of the same couple swapped."""

    ches: float
    ches_reversed: float
    normalized: float
    normalized_reversed: float


def ches(chosen: Vector, rejected: Vector, num_chosen: int, num_rejected: int) -> Score:
    """Score a pair from its two sums of hidden states.

    Args:
        chosen: Sum over the chosen response, shape (D,).
        rejected: Sum over the rejected response, shape (D,).
        num_chosen: States in the first sum.
        num_rejected: States in the second sum.
    """
    mean_chosen, mean_rejected = chosen / num_chosen, rejected / num_rejected
    apart, mean_apart = rejected - chosen, mean_rejected - mean_chosen
    return Score(
        _dot(chosen, apart),
        -_dot(rejected, apart),
        _dot(mean_chosen, mean_apart),
        -_dot(mean_rejected, mean_apart),
    )


def _dot(a: Vector, b: Vector) -> float:
    """Return the inner product; BLAS would share a long one between threads."""
    return float(np.einsum("d,d->", a, b))


def shared_beginning(a: Sequence[int], b: Sequence[int]) -> int:
    """Return how many first tokens two responses have in common."""
    for place, (left, right) in enumerate(zip(a, b, strict=False)):
        if left != right:
            return place
    return min(len(a), len(b))


def sums_schema(config: Ches) -> pa.Schema | None:
    """Return the schema of the stored sums, or null where none are stored."""
    if config.store is None:
        return None
    number = pa.float16() if config.store == "float16" else pa.float32()
    return pa.schema(
        [
            pa.field("response_id", pa.large_string(), False),
            pa.field("num_states", pa.int64(), False),
            pa.field("mean", pa.large_list(number), False),
        ]
    )


def measure(work: Work, config: Ches, likelihood: PolicyLikelihood | None = None) -> Counts:
    """Score all pairs of a shard; chunks that an interrupted attempt scored are not again.

    Args:
        work: Reads ``pairs``, ``prompts`` and ``responses``; writes the scores, and what else the
            recipe wants of the same pass.
        config: The policy.
        likelihood: A measure whose values are read in the same pass.
    """
    from prefine.serve.chat import chat_for

    chat = chat_for(config.weights, config.template)
    work.notes["chat"] = chat.facts()
    reader = _reader(work, config, likelihood)
    work.expect(work.read("pairs", ["pair_id"]).height)
    count = 0
    for number, pairs in enumerate(conversations(work)):
        tables = _kept(work, number)
        if tables is None:
            chunk = _Chunk(pairs, chat, reader, config)
            tables = chunk.tables(config, likelihood)
            _keep(work, number, tables)
        for table, rows in tables.items():
            work.emit(table, rows)
        count += pairs.height
        work.progress(pairs.height)
    return Counts(count, count)


def _reader(work: Work, config: Ches, likelihood: PolicyLikelihood | None) -> "StateReader":
    """Return what reads the policy's states: its servers, or the model in this process."""
    if isinstance(config, VllmChes):
        from prefine.serve.vllm_hidden import VllmHiddenStates

        servers = VllmHiddenStates(config, work.runtime)
        work.notes["servers"] = servers.check()
        return servers
    from prefine.serve.hidden import HiddenStates

    model = HiddenStates(config, work.runtime, likelihoods=likelihood is not None)
    work.notes["packed"] = model.packs
    return model


def _keep(work: Work, number: int, tables: dict[str, pa.Table]) -> None:
    """Put the tables of a chunk aside."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _NAMED) as writer:
        for name, rows in tables.items():
            inner = pa.BufferOutputStream()
            with pa.ipc.new_stream(inner, rows.schema) as stream:
                stream.write_table(rows)
            row = {"table": [name], "rows": [inner.getvalue().to_pybytes()]}
            writer.write_table(pa.table(row, schema=_NAMED))
    work.keep(sink.getvalue().to_pybytes(), f"chunk-{number:06d}")


def _kept(work: Work, number: int) -> dict[str, pa.Table] | None:
    """Return the tables of a chunk that an earlier attempt put aside."""
    piece = work.piece(f"chunk-{number:06d}")
    if piece is None:
        return None
    found = pa.ipc.open_stream(piece).read_all().to_pylist()
    return {row["table"]: pa.ipc.open_stream(row["rows"]).read_all() for row in found}


class _Chunk:
    """Some pairs, and the sums of their responses."""

    def __init__(
        self, pairs: pl.DataFrame, chat: "Chat", reader: "StateReader", config: Ches
    ) -> None:
        from prefine.serve.states import Beginning

        self._pairs = pairs
        self._ids = tokenised(pairs, chat)
        self._fits = fits = fitting(self._ids, config.max_tokens)
        place = {name: index for index, name in enumerate(fits)}
        self._alike = [self._beginning(*couple) for couple in self._couples()]
        wanted = [
            (couple, alike)
            for couple, alike in zip(self._couples(), self._alike, strict=True)
            if alike and couple[0] in place and couple[1] in place
        ]
        beginnings = [Beginning(place[chosen], alike) for (chosen, _), alike in wanted]
        self._reading = reader.read([self._ids[name] for name in fits], beginnings)
        self._sums = dict(zip(fits, self._reading.sums.astype(np.float64), strict=True))
        names = [couple for couple, _ in wanted]
        self._firsts = dict(zip(names, self._reading.firsts.astype(np.float64), strict=True))

    def tables(self, config: Ches, likelihood: PolicyLikelihood | None) -> dict[str, pa.Table]:
        """Return everything that is written of this chunk, by table."""
        found = {f"measure_{config.name}": self.scores(config.name).to_arrow()}
        schema = sums_schema(config)
        if schema is not None:
            found[f"sums_{config.name}"] = self.sums(schema)
        if likelihood is not None:
            values = likelihoods(self._ids, self._fits, self._reading)
            found[f"policy_{likelihood.name}"] = values.to_arrow()
        return found

    def _couples(self) -> list[tuple[str, str]]:
        return list(zip(self._pairs["chosen_id"], self._pairs["rejected_id"], strict=True))

    def _beginning(self, chosen: str, rejected: str) -> int:
        return shared_beginning(self._ids[chosen].response, self._ids[rejected].response)

    def _score(self, chosen: str, rejected: str, alike: int) -> tuple[float | None, ...]:
        """Score a couple: raw, normalised, and from the first differing token on."""
        if chosen not in self._sums or rejected not in self._sums:
            return (None,) * 6
        lengths = [len(self._ids[name].response) for name in (chosen, rejected)]
        sums = self._sums[chosen], self._sums[rejected]
        whole = ches(*sums, *lengths)
        if alike == min(lengths):
            return (*whole, None, None)
        first = self._firsts[chosen, rejected] if alike else np.zeros_like(sums[0])
        rest = ches(sums[0] - first, sums[1] - first, lengths[0] - alike, lengths[1] - alike)
        return (*whole, rest.normalized, rest.normalized_reversed)

    def scores(self, name: str) -> pl.DataFrame:
        """Return one row a pair."""
        forms = (name, f"{name}_normalized", f"{name}_ln_div")
        columns = [column for form in forms for column in (form, f"{form}_reversed")]
        rows = [
            self._score(*couple, alike)
            for couple, alike in zip(self._couples(), self._alike, strict=True)
        ]
        frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.Float64), orient="row")
        too_long = pl.when(pl.col(name).is_null()).then(pl.lit("too_long"))
        return frame.with_columns(
            self._pairs["pair_id"],
            pl.Series(f"{name}_shared_tokens", self._alike, dtype=pl.Int64),
            too_long.alias(f"{name}_reason"),
        )

    def sums(self, schema: pa.Schema) -> pa.Table:
        """Return the mean state and the number of states of each response."""
        names = sorted(self._sums)
        if not names:
            return schema.empty_table()
        counts = [len(self._ids[name].response) for name in names]
        means = [self._sums[name] / n for name, n in zip(names, counts, strict=True)]
        column: Any = pl.Series(np.stack(means).astype(np.float32))
        vectors = column.to_arrow().cast(schema.field("mean").type)
        return pa.Table.from_arrays([pa.array(names), pa.array(counts), vectors], schema.names)
