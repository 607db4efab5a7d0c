"""CHES by hand; the tokens that two responses share at the start."""

import numpy as np
import pytest

from prefine.measure.ches.scores import ches
from prefine.text.common import common_prefix


def test_the_worked_example() -> None:
    chosen = np.array([[1, 0], [0, 1], [1, 1]], float).sum(axis=0)
    rejected = np.array([[1, 0], [2, 2]], float).sum(axis=0)

    score = ches(chosen, rejected, 3, 2)

    assert score.ches == 2.0
    assert score.ches_reversed == -3.0
    assert score.normalized == pytest.approx(7 / 9)
    assert score.normalized_reversed == pytest.approx(-19 / 12)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [([1, 2, 3], [1, 2, 4], 2), ([1, 2], [1, 2, 3], 2), ([1], [2], 0), ([1, 2], [1, 2], 2)],
)
def test_the_shared_beginning_ends_at_the_first_other_token(
    a: list[int], b: list[int], expected: int
) -> None:
    assert common_prefix(a, b) == expected
