"""The change of variables: a linear map, its formula, and what it is good for."""

from functools import partial

import numpy as np
import pytest
import reference
from random_models import (
    GAINS,
    numerical_gradient,
    random_parameters,
    unpack_like,
)

from skdsm.energy import EnergyModel
from skdsm.exceptions import NonFiniteError
from skdsm.initialization import data_dependent_start, linear_denoiser
from skdsm.objectives import residual_loss
from skdsm.preconditioning import ChangeOfVariables, curvature_scaling
from skdsm.training import minimise_stage

RNG = np.random.default_rng(0)
X_NOISY = 1.5 * RNG.standard_normal((40, 3))
TARGET = RNG.standard_normal((40, 3))
WEIGHT = RNG.uniform(0, 2, 40)
RIDGE = 1e-3

gains_of_each_kind = pytest.mark.parametrize("gains", GAINS)


def assert_blocks_close(one, other, tolerance=1e-11):
    for block, expected in zip(one, other, strict=True):
        np.testing.assert_allclose(block, expected, rtol=tolerance, atol=tolerance)


@gains_of_each_kind
def test_maps_are_inverse_to_each_other(gains):
    parameters = random_parameters(1, gains=gains)
    change = curvature_scaling(parameters, X_NOISY, WEIGHT)
    other = random_parameters(2, gains=gains)
    assert_blocks_close(change.to_model(change.to_optimiser(other)), other)
    assert_blocks_close(change.to_optimiser(change.to_model(other)), other)


@gains_of_each_kind
def test_pulled_back_gradient_is_the_gradient_in_the_optimisers_variables(gains):
    parameters = random_parameters(1, gains=gains)
    change = curvature_scaling(parameters, X_NOISY, WEIGHT)

    def loss(variables):
        blocks = change.to_model(unpack_like(variables, parameters))
        return residual_loss(blocks, X_NOISY, TARGET)[0]

    _, gradient = residual_loss(parameters, X_NOISY, TARGET)
    expected = numerical_gradient(loss, change.to_optimiser(parameters).pack())
    np.testing.assert_allclose(
        change.pull_back(gradient).pack(), expected, rtol=1e-6, atol=1e-6
    )


def curvature_by_rows(parameters, weight):
    """The Kronecker factor and the diagonals, one corrupted row at a time."""
    W, _, _, g = parameters
    m, d = W.shape
    decoder, slopes = np.zeros((m, m)), np.zeros((m, m))
    square, code_square = 0.0, np.zeros(m)
    for x, share in zip(X_NOISY, weight / weight.sum(), strict=True):
        h = np.array(reference.encode(x, parameters))
        delta = g * h * (1 - h)
        decoder += share * np.outer(g * h, g * h)
        slopes += share * np.outer(delta, delta)
        square += share * reference.square_norm(x)
        code_square += share * h**2
    P = decoder + square / d * slopes * (W @ W.T)
    return P, np.diag(slopes) * (W**2).sum(1), code_square * (W**2).sum(1)


@gains_of_each_kind
@pytest.mark.parametrize("weight", [np.ones(40), WEIGHT])
def test_scaling_is_the_root_of_the_curvature_plus_a_ridge(gains, weight):
    parameters = random_parameters(3, gains=gains)
    change = curvature_scaling(parameters, X_NOISY, weight)
    P, hidden, gain = curvature_by_rows(parameters, weight)
    P += RIDGE * np.linalg.eigvalsh(P)[-1] * np.eye(4)
    np.testing.assert_allclose(change.root @ change.root, P, atol=1e-12)
    np.testing.assert_allclose(change.root, change.root.T, atol=1e-13)
    np.testing.assert_allclose(change.inverse_root, change.inverse_root.T, atol=1e-12)
    np.testing.assert_allclose(change.root @ change.inverse_root, np.eye(4), atol=1e-12)
    assert (np.linalg.eigvalsh(change.root) > 0).all()
    np.testing.assert_allclose(change.hidden_scale**2, hidden + RIDGE * hidden.max())
    np.testing.assert_allclose(change.gain_scale**2, gain + RIDGE * gain.max())


def test_only_ratios_of_weights_matter():
    parameters = random_parameters(4)
    one = curvature_scaling(parameters, X_NOISY, WEIGHT)
    other = curvature_scaling(parameters, X_NOISY, 7 * WEIGHT)
    assert_blocks_close(one, other)


def test_without_weights_no_intercept_or_gain_is_let_loose():
    parameters = random_parameters(5)._replace(components=np.zeros((4, 3)))
    change = curvature_scaling(parameters, X_NOISY, WEIGHT)
    # the loss does not depend on them: all alike, and never divided by nearly nothing
    largest = np.linalg.norm(change.root, 2)
    for scale in (change.hidden_scale, change.gain_scale):
        assert np.ptp(scale) == 0
        assert 1e-5 * largest < scale[0] < largest
    assert all(np.isfinite(block).all() for block in change)


def test_dead_units_do_not_spoil_the_scaling():
    # a unit that never fires has no curvature: the ridge bounds its scale
    parameters = random_parameters(6)
    parameters.intercept_hidden[1] = -1e3
    change = curvature_scaling(parameters, X_NOISY, WEIGHT)
    assert np.linalg.cond(change.root) <= np.sqrt(1 / RIDGE + 1) * (1 + 1e-6)
    assert change.hidden_scale.min() > 0.03 * change.hidden_scale.max()
    assert change.gain_scale.min() > 0.03 * change.gain_scale.max()


def test_overflow_is_an_error_that_says_rescale():
    with pytest.raises(NonFiniteError, match="rescale X"):
        curvature_scaling(random_parameters(7), 1e200 * X_NOISY, WEIGHT)


def correlated_problem(m, d, seed):
    """A start, corrupted rows and clean rows; columns of very different size."""
    rng = np.random.default_rng(seed)
    mixing = 2 * np.diag(10.0 ** -np.linspace(0, 1, d)) @ rng.standard_normal((d, d))
    X = rng.standard_normal((400, d)) @ mixing
    X -= X.mean(axis=0)
    linear = linear_denoiser(X, np.ones(400), 0.25)
    start = data_dependent_start(X, np.ones(400), linear, m, rng)
    X = np.tile(X, (4, 1))
    return start, X + 0.5 * rng.standard_normal(X.shape), X, linear.loss


def identity(m):
    return ChangeOfVariables(np.eye(m), np.eye(m), np.ones(m), np.ones(m))


def test_gauss_newton_matrix_is_better_conditioned():
    # of the residuals; the Hessian itself is indefinite at the start
    m, d = 6, 8
    improvements = []
    for seed in range(12):
        start, X_noisy, _, _ = correlated_problem(m, d, seed)

        def reconstruct(variables, change, start=start, X_noisy=X_noisy):
            blocks = change.to_model(unpack_like(variables, start))
            return EnergyModel(blocks, 1.0).reconstruct(X_noisy[:400]).ravel()

        def conditions(change, start=start, reconstruct=reconstruct):
            variables = change.to_optimiser(start).pack()
            jacobian = numerical_gradient(
                partial(reconstruct, change=change), variables
            )
            # of W alone, with the intercepts, and with the gains too
            parts = [jacobian[: m * d], jacobian[:-m], jacobian]
            return np.array([np.linalg.cond(part) ** 2 for part in parts])

        change = curvature_scaling(start, X_noisy, np.ones(len(X_noisy)))
        improvements.append(conditions(identity(m)) / conditions(change))
    assert (np.exp(np.log(improvements).mean(axis=0)) > [2, 4, 4]).all()


def test_optimiser_needs_half_of_the_iterations():
    m, d = 32, 10
    with_half, without = [], []
    for seed in range(3):
        start, X_noisy, X, scale = correlated_problem(m, d, seed)
        share = np.full(len(X), 1 / len(X))
        change = curvature_scaling(start, X_noisy, share)

        def risk(parameters, X_noisy=X_noisy, X=X, share=share):
            return residual_loss(parameters, X_noisy, X, sample_weight=share)

        run = partial(minimise_stage, risk, start, scale=scale)
        ends = [
            run(variables, n_iter, end_iteration=lambda *_: False)[0]
            for variables, n_iter in [(change, 30), (identity(m), 60)]
        ]
        with_half.append(risk(ends[0])[0] / scale)
        without.append(risk(ends[1])[0] / scale)
    assert np.mean(with_half) < 0.95 * np.mean(without)
