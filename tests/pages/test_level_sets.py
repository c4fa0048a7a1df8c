"""The benchmark's mass-volume and excess-mass criteria, against closed forms."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

PATH = Path(__file__).parents[2] / "benchmarks" / "level_sets.py"
spec = importlib.util.spec_from_file_location("level_sets", PATH)
level_sets = importlib.util.module_from_spec(spec)
spec.loader.exec_module(level_sets)

HALF_WIDTH = 6.0
VOLUME = (2 * HALF_WIDTH) ** 2


@pytest.fixture(scope="module")
def scores():
    """Scores of plane Gaussian rows, and of uniform points: minus squared norms."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((20_000, 2))
    uniform = rng.uniform(-HALF_WIDTH, HALF_WIDTH, (400_000, 2))
    return -(rows**2).sum(axis=1), -(uniform**2).sum(axis=1)


def test_mass_volume_of_a_gaussian(scores):
    """MV(a) = -2 pi log(1 - a), which integrates to 0.2 pi (1 + log 10)."""
    area = VOLUME * level_sets.mass_volume(*scores, interval=(0.9, 1.0))
    assert area == pytest.approx(0.2 * np.pi * (1 + np.log(10)), rel=0.02)


def test_excess_mass_of_a_gaussian(scores):
    """EM(t) = 1 - s + s log s with s = 2 pi t."""

    def curve(t):
        s = 2 * np.pi * t
        return 1 - s + s * np.log(s)

    end = brentq(lambda t: curve(t) - 0.9, 1e-9, 0.1)
    expected = quad(curve, 0, end)[0]
    assert level_sets.excess_mass(*scores) / VOLUME == pytest.approx(expected, rel=0.05)


def test_uniform_rows_fill_the_box():
    """MV(a) = a, EM(t) = 1 - t: areas 0.1 (1.9 / 2) and 0.1 (1.9 / 2)."""
    rng = np.random.default_rng(0)
    rows, uniform = rng.random(20_000), rng.random(200_000)
    area = level_sets.mass_volume(rows, uniform, interval=(0.9, 1.0))
    assert area == pytest.approx(0.095, rel=0.01)
    assert level_sets.excess_mass(rows, uniform) == pytest.approx(0.095, rel=0.1)


def test_only_the_order_of_scores_counts(scores):
    bent = [-np.exp(-s / 9) for s in scores]
    for criterion in (level_sets.mass_volume, level_sets.excess_mass):
        assert criterion(*bent) == criterion(*scores)


def test_a_worse_scoring_function_is_worse(scores):
    shuffled = np.random.default_rng(1).permutation(scores[1])
    noise = np.random.default_rng(2).random((2, 20_000))
    for worse in ((scores[0], shuffled[:20_000] * 0.1), tuple(noise)):
        assert level_sets.mass_volume(*worse) > level_sets.mass_volume(*scores)
        assert level_sets.excess_mass(*worse) < level_sets.excess_mass(*scores)
