"""Progress within a shard: rows done, rate, time left."""

import logging
import time
from dataclasses import dataclass, field
from typing import Protocol

log = logging.getLogger(__name__)

_REPORT_EVERY_S = 30.0
"""Seconds between two log lines about a shard."""


class Progress(Protocol):
    """Receives the progress within one shard."""

    def expect(self, count: int) -> None:
        """Add to the number of rows to do."""
        ...

    def done(self, count: int) -> None:
        """Add to the number of rows done."""
        ...


@dataclass
class Pace:
    """Rate and time left of a shard."""

    expected: int = 0
    """Rows to do."""
    done: int = 0
    """Rows done."""
    started: float = field(default_factory=time.monotonic)
    """When the shard began, in seconds of the monotonic clock."""
    reported: float = field(default_factory=time.monotonic)
    """When the last report was made, likewise."""

    def due(self) -> bool:
        """Return whether the next report is due; if so, start the next interval."""
        now = time.monotonic()
        if now - self.reported < _REPORT_EVERY_S:
            return False
        self.reported = now
        return True

    def rate(self) -> float:
        """Return rows per second."""
        return self.done / max(time.monotonic() - self.started, 1e-3)

    def left_s(self) -> float | None:
        """Return the estimated seconds left; null where the number of rows is unknown."""
        rate = self.rate()
        if not self.expected or not rate:
            return None
        return max(0, self.expected - self.done) / rate


class LoggedProgress:
    """Logs rate and time left of a long shard every 30 s."""

    def __init__(self, step: str, shard: int | None) -> None:
        self._shard = (step, shard)
        self._pace = Pace()

    def expect(self, count: int) -> None:
        """Add to the number of rows to do."""
        self._pace.expected += count

    def done(self, count: int) -> None:
        """Add to the number of rows done; log when a report is due."""
        pace = self._pace
        pace.done += count
        if pace.due():
            log.info(
                "step=%s shard=%s event=progress rows=%d of=%d rows_per_s=%.1f left_s=%.0f",
                *(*self._shard, pace.done, pace.expected, pace.rate(), pace.left_s() or 0.0),
            )
