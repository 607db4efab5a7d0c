"""CHES by hand, and what must not change it."""

import numpy as np
import pytest
import torch

from prefine.measure.ches import ches
from prefine.serve.hidden import masked_sums


def test_the_worked_example() -> None:
    chosen = np.array([[1, 0], [0, 1], [1, 1]], float).sum(axis=0)
    rejected = np.array([[1, 0], [2, 2]], float).sum(axis=0)

    score = ches(chosen, rejected, 3, 2)

    assert score.ches == 2.0
    assert score.ches_reversed == -3.0
    assert score.normalized == pytest.approx(7 / 9)
    assert score.normalized_reversed == pytest.approx(-19 / 12)


def test_pads_outside_the_mask_change_nothing() -> None:
    hidden = torch.randn(2, 7, 5)
    mask = torch.tensor([[0, 1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 1, 1]], dtype=torch.bool)
    noisy = hidden.clone()
    noisy[~mask] = 1e6

    assert torch.equal(masked_sums(hidden, mask), masked_sums(noisy, mask))
    assert torch.allclose(masked_sums(hidden, mask)[0], hidden[0, 1:4].sum(dim=0))


def test_sums_of_half_precision_states_are_in_single_precision() -> None:
    hidden = torch.full((1, 4096, 1), 1.001, dtype=torch.bfloat16)
    mask = torch.ones(1, 4096, dtype=torch.bool)

    found = masked_sums(hidden, mask)

    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(4096 * float(hidden[0, 0, 0]), rel=1e-6)
