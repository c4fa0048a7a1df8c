"""What may be done to the model, or to model and data together, without any effect."""

import numpy as np
import pytest
from support import reference
from support.random_models import GAINS, random_model

from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters

X = 2 * np.random.default_rng(0).standard_normal((50, 3))

gains_of_each_kind = pytest.mark.parametrize("gains", GAINS)


def transformed(model, transform):
    return EnergyModel(Parameters(*transform(*model.parameters)), model.sigma)


def dyadic(values, digits=6):
    """Round to a few binary digits, so that sums and products below are exact."""
    return np.round(values * 2**digits) / 2**digits


@gains_of_each_kind
def test_units_may_be_permuted(gains):
    model = random_model(1, gains=gains)
    order = [2, 0, 3, 1]
    permuted = transformed(model, lambda W, b, c, g: (W[order], b[order], c, g[order]))
    np.testing.assert_allclose(permuted.energy(X), model.energy(X), atol=1e-12)
    np.testing.assert_allclose(permuted.score(X), model.score(X), atol=1e-12)
    np.testing.assert_allclose(
        permuted.hidden(X), model.hidden(X)[:, order], atol=1e-15
    )


@gains_of_each_kind
@pytest.mark.parametrize("j", [0, 3])
def test_a_unit_may_be_flipped_at_the_cost_of_a_constant(gains, j):
    model = random_model(2, gains=gains)

    def flip(W, b, c, g):
        sign = np.where(np.arange(4) == j, -1, 1)
        return sign[:, None] * W, sign * b, c + g[j] * W[j], g

    flipped = transformed(model, flip)
    np.testing.assert_allclose(flipped.score(X), model.score(X), atol=1e-12)
    paper = [
        reference.E(x, flipped.parameters, 0.7) - reference.E(x, model.parameters, 0.7)
        for x in X
    ]
    b_j, g_j = model.parameters.intercept_hidden[j], model.parameters.gains[j]
    np.testing.assert_allclose(paper, g_j * b_j / 0.7**2, atol=1e-11)
    shift = flipped.energy(X) - model.energy(X)
    np.testing.assert_allclose(shift, shift[0], atol=1e-11)
    assert abs(shift[0]) > 0.01


@gains_of_each_kind
def test_data_may_be_rotated_with_the_model(gains):
    model = random_model(3, gains=gains)
    Q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))
    rotated = transformed(model, lambda W, b, c, g: (W @ Q.T, b, Q @ c, g))
    np.testing.assert_allclose(rotated.energy(X @ Q.T), model.energy(X), rtol=1e-12)
    np.testing.assert_allclose(rotated.score(X @ Q.T), model.score(X) @ Q.T, atol=1e-12)
    np.testing.assert_allclose(
        rotated.hessian_trace(X @ Q.T), model.hessian_trace(X), rtol=1e-12
    )


@gains_of_each_kind
def test_data_may_be_scaled_with_the_model_at_the_price_of_gains(gains):
    # The paper's model, all gains one, is therefore not closed under scaling: this is
    # why a StandardScaler belongs in front.
    model = random_model(3, gains=gains)
    W, b, c, g = model.parameters
    scaled = EnergyModel(Parameters(W / 2, b, 2 * c, 4 * g), 2 * model.sigma)
    np.testing.assert_allclose(scaled.energy(2 * X), model.energy(X), atol=1e-12)
    np.testing.assert_allclose(2 * scaled.score(2 * X), model.score(X), atol=1e-12)


@gains_of_each_kind
@pytest.mark.parametrize(
    ("dtype", "offset", "tolerance"),
    [
        (np.float64, 3.0, 1e-12),
        (np.float64, 1e8, 1e-12),
        (np.float32, 1e4, 1e-5),
    ],
)
def test_data_may_be_moved_far_away_with_the_model(gains, dtype, offset, tolerance):
    model = transformed(
        random_model(4, gains=gains), lambda *blocks: map(dyadic, blocks)
    )
    # the fractions are not single-precision numbers: neither is c after the move
    shift = offset * np.array([1.0, -2.0, 3.0]) + np.array([3.0, -5.0, 7.0]) / 2**13
    moved = EnergyModel(model.parameters.translate(shift), model.sigma)
    # Only the rounding of the moved rows is lost. Moving them back is exact, and gives
    # the rows at which the model at home must say the same.
    X_moved = (X + shift).astype(dtype)
    X_home = X_moved.astype(np.float64) - shift
    assert np.abs(X_home - X).max() < 2e-3
    for quantity in ("energy", "score", "hidden", "hessian_trace"):
        there = getattr(moved, quantity)(X_moved)
        home = getattr(model, quantity)(X_home)
        scale = np.abs(home).max()
        np.testing.assert_allclose(there / scale, home / scale, atol=tolerance)
