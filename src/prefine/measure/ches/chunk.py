"""CHES scores, mean states and log-probabilities of one chunk of pairs."""

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from prefine.measure.ches.scores import ches
from prefine.measure.policy.likelihoods import likelihoods
from prefine.tables.conversations import TEMPLATE_REFUSED, tokenize_responses, within_limit
from prefine.text.common import common_prefix

if TYPE_CHECKING:
    from prefine.serve.chat import Chat
    from prefine.serve.states import StateReader


class Chunk:
    """A chunk of pairs and the sums of the hidden states of their responses."""

    def __init__(
        self, pairs: pl.DataFrame, chat: "Chat", reader: "StateReader", max_tokens: int
    ) -> None:
        from prefine.serve.states import Beginning

        self._pairs = pairs
        self._ids = tokenize_responses(pairs, chat)
        self._fitting = fitting = within_limit(self._ids, max_tokens)
        row_of = {name: row for row, name in enumerate(fitting)}
        self._num_shared = [self._count_shared(*sides) for sides in self._sides()]
        with_prefix = [
            (sides, num_shared)
            for sides, num_shared in zip(self._sides(), self._num_shared, strict=True)
            if num_shared and sides[0] in row_of and sides[1] in row_of
        ]
        beginnings = [Beginning(row_of[chosen], n) for (chosen, _), n in with_prefix]
        self._reading = reader.read(list(fitting.values()), beginnings)
        self._sums = dict(zip(fitting, self._reading.sums.astype(np.float64), strict=True))
        names = [sides for sides, _ in with_prefix]
        firsts = self._reading.firsts.astype(np.float64)
        self._prefix_sums = dict(zip(names, firsts, strict=True))

    def likelihoods(self) -> pa.Table:
        """Return the log-probability of each response, computed in the same forward pass."""
        return likelihoods(self._ids, list(self._fitting), self._reading).to_arrow()

    def _sides(self) -> list[tuple[str, str]]:
        return list(zip(self._pairs["chosen_id"], self._pairs["rejected_id"], strict=True))

    def _count_shared(self, chosen: str, rejected: str) -> int | None:
        """Return the number of tokens in the common prefix of both responses."""
        left, right = self._ids[chosen], self._ids[rejected]
        if left is None or right is None:
            return None
        return common_prefix(left.response, right.response)

    def _score(
        self, chosen: str, rejected: str, num_shared: int | None
    ) -> tuple[float | None, ...]:
        """Score a pair: raw, normalized, and normalized from the first differing token."""
        if num_shared is None or chosen not in self._sums or rejected not in self._sums:
            return (None,) * 6
        lengths = [len(self._fitting[name].response) for name in (chosen, rejected)]
        sums = self._sums[chosen], self._sums[rejected]
        whole = ches(*sums, *lengths)
        if num_shared == min(lengths):
            return (*whole, None, None)
        prefix = self._prefix_sums[chosen, rejected] if num_shared else np.zeros_like(sums[0])
        suffix_lengths = [length - num_shared for length in lengths]
        suffix = ches(sums[0] - prefix, sums[1] - prefix, *suffix_lengths)
        return (*whole, suffix.normalized, suffix.normalized_reversed)

    def scores(self, name: str) -> pl.DataFrame:
        """Return the scores, one row per pair.

        Args:
            name: The name of the measure, which begins the names of the columns.
        """
        forms = (name, f"{name}_normalized", f"{name}_ln_div")
        columns = [column for form in forms for column in (form, f"{form}_reversed")]
        rows = [
            self._score(*sides, num_shared)
            for sides, num_shared in zip(self._sides(), self._num_shared, strict=True)
        ]
        frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.Float64), orient="row")
        shared = pl.Series(f"{name}_shared_tokens", self._num_shared, dtype=pl.Int64)
        why = pl.when(shared.is_null()).then(pl.lit(TEMPLATE_REFUSED)).otherwise(pl.lit("too_long"))
        reason = pl.when(pl.col(name).is_null()).then(why)
        return frame.with_columns(self._pairs["pair_id"], shared, reason.alias(f"{name}_reason"))

    def means(self, schema: pa.Schema) -> pa.Table:
        """Return the mean hidden state and the number of states of each response."""
        names = sorted(self._sums)
        if not names:
            return schema.empty_table()
        counts = [len(self._fitting[name].response) for name in names]
        means = [self._sums[name] / n for name, n in zip(names, counts, strict=True)]
        column: Any = pl.Series(np.stack(means).astype(np.float32))
        vectors = column.to_arrow().cast(schema.field("mean").type)
        return pa.Table.from_arrays([pa.array(names), pa.array(counts), vectors], schema.names)
