"""Community Alignment: up to four turns, each with the best of four responses."""

from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

from prefine.ingest.labels import best_of
from prefine.ingest.layout import Context, Layout
from prefine.ingest.pairs import listed_candidate
from prefine.ingest.record import Reason, Record, RowError
from prefine.ingest.values import optional, spelling
from prefine.schema import Message
from prefine.settings.json import Json

_TURNS = ("first_turn", "second_turn", "third_turn", "fourth_turn")
_LETTERS = "abcd"


class CommunityAlignment(Layout):
    """Community Alignment: up to four turns, each with the best of four responses.

    Each turn is a separate prompt, and the preferred response wins against the other three.
    """

    keys: ClassVar = ("first_turn_prompt", "first_turn_response_a", "first_turn_preferred_response")
    because: ClassVar = "`first_turn_prompt` and `first_turn_preferred_response`"

    format: Literal["community_alignment"] = "community_alignment"
    """Name of the layout."""

    def parse(self, row: Json, context: Context) -> Record:
        """Parse the first turn of a conversation."""
        return next(iter(self.records(row, context)))

    def records(self, row: Json, context: Context) -> Iterable[Record]:
        """Parse each turn as a prompt that begins with the preferred responses of earlier turns.

        A turn without a prompt or a preference ends the conversation, because the context of later
        turns is unknown.
        """
        records = list(_turns(row))
        if not records:
            raise RowError(Reason.LABEL_MISSING, "the first turn has no prompt or no preference")
        return records


def _turns(row: Json) -> Iterator[Record]:
    before: list[Message] = []
    for turn in _TURNS:
        user_text = optional(row, f"{turn}_prompt")
        preferred = optional(row, f"{turn}_preferred_response")
        if user_text is None or preferred is None:
            return
        best = spelling(preferred).removeprefix("response ")
        names = [f"{turn}_response_{letter}" for letter in _LETTERS]
        if best not in tuple(_LETTERS):
            detail = f"`{turn}_preferred_response` is {preferred[:40]!r}, not response_a to d"
            raise RowError(Reason.UNKNOWN_LABEL, detail)
        index = _LETTERS.index(best)
        candidates = [listed_candidate(row.get(name) or None, name) for name in names]
        if not candidates[index].messages:
            detail = f"`{names[index]}` is the preferred response, but is missing"
            raise RowError(Reason.RESPONSE_MISSING, detail)
        prompt = [*before, Message(role="user", content=user_text)]
        yield Record(
            prompt,
            candidates,
            best_of(index, len(names), label=preferred, annotator=optional(row, "annotator_id")),
            language=optional(row, "assigned_lang"),
        )
        before = [*prompt, *candidates[index].messages]
