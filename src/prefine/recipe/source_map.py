"""File and line of each key of a recipe, for messages."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from prefine.settings import Location, Problem


@dataclass(frozen=True)
class SourceMap:
    """The file that a recipe was read from, and the lines of its keys.

    All instances are equal, so that recipes with the same settings are equal in any file.
    """

    name: str = field(default="recipe", compare=False)
    """The file, as messages name it."""
    file: str | None = field(default=None, compare=False)
    """The path of the file; null where there is none."""
    lines: Mapping[Location, int] = field(
        default_factory=dict[Location, int], compare=False, repr=False
    )
    """The line of each key and item, from 1; empty for a recipe that was not read from text."""

    def line(self, path: Location) -> int | None:
        """Return the line of the deepest part of a path that the text has."""
        spelled = tuple(part if isinstance(part, int) else str(part) for part in path)
        for end in range(len(spelled), -1, -1):
            if spelled[:end] in self.lines:
                return self.lines[spelled[:end]]
        return None

    def where(self, path: Location) -> str:
        """Return the beginning of a message about a key: ``FILE:LINE path.to.key``."""
        line = self.line(path)
        place = f"{self.name}:{line}" if line is not None else f"{self.name}:"
        return f"{place} {spell(path)}"


def spell(path: Location) -> str:
    """Format a path for messages, such as ``rules[0].column``."""
    spelled = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return spelled.removeprefix(".") or "recipe"


def lines_of(tree: yaml.Node) -> dict[Location, int]:
    """Return the line of each key and item of a YAML document; of repeated keys, the last one."""
    return {location: line for location, line, _ in _walk(tree, (), ())}


def repeated_keys(tree: yaml.Node) -> Iterator[Problem]:
    """Yield the keys that a mapping has twice."""
    first: dict[Location, int] = {}
    for location, line, is_key in _walk(tree, (), ()):
        if is_key and location in first:
            text = f"the key `{location[-1]}` is repeated; it is already in line {first[location]}"
            yield location, f"{text}, remove one of them"
        first.setdefault(location, line)


def _walk(
    node: yaml.Node, here: Location, parents: tuple[yaml.Node, ...]
) -> Iterator[tuple[Location, int, bool]]:
    """Yield each location with its line, and whether it is a key; skip aliases of parents."""
    if node in parents:
        return
    if not here:
        yield here, node.start_mark.line + 1, False
    inside = (*parents, node)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            place = (*here, str(key.value))
            yield place, key.start_mark.line + 1, True
            yield from _walk(value, place, inside)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*here, index), value.start_mark.line + 1, False
            yield from _walk(value, (*here, index), inside)
