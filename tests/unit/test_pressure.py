"""Displacement pressure, by hand and from the means of a small policy."""

from collections.abc import Iterator

import numpy as np
import pytest

from prefine.errors import RecipeError
from prefine.measure.pressure import pressures
from prefine.recipe import parse_recipe
from prefine.search.index import build_index
from prefine.search.settings import Search
from prefine.settings import Runtime

REJECTED = np.array([[4, 0], [3, 1], [0, 5], [9, 9]], np.float32)
CHOSEN = np.array([[1, 0], [3, 3], [0, 1], [0, 0]], np.float32)
PROMPTS = np.array([1, 2, 3, 1])


def pressed(means: list[list[float]], own: list[int], count: int) -> list[float]:
    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield np.arange(4), REJECTED

    settings = {"config": Search(), "runtime": Runtime(), "seed": 0}
    with build_index(list("abcd"), blocks, count=count, **settings) as (index, _):
        found = pressures(
            index,
            np.array(means, np.float32),
            REJECTED - CHOSEN,
            own=np.array(own),
            prompts=PROMPTS,
            count=count,
        )
    return found.tolist()


def test_the_nearest_rejected_responses_of_other_prompts_press() -> None:
    # the nearest of (1, 0) by inner product: d 9, a 4, b 3, c 0; d and a are of its own prompt
    assert pressed([[1, 0]], [1], 1) == [3 - 3]
    # (0, 1): d 9 is its own, so c 5, b 1; the differences: 5 - 1, 1 - 3
    assert pressed([[0, 1]], [1], 1) == [4]
    assert pressed([[0, 1]], [1], 2) == [4 - 2]
    # of another prompt than all: every pair presses where so many are asked for
    assert pressed([[1, 1]], [9], 4) == [(4 - 1) + (4 - 6) + (5 - 1) + 18]


def test_who_is_alone_has_no_pressure() -> None:
    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield np.arange(2), REJECTED[:2]

    settings = {"config": Search(), "runtime": Runtime(), "seed": 0}
    with build_index(["a", "b"], blocks, count=3, **settings) as (index, _):
        one = np.ones(2, int)
        found = pressures(index, CHOSEN[:2], REJECTED[:2], own=one, prompts=one, count=3)

    assert np.isnan(found).all()


def test_pressure_needs_stored_states() -> None:
    text = (
        "name: made\nsources: [{name: a, files: [b]}]\nmeasures:\n"
        "  - {kind: ches/transformers, weights: {model: a/b}}\n  - {kind: pressure}\n"
    )

    with pytest.raises(RecipeError, match="no CHES measure `ches` with `store`"):
        parse_recipe(text)
