"""Quadrature of the partition function where the units span few dimensions."""

import numpy as np
import pytest
from scipy.stats import ortho_group
from support import exact_reference
from support.random_models import GAINS, random_model

from skdsm.density.mixture import mixture_log_partition
from skdsm.density.quadrature import log_expectation, orthogonal_groups
from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters


def log_partition(model):
    """log Z of a model whose units are one group."""
    W, b, c, g = model.parameters
    value = log_expectation(model.sigma * W, b + W @ c, g / model.sigma**2)
    return value + 0.5 * len(c) * np.log(2 * np.pi * model.sigma**2)


@pytest.mark.parametrize("gains", GAINS)
@pytest.mark.parametrize(("d", "tolerance"), [(1, 1e-9), (2, 1e-7)])
def test_it_equals_adaptive_quadrature_of_the_papers_energy(gains, d, tolerance):
    model = random_model(1, m=2, d=d, gains=gains)
    theta = model.parameters
    integral = exact_reference.integrated_log_Z(theta, model.sigma, radius=12)
    expected = integral - exact_reference.model_constant(theta, model.sigma)
    assert log_partition(model) == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("sigma", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("d", [1, 2])
def test_it_equals_enumeration(d, sigma):
    model = random_model(2, m=3, d=d, sigma=sigma)
    expected = mixture_log_partition(model)
    assert log_partition(model) == pytest.approx(expected, abs=1e-10)


def test_only_the_projection_on_the_units_matters():
    plane = random_model(3, m=4, d=2, gains="mixed")
    Q = ortho_group.rvs(6, random_state=0)[:2]
    W, b, c, g = plane.parameters
    space = EnergyModel(Parameters(W @ Q, b, c @ Q, g), plane.sigma)
    free = 0.5 * 4 * np.log(2 * np.pi * plane.sigma**2)
    expected = log_partition(plane) + free
    assert log_partition(space) == pytest.approx(expected, abs=1e-10)


def test_without_weights_the_expectation_is_of_a_constant():
    a, n = np.array([0.3, -2.0]), np.array([1.5, -0.7])
    expected = n @ np.log1p(np.exp(a))
    value = log_expectation(np.zeros((2, 5)), a, n)
    assert value == pytest.approx(expected, abs=1e-14)
    assert log_expectation(np.zeros((0, 5)), np.zeros(0), np.zeros(0)) == 0


@pytest.mark.parametrize("exponent", [-5.0, 0.02, 5.0])
def test_steep_and_strong_units_are_resolved(exponent):
    # a sharp edge, a kink, or a peak that is far out to the side
    value = log_expectation(
        np.full((1, 1), 30.0), np.array([3.0]), np.array([exponent])
    )
    z = np.linspace(-10, 200, 2_000_001)  # far finer than the edge
    terms = exponent * np.logaddexp(0, 30 * z + 3) - z**2 / 2
    top = terms.max()
    expected = top + np.log(np.trapezoid(np.exp(terms - top), z) / np.sqrt(2 * np.pi))
    assert value == pytest.approx(expected, abs=1e-10)


def test_three_dimensions_are_left_to_others():
    model = random_model(4, m=3, d=3)
    W, b, c, g = model.parameters
    assert log_expectation(W, b + W @ c, g) is None


def test_a_grid_too_fine_is_left_to_others():
    steep = 1e5 * np.eye(2)
    assert log_expectation(steep, np.zeros(2), np.ones(2)) is None


def test_groups_are_the_orthogonal_blocks():
    W = np.zeros((6, 8))
    W[0, :2] = 1, 2
    W[3, :2] = 3, -1
    W[1, 4] = 1e-20  # short is not orthogonal
    W[4, 4:6] = 1, 1
    W[5, 6] = 2
    rotation = ortho_group.rvs(8, random_state=1)
    groups = orthogonal_groups(W @ rotation)
    assert {tuple(group) for group in groups} == {(0, 3), (1, 4), (2,), (5,)}
    nearly = np.array([[1.0, 0.0], [1e-6, 1.0]])
    assert len(orthogonal_groups(nearly)) == 1
    single = orthogonal_groups(np.random.default_rng(0).standard_normal((5, 3)))
    assert [list(group) for group in single] == [[0, 1, 2, 3, 4]]
