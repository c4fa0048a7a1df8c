"""Step sizes from acceptance rates."""

import numpy as np
import pytest

from skdsm.mcmc.dual_averaging import start_dual_averaging, update_dual_averaging


@pytest.mark.parametrize("wanted", [0.6, 0.8, 0.95])
@pytest.mark.parametrize("first", [1e-3, 0.5, 100.0])
def test_dual_averaging_finds_the_root_of_a_noisy_curve(wanted, first):
    """Acceptance falls from one to zero around a step of 0.3."""
    rng = np.random.default_rng(0)
    averaging = start_dual_averaging(first)
    for _ in range(2000):
        step = np.exp(averaging.log_step_size)
        noisy = 1 / (1 + (step / 0.3) ** 2) + 0.05 * rng.standard_normal()
        averaging = update_dual_averaging(averaging, np.clip(noisy, 0, 1), wanted)
    step = np.exp(averaging.log_step_size_average)
    assert abs(1 / (1 + (step / 0.3) ** 2) - wanted) < 0.02


def test_thirty_updates_of_little_noise_are_enough():
    averaging = start_dual_averaging(0.1)
    for _ in range(30):
        rate = 1 / (1 + (np.exp(averaging.log_step_size) / 0.3) ** 2)
        averaging = update_dual_averaging(averaging, rate)
    step = np.exp(averaging.log_step_size_average)
    assert abs(1 / (1 + (step / 0.3) ** 2) - 0.8) < 0.03


def test_too_many_rejections_shorten_the_step_and_too_few_lengthen_it():
    start = start_dual_averaging(0.1)
    rejecting, accepting = (update_dual_averaging(start, rate) for rate in (0.0, 1.0))
    assert rejecting.log_step_size < accepting.log_step_size
    assert rejecting.n_updates == 1
