"""The sentences beneath settings, read from their source."""

from typing import Any

from prefine.settings import Part
from prefine.settings.docs import sentences


class Base(Part):
    """A base."""

    first: int = 1
    """The first."""
    second: int = 2
    """The second,
    on two lines."""
    bare: int = 3


class Below(Base):
    """Another part."""

    first: int = 4
    second: int = 5
    """Another sentence."""
    third: Any = None
    """The third."""

    def method(self) -> None:
        """Do nothing."""


def test_each_field_has_the_sentence_beneath_it() -> None:
    assert sentences(Base) == {"first": "The first.", "second": "The second,\n    on two lines."}


def test_a_field_that_states_no_sentence_has_that_of_its_base() -> None:
    assert sentences(Below) == {
        "first": "The first.",
        "second": "Another sentence.",
        "third": "The third.",
    }


def test_a_part_without_a_source_has_no_sentences() -> None:
    made: Any = type("Made", (Part,), {"__annotations__": {"x": int}, "__module__": "builtins"})

    assert sentences(made) == {}
