"""Some pairs, their responses read, and everything that is written of them."""

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from prefine.measure.ches.scores import ches, shared_beginning
from prefine.measure.policy.likelihoods import likelihoods
from prefine.tables.conversations import TEMPLATE_REFUSED, fitting, tokenised

if TYPE_CHECKING:
    from prefine.serve.chat import Chat
    from prefine.serve.states import StateReader


class Chunk:
    """Some pairs, and the sums of their responses."""

    def __init__(
        self, pairs: pl.DataFrame, chat: "Chat", reader: "StateReader", max_tokens: int
    ) -> None:
        from prefine.serve.states import Beginning

        self._pairs = pairs
        self._ids = tokenised(pairs, chat)
        self._fits = fits = fitting(self._ids, max_tokens)
        place = {name: index for index, name in enumerate(fits)}
        self._alike = [self._beginning(*couple) for couple in self._couples()]
        wanted = [
            (couple, alike)
            for couple, alike in zip(self._couples(), self._alike, strict=True)
            if alike and couple[0] in place and couple[1] in place
        ]
        beginnings = [Beginning(place[chosen], alike) for (chosen, _), alike in wanted]
        self._reading = reader.read(list(fits.values()), beginnings)
        self._sums = dict(zip(fits, self._reading.sums.astype(np.float64), strict=True))
        names = [couple for couple, _ in wanted]
        self._firsts = dict(zip(names, self._reading.firsts.astype(np.float64), strict=True))

    def likelihoods(self) -> pa.Table:
        """Return how likely the policy finds each response, read in the same pass."""
        return likelihoods(self._ids, list(self._fits), self._reading).to_arrow()

    def _couples(self) -> list[tuple[str, str]]:
        return list(zip(self._pairs["chosen_id"], self._pairs["rejected_id"], strict=True))

    def _beginning(self, chosen: str, rejected: str) -> int | None:
        one, other = self._ids[chosen], self._ids[rejected]
        if one is None or other is None:
            return None
        return shared_beginning(one.response, other.response)

    def _score(self, chosen: str, rejected: str, alike: int | None) -> tuple[float | None, ...]:
        """Score a couple: raw, normalised, and from the first differing token on."""
        if alike is None or chosen not in self._sums or rejected not in self._sums:
            return (None,) * 6
        lengths = [len(self._fits[name].response) for name in (chosen, rejected)]
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
        alike = pl.Series(f"{name}_shared_tokens", self._alike, dtype=pl.Int64)
        why = pl.when(alike.is_null()).then(pl.lit(TEMPLATE_REFUSED)).otherwise(pl.lit("too_long"))
        reason = pl.when(pl.col(name).is_null()).then(why)
        return frame.with_columns(self._pairs["pair_id"], alike, reason.alias(f"{name}_reason"))

    def means(self, schema: pa.Schema) -> pa.Table:
        """Return the mean state and the number of states of each response."""
        names = sorted(self._sums)
        if not names:
            return schema.empty_table()
        counts = [len(self._fits[name].response) for name in names]
        means = [self._sums[name] / n for name, n in zip(names, counts, strict=True)]
        column: Any = pl.Series(np.stack(means).astype(np.float32))
        vectors = column.to_arrow().cast(schema.field("mean").type)
        return pa.Table.from_arrays([pa.array(names), pa.array(counts), vectors], schema.names)
