"""ms-swift preference data: a conversation and the rejected alternative to its end."""

from typing import ClassVar, Literal

from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import messages, response_of
from prefine.ingest.pairs import conversation_pair, pair_record
from prefine.ingest.record import Reason, Record, RowError
from prefine.ingest.values import required
from prefine.schema import Message
from prefine.settings.json import Json, is_array


class MsSwift(Layout):
    """ms-swift: ``messages`` end with the chosen response; a further column has the rejected one.

    The rejected response is in ``rejected_response`` or ``rejected_messages``.
    """

    reads_beside: ClassVar = ("messages",)
    format: Literal["ms_swift"] = "ms_swift"
    """Name of the layout."""

    @classmethod
    def detect(cls, row: Json) -> str | None:
        """Detect a conversation and a rejected response."""
        if not is_array(row.get("messages")):
            return None
        for key in ("rejected_response", "rejected_messages"):
            if row.get(key) is not None:
                return f"`messages` with `{key}`"
        return None

    def parse(self, row: Json, context: Context) -> Record:
        """Parse the last response of the conversation as the chosen one."""
        turns = messages(required(row, "messages"), "messages")
        if row.get("rejected_messages"):
            rejected = messages(row["rejected_messages"], "rejected_messages")
            record = conversation_pair(row, turns, rejected)
            _require_one_rejected(row, record.candidates[1].messages)
            return record
        if turns[-1]["role"] != "assistant":
            raise RowError(Reason.RESPONSE_MISSING, "`messages` does not end with a response")
        rejected = response_of(row.get("rejected_response"), "rejected_response")
        return pair_record(row, turns[:-1], turns[-1:], rejected)


def _require_one_rejected(row: Json, rejected: list[Message]) -> None:
    """Refuse a row with two different rejected responses."""
    if not row.get("rejected_response"):
        return
    other = response_of(row["rejected_response"], "rejected_response")
    if other not in (rejected, rejected[-1:]):
        raise RowError(
            Reason.TURNS_DIFFER,
            "`rejected_messages` and `rejected_response` hold different responses",
        )
