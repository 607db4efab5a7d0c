"""The table of log-probabilities of responses under a policy."""

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
"""One row per response of a pair: sum of token log-probabilities in nats, number of tokens with the
end-of-turn token, mean entropy in nats, and the reason if there are no values."""


def likelihoods(ids: TokenIds, fits: Sequence[str], reading: "Reading") -> pl.DataFrame:
    """Return one row per response: its values, or the reason why it has none.

    Args:
        ids: The token ids of all responses.
        fits: The ids of the responses that the model has read, in the order of ``reading``.
        reading: The log-probabilities and entropies of these.
    """
    values = dict(zip(fits, zip(reading.logps, reading.entropies, strict=True), strict=True))
    rows = [
        (name, None, None, None, TEMPLATE_REFUSED)
        if tokens is None
        else (name, values[name][0], len(tokens.response), values[name][1], None)
        if name in values
        else (name, None, len(tokens.response), None, "too_long")
        for name, tokens in sorted(ids.items(), key=itemgetter(0))
    ]
    schema = {"response_id": pl.String, "logp": pl.Float64, "num_tokens": pl.Int64}
    return pl.DataFrame(
        rows, schema=schema | {"entropy": pl.Float64, "reason": pl.String}, orient="row"
    )
