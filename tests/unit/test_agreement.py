"""Several reward models: noise floors, votes, and scales."""

import numpy as np
import pytest

from prefine.measure.reward.agreement import combine_models, rounding_step


def test_the_floor_is_one_step_of_the_type() -> None:
    found = rounding_step(np.array([1.0, 1.9, 2.0, 23.0, 3.59]), "bfloat16")

    assert found.tolist() == [2**-7, 2**-7, 2**-6, 0.125, 2**-6]
    assert rounding_step(np.array([1.5]), "float16") == 2**-10
    assert rounding_step(np.array([0.0]), "float32") < 1e-40


def test_a_tie_counts_half_and_a_model_without_a_reward_does_not_count() -> None:
    nan = np.nan
    sides = np.array([[1.0, 1.0, 0.0, nan], [1.0, 0.5, nan, nan], [0.0, 0.0, 0.0, nan]])
    margins = np.array([[2.0, 1.0, -1.0, nan], [4.0, 0.0, nan, nan], [-3.0, -1.0, -3.0, nan]])

    agreement, mean, spread = combine_models(sides, margins)

    assert agreement[:3] == pytest.approx([2 / 3, 0.5, 0.0])
    assert mean[:3] == pytest.approx([1.0, 0.0, -2.0])
    assert spread[:3] == pytest.approx([np.sqrt(26 / 3), np.sqrt(2 / 3), 1.0])
    assert np.isnan([agreement[3], mean[3], spread[3]]).all()


def test_swapping_all_pairs_turns_agreement_and_margin_round() -> None:
    rng = np.random.default_rng(0)
    sides, margins = rng.choice([0, 0.5, 1], (3, 20)), rng.normal(size=(3, 20))

    there, back = combine_models(sides, margins), combine_models(1 - sides, -margins)

    assert back[0] == pytest.approx(1 - there[0])
    assert back[1] == pytest.approx(-there[1])
    assert back[2] == pytest.approx(there[2])
