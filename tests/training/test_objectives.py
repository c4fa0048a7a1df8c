"""The four objectives: against the reference, and each against its own derivatives."""

import numpy as np
import pytest
from support import reference
from support.random_models import (
    GAINS,
    numerical_gradient,
    random_model,
    random_parameters,
    unpack_like,
)

from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters
from skdsm.training.objectives import (
    denoising_autoencoder,
    denoising_score_matching,
    explicit_score_matching,
    implicit_score_matching,
    residual_loss,
)

SIGMA = 0.7
RNG = np.random.default_rng(0)
X = RNG.standard_normal((12, 3))
X_NOISY = X + SIGMA * RNG.standard_normal((12, 3))
TARGET_SCORE = RNG.standard_normal((12, 3))
COUNTS = RNG.integers(0, 4, 12)

# each takes a model, rows to use, and their weights
OBJECTIVES = {
    "explicit": lambda model, rows, weight=None: explicit_score_matching(
        model, X_NOISY[rows], TARGET_SCORE[rows], weight
    ),
    "implicit": lambda model, rows, weight=None: implicit_score_matching(
        model, X_NOISY[rows], weight
    ),
    "denoising": lambda model, rows, weight=None: denoising_score_matching(
        model, X[rows], X_NOISY[rows], weight
    ),
    "autoencoder": lambda model, rows, weight=None: denoising_autoencoder(
        model, X[rows], X_NOISY[rows], weight
    ),
}
ALL_ROWS = np.arange(12)

every_objective = pytest.mark.parametrize("name", OBJECTIVES)
gains_of_each_kind = pytest.mark.parametrize("gains", GAINS)


def reference_value(name, theta):
    pairs = list(zip(X, X_NOISY, strict=True))
    if name == "explicit":
        return reference.J_ESM(X_NOISY, TARGET_SCORE, theta, SIGMA)
    if name == "implicit":
        return reference.J_ISM(X_NOISY, theta, SIGMA)
    if name == "denoising":
        return reference.J_DSM(pairs, theta, SIGMA)
    return reference.J_DAE(pairs, theta, SIGMA)


def assert_same(one, other, tolerance):
    """Value and gradient agree, relative to the size of each."""
    assert one[0] == pytest.approx(other[0], rel=tolerance)
    for block, expected in zip(one[1], other[1], strict=True):
        assert block.shape == expected.shape
        assert np.abs(block - expected).max() <= tolerance * np.abs(expected).max()


@gains_of_each_kind
@every_objective
def test_value_equals_the_reference(name, gains):
    model = random_model(1, gains=gains, sigma=SIGMA)
    value, _ = OBJECTIVES[name](model, ALL_ROWS)
    assert value == pytest.approx(reference_value(name, model.parameters), rel=1e-12)


@gains_of_each_kind
@pytest.mark.parametrize("weight", [None, COUNTS.astype(float)])
def test_denoising_autoencoder_is_denoising_score_matching(gains, weight):
    model = random_model(2, gains=gains, sigma=SIGMA)
    one = OBJECTIVES["denoising"](model, ALL_ROWS, weight)
    assert_same(OBJECTIVES["autoencoder"](model, ALL_ROWS, weight), one, 1e-12)


@gains_of_each_kind
@pytest.mark.parametrize("weight", [None, RNG.uniform(0, 3, 12)])
@every_objective
def test_gradient_is_the_derivative_of_the_value(name, gains, weight):
    model = random_model(3, gains=gains, sigma=SIGMA)

    def value(vector):
        moved = EnergyModel(unpack_like(vector, model.parameters), SIGMA)
        return OBJECTIVES[name](moved, ALL_ROWS, weight)[0]

    expected = numerical_gradient(value, model.parameters.pack())
    assert np.abs(expected).min() > 1e-6  # every parameter matters
    _, gradient = OBJECTIVES[name](model, ALL_ROWS, weight)
    np.testing.assert_allclose(gradient.pack(), expected, rtol=1e-6, atol=1e-8)


@every_objective
def test_weights_are_repetitions(name):
    model = random_model(4, gains="mixed", sigma=SIGMA)
    weighted = OBJECTIVES[name](model, ALL_ROWS, COUNTS.astype(float))
    repeated = OBJECTIVES[name](model, np.repeat(ALL_ROWS, COUNTS))
    assert_same(weighted, repeated, 1e-12)
    scaled = OBJECTIVES[name](model, ALL_ROWS, 5.5 * COUNTS)
    assert_same(scaled, repeated, 1e-12)


TRACE_WEIGHT = RNG.uniform(0, 2, 12)  # as with a noise level for each row


def assert_loss_of_each_row_adds_up(value, parameters, trace_weight, sample_weight):
    total = 0.0
    for i in range(12):
        h = reference.encode(X_NOISY[i], parameters)
        r = reference.decode(h, parameters)
        total += sample_weight[i] * (
            reference.square_norm(r - X[i]) / 2
            + trace_weight[i]
            * sum(
                g_j * reference.square_norm(W_j) * h_j * (1 - h_j)
                for g_j, W_j, h_j in zip(
                    parameters.gains, parameters.components, h, strict=True
                )
            )
        )
    assert value == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("trace_weight", [None, TRACE_WEIGHT])
@pytest.mark.parametrize("sample_weight", [None, COUNTS.astype(float)])
def test_common_loss_is_a_sum_over_rows_with_its_derivative(
    trace_weight, sample_weight
):
    parameters = random_parameters(5, gains="mixed")

    def loss(vector):
        blocks = unpack_like(vector, parameters)
        return residual_loss(blocks, X_NOISY, X, trace_weight, sample_weight)

    value, gradient = loss(parameters.pack())
    assert_loss_of_each_row_adds_up(
        value,
        parameters,
        np.zeros(12) if trace_weight is None else trace_weight,
        np.ones(12) if sample_weight is None else sample_weight,
    )
    expected = numerical_gradient(lambda v: loss(v)[0], parameters.pack())
    np.testing.assert_allclose(gradient.pack(), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("trace_weight", [None, TRACE_WEIGHT])
def test_single_precision_agrees_with_double(trace_weight):
    def narrow(array):
        return None if array is None else array.astype(np.float32)

    def widen(array):
        return None if array is None else array.astype(np.float64)

    single = [narrow(a) for a in (X_NOISY, X, trace_weight, COUNTS)]
    parameters = Parameters(*map(narrow, random_parameters(6, gains="mixed")))
    result = residual_loss(parameters, *single)
    assert isinstance(result[0], float)
    assert all(block.dtype == np.float64 for block in result[1])
    double = residual_loss(Parameters(*map(widen, parameters)), *map(widen, single))
    assert_same(result, double, 3e-6)
    assert result[0] != double[0]  # the arithmetic was in single precision


@every_objective
def test_arguments_are_left_alone(name):
    model = random_model(7, sigma=SIGMA)
    inputs = (X, X_NOISY, TARGET_SCORE, *model.parameters)
    before = [array.copy() for array in inputs]
    OBJECTIVES[name](model, slice(None), np.ones(12))
    for array, copy in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(array, copy)
