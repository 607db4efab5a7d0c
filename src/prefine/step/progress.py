"""How far a long shard is: rows done, rate, time left."""

import logging
import time
from dataclasses import dataclass, field
from typing import Protocol

log = logging.getLogger(__name__)

_REPORT_EVERY_S = 30.0
"""How often a line reports on a long shard, where there is no progress bar."""


class Progress(Protocol):
    """Told about rows within one shard."""

    def expect(self, count: int) -> None:
        """So many rows are to be done."""
        ...

    def done(self, count: int) -> None:
        """So many more are done."""
        ...


@dataclass
class Pace:
    """How fast the rows of a shard are done."""

    expected: int = 0
    done: int = 0
    started: float = field(default_factory=time.monotonic)
    reported: float = field(default_factory=time.monotonic)

    def due(self) -> bool:
        """Tell whether it is time for another report."""
        now = time.monotonic()
        if now - self.reported < _REPORT_EVERY_S:
            return False
        self.reported = now
        return True

    def rate(self) -> float:
        """Return rows a second."""
        return self.done / max(time.monotonic() - self.started, 1e-3)

    def left_s(self) -> float | None:
        """Return the seconds that the rest will take; null where they cannot be known."""
        rate = self.rate()
        if not self.expected or not rate:
            return None
        return max(0, self.expected - self.done) / rate


class LoggedProgress:
    """Writes rate and time left of a long shard to the log, now and then."""

    def __init__(self, step: str, shard: int | None) -> None:
        self._call = (step, shard)
        self._pace = Pace()

    def expect(self, count: int) -> None:
        """Take note of how many rows there are."""
        self._pace.expected += count

    def done(self, count: int) -> None:
        """Count; report when nothing was reported for a while."""
        pace = self._pace
        pace.done += count
        if pace.due():
            log.info(
                "step=%s shard=%s event=progress rows=%d of=%d rows_per_s=%.1f left_s=%.0f",
                *(*self._call, pace.done, pace.expected, pace.rate(), pace.left_s() or 0.0),
            )
