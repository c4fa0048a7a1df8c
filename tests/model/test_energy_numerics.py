"""Extreme rows, single precision and memory layouts."""

import numpy as np
import pytest
from support.random_models import GAINS, random_model, random_parameters

from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters

QUANTITIES = [
    "hidden",
    "reconstruct",
    "score",
    "energy",
    "hessian_trace",
    "score_norm",
    "implicit_loss",
]
PER_ROW = ["energy", "hessian_trace", "score_norm", "implicit_loss"]
EXTREMES = [
    (np.float64, 1e160),
    (np.float64, 1e300),
    (np.float64, 1.7e308),
    (np.float32, 1e30),
    (np.float32, 3e38),
]


def rows_with(value, dtype, d=3):
    """Rows with the value, of either sign, in one or all of their coordinates."""
    rows = [value * np.eye(d), -value * np.eye(d), np.full((1, d), value)]
    rows.append(value * np.where(np.arange(d) % 2, 1.0, -1.0)[None])
    return np.concatenate(rows).astype(dtype)


@pytest.mark.parametrize("sigma", [0.01, 0.7, 30.0])
@pytest.mark.parametrize(("dtype", "value"), EXTREMES)
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_extreme_rows_give_no_nan_and_no_warning(quantity, dtype, value, sigma):
    X = rows_with(value, dtype)
    for gains in GAINS:
        model = random_model(1, gains=gains, sigma=sigma)
        with np.errstate(over="warn", invalid="warn", divide="warn"):
            result = getattr(model, quantity)(X)
        assert not np.isnan(result).any()


@pytest.mark.parametrize("gains", GAINS)
@pytest.mark.parametrize(("dtype", "value"), EXTREMES)
def test_extreme_rows_have_higher_energy_than_any_other(gains, dtype, value):
    model = random_model(1, gains=gains)
    ordinary = np.random.default_rng(0).uniform(-1e6, 1e6, (100, 3)).astype(dtype)
    extreme = rows_with(value, dtype)
    energy = model.energy(extreme)
    assert np.isfinite(energy).all()
    assert (energy > model.energy(ordinary).max()).all()
    assert (model.score_norm(extreme) > model.score_norm(ordinary).max()).all()


def test_moderately_large_rows_are_not_bounded():
    model = random_model(1)
    X = rows_with(1e100, np.float64)
    np.testing.assert_allclose(
        model.energy(X), 0.5 * (X**2).sum(axis=1) / 0.7**2, rtol=1e-12
    )


@pytest.mark.parametrize("gains", GAINS)
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_single_precision_rows_agree_with_double(quantity, gains):
    model = random_model(2, gains=gains)
    X = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    single = getattr(model, quantity)(X)
    double = getattr(model, quantity)(X.astype(np.float64))
    assert double.dtype == np.float64
    assert single.dtype == (np.float64 if quantity in PER_ROW else np.float32)
    assert np.abs(single - double).max() <= 2e-6 * np.abs(double).max()


def test_energy_of_single_precision_rows_is_summed_in_double():
    # in a model without units, at rows whose offsets and their squares are exact
    _, b, _, g = random_parameters(2, m=4, d=300)
    c = np.full(300, 0.5)
    model = EnergyModel(Parameters(np.zeros((4, 300)), b, c, 0 * g), 1.0)
    X = np.random.default_rng(0).integers(-999, 999, (20, 300)).astype(np.float32)
    exact = 0.5 * ((X.astype(np.float64) - 0.5) ** 2).sum(axis=1)
    np.testing.assert_allclose(model.energy(X), exact, rtol=1e-14)


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_memory_layout_changes_no_bit(quantity, dtype):
    model = random_model(3, d=5)
    X = np.random.default_rng(0).standard_normal((40, 5)).astype(dtype)
    expected = getattr(model, quantity)(X)
    strided = np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3]
    reversed_rows = X[::-1].copy()[::-1]
    for layout in (np.asfortranarray(X), strided, reversed_rows):
        np.testing.assert_array_equal(getattr(model, quantity)(layout), expected)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_rows_and_parameters_are_left_alone(quantity):
    model = random_model(4)
    X = np.random.default_rng(0).standard_normal((10, 3))
    for array in (X, *model.parameters):
        array.flags.writeable = False
    expected = getattr(model, quantity)(X)
    np.testing.assert_array_equal(getattr(model, quantity)(X), expected)


@pytest.mark.parametrize(("m", "d"), [(1, 1), (1, 6), (30, 1), (300, 200)])
def test_any_shape_is_served(m, d):
    model = random_model(5, m=m, d=d)
    X = np.random.default_rng(0).standard_normal((7, d))
    shapes = [np.shape(getattr(model, quantity)(X)) for quantity in QUANTITIES]
    assert shapes == [(7, m), (7, d), (7, d), (7,), (7,), (7,), (7,)]
    assert model.energy(X[:0]).shape == (0,)
    assert model.score(X[:0]).shape == (0, d)
