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
    """``first_turn_prompt``, ``first_turn_response_a``, ... and who prefers which."""

    keys: ClassVar = ("first_turn_prompt", "first_turn_response_a", "first_turn_preferred_response")
    because: ClassVar = "`first_turn_prompt` and `first_turn_preferred_response`"

    format: Literal["community_alignment"] = "community_alignment"

    def parse(self, row: Json, context: Context) -> Record:
        """Read the first turn of a conversation."""
        return next(iter(self.records(row, context)))

    def records(self, row: Json, context: Context) -> Iterable[Record]:
        """Read each turn as a prompt of its own, which begins with the preferred responses before.

        A turn without a prompt or a preference ends the conversation: what follows it has no
        context that is known.
        """
        found = list(_turns(row))
        if not found:
            raise RowError(Reason.LABEL_MISSING, "the first turn has no prompt or no preference")
        return found


def _turns(row: Json) -> Iterator[Record]:
    before: list[Message] = []
    for turn in _TURNS:
        asked = optional(row, f"{turn}_prompt")
        preferred = optional(row, f"{turn}_preferred_response")
        if asked is None or preferred is None:
            return
        best = spelling(preferred).removeprefix("response ")
        names = [f"{turn}_response_{letter}" for letter in _LETTERS]
        if best not in tuple(_LETTERS):
            detail = f"`{turn}_preferred_response` is {preferred[:40]!r}, not response_a to d"
            raise RowError(Reason.UNKNOWN_LABEL, detail)
        place = _LETTERS.index(best)
        candidates = [listed_candidate(row.get(name) or None, name) for name in names]
        if not candidates[place].messages:
            raise RowError(Reason.RESPONSE_MISSING, f"`{names[place]}` is preferred and missing")
        prompt = [*before, Message(role="user", content=asked)]
        yield Record(
            prompt,
            candidates,
            best_of(place, len(names), label=preferred, annotator=optional(row, "annotator_id")),
            language=optional(row, "assigned_lang"),
        )
        before = [*prompt, *candidates[place].messages]
