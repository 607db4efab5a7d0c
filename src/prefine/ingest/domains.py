"""One response a domain: a preference exists only once a domain is wanted.

What comes in: a query with responses by domain, and the domain that the recipe wants. What goes
out: rating 1 for that domain's response and 0 for the others. What never happens: a default domain.
"""

from prefine.ingest.record import (
    Candidate,
    Context,
    Reason,
    Record,
    RowError,
    get,
    prompt_of,
    rating,
    response_of,
)
from prefine.schema.json import Json, is_object


def detect(row: Json) -> str | None:
    """Tell whether one response a domain answers a query."""
    if "query" in row and is_object(row.get("responses")):
        return "`query` with `responses` by domain; a preference exists once a domain is chosen"
    return None


def parse(row: Json, context: Context) -> Record:
    """Rate the wanted domain's response 1 and all others 0."""
    responses, wanted = get(row, "responses"), context.source.domain
    if not is_object(responses) or wanted not in responses:
        raise RowError(Reason.MISSING_VALUE, f"`responses` has no domain {wanted!r}")
    candidates = [
        Candidate(response_of(value, f"responses.{domain}"), meta={"domain": domain})
        for domain, value in responses.items()
    ]
    labels = [rating(i, float(d == wanted), "domain") for i, d in enumerate(responses)]
    return Record(prompt_of(get(row, "query"), "query"), candidates, labels)
