"""CHES by hand, and what must not change it."""

import numpy as np
import pytest
import torch

from prefine.measure.ches.scores import ches
from prefine.serve.local.hidden import masked_sums
from prefine.text.common import common_prefix


def test_the_worked_example() -> None:
    chosen = np.array([[1, 0], [0, 1], [1, 1]], float).sum(axis=0)
    rejected = np.array([[1, 0], [2, 2]], float).sum(axis=0)

    score = ches(chosen, rejected, 3, 2)

    assert score.ches == 2.0
    assert score.ches_reversed == -3.0
    assert score.normalized == pytest.approx(7 / 9)
    assert score.normalized_reversed == pytest.approx(-19 / 12)


def test_states_outside_the_masks_change_nothing() -> None:
    hidden = torch.randn(7, 5)
    masks = torch.tensor([[0, 1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 1, 0]], dtype=torch.bool)
    noisy = hidden.clone()
    noisy[~masks.any(dim=0)] = 1e6

    assert torch.equal(masked_sums(hidden, masks), masked_sums(noisy, masks))
    assert torch.allclose(masked_sums(hidden, masks)[0], hidden[1:4].sum(dim=0))


def test_sums_of_half_precision_states_are_in_single_precision() -> None:
    hidden = torch.full((4096, 1), 1.001, dtype=torch.bfloat16)
    mask = torch.ones(1, 4096, dtype=torch.bool)

    found = masked_sums(hidden, mask)

    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(4096 * float(hidden[0, 0]), rel=1e-6)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [([1, 2, 3], [1, 2, 4], 2), ([1, 2], [1, 2, 3], 2), ([1], [2], 0), ([1, 2], [1, 2], 2)],
)
def test_the_shared_beginning_ends_at_the_first_other_token(
    a: list[int], b: list[int], expected: int
) -> None:
    assert common_prefix(a, b) == expected
