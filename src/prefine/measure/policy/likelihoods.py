"""The table of how likely a policy finds responses."""

from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from prefine.tables.conversations import TEMPLATE_REFUSED, TokenIds

if TYPE_CHECKING:
    from prefine.serve.states import Reading

LIKELIHOODS = pa.schema(
    [
        pa.field("response_id", pa.large_string(), False),
        pa.field("logp", pa.float64()),
        pa.field("num_tokens", pa.int64()),
        pa.field("entropy", pa.float64()),
        pa.field("reason", pa.large_string()),
    ]
)
"""One row a response that stands in a pair: sum of log-probabilities in nats, tokens with the end,
mean entropy in nats, and why there is none."""


def likelihoods(ids: TokenIds, fits: Sequence[str], reading: "Reading") -> pl.DataFrame:
    """Return one row a response: its values, or the reason why it has none.

    Args:
        ids: All responses.
        fits: Those that were read, in the order of the reading.
        reading: What was read.
    """
    values = dict(zip(fits, zip(reading.logps, reading.entropies, strict=True), strict=True))
    rows = [
        (name, None, None, None, TEMPLATE_REFUSED)
        if one is None
        else (name, values[name][0], len(one.response), values[name][1], None)
        if name in values
        else (name, None, len(one.response), None, "too_long")
        for name, one in sorted(ids.items(), key=itemgetter(0))
    ]
    schema = {"response_id": pl.String, "logp": pl.Float64, "num_tokens": pl.Int64}
    return pl.DataFrame(
        rows, schema=schema | {"entropy": pl.Float64, "reason": pl.String}, orient="row"
    )
