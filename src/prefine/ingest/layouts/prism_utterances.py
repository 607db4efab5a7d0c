"""PRISM utterances: one rated response per row, joined with the turns before it."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from prefine.ingest.labels import rating_label
from prefine.ingest.layout import Context, Layout
from prefine.ingest.messages import response_of
from prefine.ingest.record import Candidate, Reason, Record, RowError
from prefine.ingest.values import number, optional, required, text, truth
from prefine.schema import Message
from prefine.settings.json import Json

_MAX_TURNS = 1000


class PrismUtterances(Layout):
    """PRISM utterances: one response per row with a ``score`` of 1 to 100 by its user.

    Earlier turns of the conversation are looked up in the other rows of the source.
    """

    own_table: ClassVar = "chosen"
    keys: ClassVar = ("utterance_id", "conversation_id", "user_prompt", "model_response", "score")
    because: ClassVar = "`user_prompt` and `model_response` with `score`, one response per row"

    format: Literal["prism_utterances"] = "prism_utterances"
    """Name of the layout."""

    @classmethod
    def index(
        cls, table: str, rows: Iterable[tuple[Json, Mapping[str, str]]]
    ) -> Mapping[Any, Json]:
        """Index the chosen response of each turn by conversation and turn."""
        del table
        return {
            (str(row.get("conversation_id")), turn): {
                "user": row.get("user_prompt"),
                "assistant": row.get("model_response"),
            }
            for row, _ in rows
            if truth(row.get("if_chosen")) and (turn := _turn(row)) is not None
        }

    def parse(self, row: Json, context: Context) -> Record:
        """Parse one response with the rating of its user."""
        turns = context.tables.get("chosen", {})
        conversation = str(required(row, "conversation_id"))
        prompt: list[Message] = []
        own = _turn(row)
        if own is None or own > _MAX_TURNS:
            detail = f"`turn` is {row.get('turn')!s:.40}, not an integer from 0 to {_MAX_TURNS}"
            raise RowError(Reason.WRONG_TYPE, detail)
        for turn in range(own):
            before = turns.get((conversation, turn))
            if before is None:
                detail = f"no chosen response in turn {turn} of the conversation"
                raise RowError(Reason.LOOKUP_MISSING, detail)
            user_text = text(before["user"], "user_prompt")
            prompt.append(Message(role="user", content=user_text))
            response = text(before["assistant"], "model_response")
            prompt.append(Message(role="assistant", content=response))
        prompt.append(Message(role="user", content=text(row.get("user_prompt"), "user_prompt")))
        return Record(
            prompt,
            [
                Candidate(
                    response_of(row.get("model_response"), "model_response"),
                    optional(row, "model_name"),
                )
            ],
            [rating_label(0, row.get("score"), "overall", optional(row, "user_id"))],
            group=optional(row, "conversation_type"),
        )


def _turn(row: Json) -> int | None:
    """Return the number of a turn, from 0, or None if the row has no valid one."""
    try:
        turn = number(row.get("turn"), "turn")
    except RowError:
        return None
    return int(turn) if turn is not None and turn >= 0 and turn.is_integer() else None
