"""Values that are safe: a killed run goes on behind the last of them.

What comes in: values by name, as they are had. What goes out: the same after a restart. What never
happens: a value that costs a model twice.
"""

from collections.abc import Mapping

import orjson

from prefine.schema.json import Json
from prefine.step import Work


class Journal:
    """Costly values of a call, put aside as they come in."""

    def __init__(self, work: Work, least_rows: int = 1) -> None:
        """Read what an earlier attempt put aside.

        Args:
            work: The call.
            least_rows: How many values are put aside together.
        """
        self.work = work
        self.values: Json = {}
        """What is safe, by name."""
        self._least_rows = least_rows
        self._waiting: Json = {}
        for piece in work.kept():
            self.values.update(orjson.loads(piece))

    def add(self, values: Mapping[str, object]) -> None:
        """Take values; put them aside once there are enough."""
        self._waiting.update(values)
        self.work.progress(len(values))
        if len(self._waiting) >= self._least_rows:
            self.write()

    def write(self) -> None:
        """Put aside what was added since the last time."""
        if self._waiting:
            self.work.keep(orjson.dumps(self._waiting))
            self.values.update(self._waiting)
            self._waiting = {}
