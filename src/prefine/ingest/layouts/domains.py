"""One response per domain, of which the recipe chooses the preferred domain."""

from typing import Literal

from pydantic import Field

from prefine.ingest.labels import rating_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import prompt_of, response_of
from prefine.ingest.record import Candidate, Reason, Record, RowError
from prefine.ingest.values import required
from prefine.settings.json import Json, is_object


class Domains(Layout):
    """``query`` with one response per domain; the response of ``domain`` is rated 1, others 0."""

    format: Literal["domains"] = "domains"
    """Name of the layout."""
    domain: str = Field(min_length=1)
    """The domain whose response is preferred."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect a query with one response per domain."""
        if "query" in row and is_object(row.get("responses")):
            return "`query` with `responses` by domain; a preference exists once a domain is chosen"
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Rate the response of the preferred domain 1 and all others 0."""
        responses = required(row, "responses")
        if not is_object(responses) or self.domain not in responses:
            known = f"; it has {', '.join(responses):.200}" if is_object(responses) else ""
            detail = f"`responses` has no domain {self.domain!r}{known}"
            raise RowError(Reason.MISSING_VALUE, detail)
        candidates = [
            Candidate(response_of(value, f"responses.{domain}"), meta={"domain": domain})
            for domain, value in responses.items()
        ]
        labels = [
            rating_label(index, float(domain == self.domain), "domain")
            for index, domain in enumerate(responses)
        ]
        return Record(prompt_of(required(row, "query"), "query"), candidates, labels)
