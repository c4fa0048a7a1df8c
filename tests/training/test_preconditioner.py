"""The change of variables: a linear map, its formula, and what it is good for."""

from functools import partial

import numpy as np
import pytest
from support import reference
from support.random_models import (
    GAINS,
    numerical_gradient,
    random_parameters,
    unpack_like,
)

from skdsm.exceptions import NonFiniteError
from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters
from skdsm.training.initialization import data_dependent_start, linear_denoiser
from skdsm.training.lbfgs import minimise_run
from skdsm.training.objectives import residual_loss
from skdsm.training.preconditioner import ChangeOfVariables, curvature_scaling

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
    """The Kronecker factors and the diagonals, one corrupted row at a time."""
    W, _, _, g = parameters
    m, d = W.shape
    decoder, slopes = np.zeros((m, m)), np.zeros((m, m))
    inputs, code_square = np.zeros((d, d)), np.zeros(m)
    for x, share in zip(X_NOISY, weight / weight.sum(), strict=True):
        h = np.array(reference.encode(x, parameters))
        delta = g * h * (1 - h)
        decoder += share * np.outer(g * h, g * h)
        slopes += share * np.outer(delta, delta)
        inputs += share * np.outer(x, x)
        code_square += share * h**2
    encoder = slopes * (W @ W.T)
    return decoder, encoder, inputs, code_square * (W**2).sum(1)


def quadratic_form_of_weights(change, m, d):
    """Matrix of ``|V|^2`` as a function of W."""
    columns = []
    for unit in np.eye(m * d):
        blocks = Parameters(unit.reshape(m, d), np.zeros(m), np.zeros(d), np.zeros(m))
        columns.append(change.to_optimiser(blocks).components.ravel())
    return np.array(columns) @ np.array(columns).T


@gains_of_each_kind
@pytest.mark.parametrize("weight", [np.ones(40), WEIGHT])
def test_scaling_is_the_root_of_the_curvature_plus_a_ridge(gains, weight):
    parameters = random_parameters(3, gains=gains)
    change = curvature_scaling(parameters, X_NOISY, weight)
    decoder, encoder, inputs, gain = curvature_by_rows(parameters, weight)
    largest = np.linalg.eigvalsh(decoder + np.trace(inputs) / 3 * encoder)[-1]
    expected = np.kron(decoder + RIDGE * largest * np.eye(4), np.eye(3))
    expected += np.kron(encoder, inputs)
    actual = quadratic_form_of_weights(change, 4, 3)
    np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(change.left @ change.inverse_left, np.eye(4), atol=1e-11)
    np.testing.assert_allclose(change.right @ change.right.T, np.eye(3), atol=1e-13)
    hidden = np.diag(encoder)
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
    largest = np.linalg.norm(change.inverse_left, 2)
    for scale in (change.hidden_scale, change.gain_scale):
        assert np.ptp(scale) == 0
        assert 1e-5 * largest < scale[0] < largest
    assert all(np.isfinite(block).all() for block in change)


def test_dead_units_do_not_spoil_the_scaling():
    # a unit that never fires has no curvature: the ridge bounds its scale
    parameters = random_parameters(6)
    parameters.intercept_hidden[1] = -1e3
    change = curvature_scaling(parameters, X_NOISY, WEIGHT)
    assert np.linalg.cond(change.left) <= np.sqrt(1 / RIDGE + 1) * (1 + 1e-6)
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


def identity(m, d):
    return ChangeOfVariables(
        np.eye(m), np.eye(m), np.eye(d), np.ones((m, d)), np.ones(m), np.ones(m)
    )


def test_gauss_newton_matrix_is_better_conditioned():
    # of the residuals; the Hessian itself is indefinite at the start
    m, d = 6, 8
    improvements = []
    for seed in range(6):
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
        improvements.append(conditions(identity(m, d)) / conditions(change))
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

        run = partial(minimise_run, risk, start, scale=scale)
        ends = [
            run(variables, n_iter, end_iteration=lambda *_: False)[0]
            for variables, n_iter in [(change, 30), (identity(m, d), 60)]
        ]
        with_half.append(risk(ends[0])[0] / scale)
        without.append(risk(ends[1])[0] / scale)
    assert np.mean(with_half) < 0.95 * np.mean(without)
