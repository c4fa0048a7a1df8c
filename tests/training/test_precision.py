"""Training in single precision: where rounding is nothing beside the noise."""

import numpy as np
import pytest
from support.drawn_risk import RANGE, flat
from support.quick_fits import (
    given_precision,
    normal_rows,
    quick,
    settings,
    two_clusters,
)
from support.random_models import random_parameters

from skdsm.rows.in_file import rows_in_place
from skdsm.rows.in_memory import InMemoryRows, prepare_rows
from skdsm.training.corruption import NoiseLevels
from skdsm.training.empirical_risk import EmpiricalRisk
from skdsm.training.fit import Parts, fit_energy_model, training_precision
from skdsm.training.loss_kernel import LossKernel

# --- The rule ---


@pytest.mark.parametrize(
    ("reach", "levels", "expected"),
    [
        (3.0, (0.5, 1.0), "float32"),
        (0.0, (0.5, 0.5), "float32"),
        (2.0**12, (1.0, 1.0), "float32"),
        (2.0**12 + 1, (1.0, 1.0), "float64"),
        (2.0**12, (0.9, 5.0), "float64"),  # the smallest level counts
        (1e-10, (1e-13, 1e-13), "float64"),  # squares would be denormal
        (1e-10, (1e-9, 1e13), "float64"),
        (1e13, (1e12, 1e12), "float64"),
    ],
)
def test_single_precision_is_for_rows_within_reach_of_the_noise(
    reach, levels, expected
):
    X = np.array([[0.0, -reach], [reach, 0.0]])
    assert training_precision(X, NoiseLevels(*levels)) == expected
    assert training_precision(X.astype(np.float32), NoiseLevels(*levels)) == "float32"


def gradient(parameters, noisy, clean, dtype):
    kernel = LossKernel(len(clean), *parameters.components.shape, dtype)
    kernel.begin(parameters)
    kernel.add(noisy.astype(dtype), clean.astype(dtype))
    return flat(kernel.end())


@pytest.mark.parametrize("learn_gains", [False, True])
@pytest.mark.parametrize("reach", [8.0, 2.0**12])
def test_rounding_is_nothing_beside_the_noise_of_a_gradient(reach, learn_gains):
    """At a fitted model, on samples of 500 rows; clusters reach as far as they may."""
    rng = np.random.default_rng(5)
    place = rng.choice([-1.0, 0.0, 0.0, 1.0], size=(1000, 1)) * 0.95 * reach
    place += rng.choice([-2.0, 2.0], size=(1000, 1))
    rows = prepare_rows(place + rng.standard_normal((1000, 2)), None, 0)
    made = settings(
        n_components=16, levels=NoiseLevels(1.0, 1.0), learn_gains=learn_gains
    )
    assert training_precision(rows.centred(), made.levels) == np.float32
    parts = Parts(precision=given_precision)
    fitted = fit_energy_model(rows, made, 0, parts=parts).training
    double, single = [], []
    for _ in range(20):
        clean = rng.choice(rows.centred(), 500)
        noisy = clean + rng.standard_normal(clean.shape)
        double.append(gradient(fitted.parameters, noisy, clean, np.float64))
        single.append(gradient(fitted.parameters, noisy, clean, np.float32))
    rounding = np.linalg.norm(np.subtract(single, double), axis=1)
    assert 0 < rounding.max() < 0.01 * np.linalg.norm(np.std(double, axis=0))


# --- The rows ---

D = 3
SINGLE = normal_rows(9000, D).astype(np.float32)
MEAN = SINGLE.mean(axis=0, dtype=np.float64)


def in_memory(X):
    return InMemoryRows((X - MEAN).astype(X.dtype), None, MEAN)


def mapped(X):
    return rows_in_place(X, None, MEAN, 0)


@pytest.mark.parametrize("make", [in_memory, mapped])
def test_rounded_rows_are_those_of_single_precision(make):
    """Their values are the same numbers, of either type: so is all that is computed."""
    expected = make(SINGLE)
    rounded = make(SINGLE.astype(np.float64)).scaled(1, np.float32)
    assert rounded.dtype == expected.dtype == np.float32
    made = settings(n_components=5, levels=RANGE)
    parameters = random_parameters(5, m=5, d=D)
    np.testing.assert_array_equal(
        flat(EmpiricalRisk(rounded, made, (7,))(parameters)),
        flat(EmpiricalRisk(expected, made, (7,))(parameters)),
    )
    for part in ("head", "tail", "sample"):
        few, wanted = getattr(rounded, part)(500), getattr(expected, part)(500)
        assert few.centred().dtype == np.float32
        np.testing.assert_array_equal(few.centred(), wanted.centred())


# --- Fits ---


def test_a_fit_in_single_precision_is_as_good():
    """Held-out loss of five fits each: the means agree within their standard errors."""
    X, held_out = two_clusters(600), two_clusters(4000, seed=1)
    clean = prepare_rows(held_out, None, 0)
    noisy = EmpiricalRisk(clean, settings(levels=RANGE, n_components=8), (1,))

    def losses(precision):
        rows = prepare_rows(X, None, 0)
        made = settings(n_components=8, levels=RANGE, learn_gains=True, tol=0.01)
        parts = Parts(precision=precision)
        fits = [fit_energy_model(rows, made, seed, parts=parts) for seed in range(5)]
        return [noisy(fit.model.parameters.translate(-clean.mean))[0] for fit in fits]

    single, double = losses(training_precision), losses(given_precision)
    error = np.hypot(np.std(single), np.std(double)) / np.sqrt(5)
    assert abs(np.mean(single) - np.mean(double)) < 4 * error
    assert error < 0.03 * np.mean(double)


def test_what_is_fitted_is_in_double_precision():
    X = normal_rows(300) * (1 + 1e-12)
    matcher = quick(ranking="combined").fit(X)
    assert matcher.components_.dtype == matcher.landmarks_.dtype == np.float64
    assert matcher.score_samples(X).dtype == np.float64
    kept = {row.tobytes() for row in matcher.landmarks_.astype(np.float32)}
    assert kept <= {row.tobytes() for row in X.astype(np.float32)}
    assert np.abs(matcher.landmarks_ - np.float32(matcher.landmarks_)).max() > 1e-9
