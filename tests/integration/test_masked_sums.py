"""Sums of hidden states over the masks of a packed sequence."""

import pytest
import torch

from prefine.serve.local.hidden import masked_sums


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
