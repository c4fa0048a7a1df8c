"""The energy-based model against the paper's formulas and its own derivatives."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import reference
from support.random_models import GAINS, numerical_gradient, random_model, unpack_like

from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters

X = 2 * np.random.default_rng(0).standard_normal((20, 3))


def by_row(function, rows, model, *sigma):
    return np.array([function(x, model.parameters, *sigma) for x in rows])


def assert_close(actual, expected, tolerance=1e-13):
    """Equal up to rounding of the largest entry."""
    scale = np.abs(expected).max()
    np.testing.assert_allclose(actual / scale, expected / scale, atol=tolerance, rtol=0)


@pytest.mark.parametrize("gains", GAINS)
@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5])
def test_every_quantity_equals_the_reference(gains, sigma):
    model = random_model(1, gains=gains, sigma=sigma)
    codes = by_row(reference.encode, X, model)
    assert_close(model.hidden(X), codes)
    decoded = by_row(reference.decode, codes, model)
    assert_close(model.reconstruct(X), decoded)
    assert_close(model.decode(codes), decoded)
    psi = by_row(reference.psi, X, model, sigma)
    assert_close(model.score(X), psi)
    assert_close(model.score_norm(X), np.linalg.norm(psi, axis=1))
    trace = by_row(reference.hessian_trace, X, model, sigma)
    assert_close(model.hessian_trace(X), trace)
    losses = np.array([reference.J_ISM([x], model.parameters, sigma) for x in X])
    assert_close(model.implicit_loss(X), losses)


@pytest.mark.parametrize("gains", GAINS)
def test_energy_is_the_papers_plus_a_stated_constant(gains):
    model = random_model(2, gains=gains)
    c = model.parameters.intercept_visible
    constant = c @ c / (2 * model.sigma**2)
    paper = by_row(reference.E, X, model, model.sigma)
    assert_close(model.energy(X), paper + constant)
    assert constant > 0.5


@pytest.mark.parametrize("gains", GAINS)
def test_score_is_minus_energy_gradient(gains):
    model = random_model(3, gains=gains)
    for x in X:
        gradient = numerical_gradient(lambda x: model.energy(x[None])[0], x, step=1e-2)
        np.testing.assert_allclose(model.score(x[None])[0], -gradient, atol=1e-6)


def test_difference_quotients_of_the_energy_approach_the_score_at_fourth_order():
    model = random_model(3)
    errors = []
    for step in (0.08, 0.04, 0.02):
        quotients = [
            numerical_gradient(lambda x: model.energy(x[None])[0], x, step) for x in X
        ]
        errors.append(np.linalg.norm(quotients + model.score(X)))
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    np.testing.assert_allclose(orders, 4, atol=0.2)


@pytest.mark.parametrize("gains", GAINS)
def test_hessian_trace_is_the_divergence_of_the_score(gains):
    model = random_model(4, gains=gains)
    for x in X:
        jacobian = numerical_gradient(lambda x: model.score(x[None])[0], x, step=1e-3)
        np.testing.assert_allclose(
            model.hessian_trace(x[None])[0], np.trace(jacobian), rtol=1e-8
        )


@pytest.mark.parametrize("gains", GAINS)
def test_tied_weights_give_a_symmetric_jacobian(gains):
    model = random_model(5, gains=gains)
    W, _, _, g = model.parameters
    for x in X:
        jacobian = numerical_gradient(lambda x: model.score(x[None])[0], x, step=1e-3)
        np.testing.assert_allclose(jacobian, jacobian.T, atol=1e-8)
        h = model.hidden(x[None])[0]
        formula = (W.T @ np.diag(g * h * (1 - h)) @ W - np.eye(3)) / model.sigma**2
        np.testing.assert_allclose(jacobian, formula, atol=1e-8)


def test_untied_weights_give_an_asymmetric_jacobian():
    W, b, c, g = random_model(5).parameters
    U = random_model(6).parameters.components

    def untied_residual(x):
        return reference.decode(reference.encode(x, (W, b, c, g)), (U, b, c, g)) - x

    jacobian = numerical_gradient(untied_residual, X[0])
    assert np.abs(jacobian - jacobian.T).max() > 0.1


@pytest.mark.parametrize("multiplicities", [[1, 1, 1], [2, 1, 3], [0, 4, 1]])
def test_integer_gains_over_variance_make_a_gaussian_mixture(multiplicities):
    sigma = 0.8
    W, b, c, _ = random_model(7, m=3).parameters
    g = sigma**2 * np.array(multiplicities)
    model = EnergyModel(Parameters(W, b, c, g), sigma)
    log_weights, means = reference.gaussian_mixture(model.parameters, sigma)
    square = ((X[:, None] - np.array(means)) ** 2).sum(axis=-1)
    log_density = np.logaddexp.reduce(log_weights - square / (2 * sigma**2), axis=1)
    constant = c @ c / (2 * sigma**2)
    np.testing.assert_allclose(model.energy(X), constant - log_density, rtol=1e-12)


def test_without_weights_the_model_is_a_gaussian():
    _, b, c, g = random_model(8, gains="mixed").parameters
    model = EnergyModel(Parameters(np.zeros((4, 3)), b, c, g), 0.6)
    floor = -sum(g_j * reference.softplus(b_j) for g_j, b_j in zip(g, b, strict=True))
    expected = (0.5 * ((X - c) ** 2).sum(axis=1) + floor) / 0.36
    np.testing.assert_allclose(model.energy(X), expected, rtol=1e-12)
    np.testing.assert_allclose(model.score(X), (c - X) / 0.36, rtol=1e-12)
    np.testing.assert_allclose(model.hessian_trace(X), -3 / 0.36, rtol=1e-12)


def test_model_is_immutable():
    with pytest.raises(FrozenInstanceError):
        random_model(0).sigma = 2.0


@settings(deadline=None, max_examples=50)
@given(m=st.integers(1, 5), d=st.integers(1, 5), seed=st.integers(0, 2**32))
def test_unpack_inverts_pack(m, d, seed):
    vector = np.random.default_rng(seed).standard_normal(m * d + 2 * m + d)
    parameters = Parameters.unpack(vector, m, d)
    assert [block.shape for block in parameters] == [(m, d), (m,), (d,), (m,)]
    assert all(np.shares_memory(block, vector) for block in parameters)
    np.testing.assert_array_equal(parameters.pack(), vector)
    np.testing.assert_array_equal(
        parameters.components[m - 1], vector[(m - 1) * d : m * d]
    )


def test_pack_does_not_depend_on_memory_layout():
    parameters = random_model(0).parameters
    fortran = parameters._replace(components=np.asfortranarray(parameters.components))
    np.testing.assert_array_equal(fortran.pack(), parameters.pack())
    again = unpack_like(fortran.pack(), parameters)
    np.testing.assert_array_equal(again.components, parameters.components)


@pytest.mark.parametrize("shape", [(22,), (24,), (23, 1), (0,)])
def test_unpack_refuses_a_vector_that_does_not_fit(shape):
    with pytest.raises(ValueError, match="4 components and 3 features has 23 entries"):
        Parameters.unpack(np.zeros(shape), 4, 3)
