"""The density in one call: normalised, in units of the rows, right about the whole."""

import pickle

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import (
    _get_check_estimator_ids,
    estimator_checks_generator,
)
from test_common import libraries, run

from skdsm.density_estimator import ScoreMatchingDensity

pytestmark = pytest.mark.filterwarnings(
    "ignore:Training did not converge:sklearn.exceptions.ConvergenceWarning"
)


def clusters(n, d=2, share=0.3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    X[:, 0] += 7 * (rng.random(n) < share)
    return X


@pytest.fixture(scope="module")
def density():
    return ScoreMatchingDensity(32, random_state=0).fit(clusters(1500))


CHECKS = [
    pair
    for pair in estimator_checks_generator(ScoreMatchingDensity(4, random_state=0))
    if not libraries(pair[1])  # arrays of other libraries are refused
]


@pytest.mark.parametrize(("estimator", "check"), CHECKS, ids=_get_check_estimator_ids)
def test_check_passes(estimator, check, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    run(check, estimator)


def test_density_integrates_to_one(density):
    x, y = np.arange(-6, 13, 0.1), np.arange(-6, 6, 0.1)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    mass = np.exp(density.score_samples(grid)).sum() * 0.1**2
    assert abs(mass - 1) < 0.005


def test_density_is_near_the_truth(density):
    X = clusters(2000, seed=1)
    components = [multivariate_normal([7 * k, 0]).pdf(X) for k in (0, 1)]
    truth = np.log(0.7 * components[0] + 0.3 * components[1])
    assert np.mean(truth - density.score_samples(X)) < 0.05  # Kullback-Leibler
    # of the estimate one Gaussian would make:
    one = multivariate_normal(X.mean(axis=0), np.cov(X.T)).logpdf(X)
    assert np.mean(truth - one) > 0.3


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_clusters_have_their_shares_of_the_mass(share):
    X = clusters(1500, share=share, seed=1)
    density = ScoreMatchingDensity(32, random_state=0).fit(X)
    x, y = np.arange(-6, 13, 0.1), np.arange(-6, 6, 0.1)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    p = np.exp(density.score_samples(grid))
    wanted = np.mean(X[:, 0] > 3.5)
    # by the sum over a grid: draws would add 0.01 of their own
    assert abs(p[grid[:, 0] > 3.5].sum() / p.sum() - wanted) < 0.02
    rows = density.sample(4000, random_state=0)
    assert abs(np.mean(rows[:, 0] > 3.5) - wanted) < 0.04


def test_units_of_columns_change_a_constant_only():
    X, scale = clusters(400, 3), np.array([2.0**-20, 1.0, 2.0**10])
    one, other = (
        ScoreMatchingDensity(8, random_state=0).fit(rows) for rows in (X, X * scale)
    )
    shift = one.score_samples(X) - other.score_samples(X * scale)
    np.testing.assert_allclose(shift, np.log(scale).sum(), atol=1e-6)
    drawn = [one.sample(50, random_state=0) * scale, other.sample(50, random_state=0)]
    np.testing.assert_allclose(*drawn, rtol=1e-5, atol=1e-5)


def test_density_is_above_one_gaussian_on_real_rows():
    X = np.random.default_rng(0).permutation(load_wine().data)
    train, test = X[:120], X[120:]
    one = multivariate_normal(train.mean(axis=0), np.cov(train.T)).logpdf(test)
    density = ScoreMatchingDensity(random_state=0).fit(train)
    assert density.score_samples(test).mean() > one.mean() + 0.2


def test_absurd_rows_neither_shape_the_model_nor_get_minus_infinity():
    X = clusters(500)
    spoiled = np.concatenate([X, [[1e6, 0.0], [0.0, -1e9]]])
    clean, fitted = (
        ScoreMatchingDensity(16, random_state=0).fit(rows) for rows in (X, spoiled)
    )
    held_out = clusters(500, seed=1)
    change = fitted.score_samples(held_out) - clean.score_samples(held_out)
    assert abs(change.mean()) < 0.1
    log_density = fitted.score_samples(spoiled)
    assert np.isfinite(log_density).all()
    assert set(log_density.argsort()[:2]) == {500, 501}
    assert fitted.far_share_ == pytest.approx(3 / 504)


def test_weight_is_repetition():
    X, weight = clusters(120), np.random.default_rng(0).integers(0, 3, 120)
    weighted = ScoreMatchingDensity(8, random_state=0).fit(X, sample_weight=weight)
    repeated = ScoreMatchingDensity(8, random_state=0).fit(np.repeat(X, weight, axis=0))
    np.testing.assert_allclose(
        weighted.score_samples(X), repeated.score_samples(X), atol=1e-6
    )


def test_constant_and_dependent_columns_have_a_finite_density():
    X = clusters(300)
    X = np.column_stack([X, np.full(300, 3.0), X.sum(axis=1)])
    density = ScoreMatchingDensity(8, random_state=0).fit(X)
    inside = density.score_samples(X)
    assert np.isfinite(inside).all()
    moved = X + [0, 0, 1.0, 0]  # where the constant column is not constant
    assert (density.score_samples(moved) < inside.min() - 10).all()


def test_score_is_the_total_so_that_a_search_works():
    X = clusters(200)
    search = GridSearchCV(
        ScoreMatchingDensity(random_state=0), {"n_components": [1, 16]}, cv=2
    ).fit(X)
    best = search.best_estimator_
    assert best.n_components == 16
    assert best.score(X) == pytest.approx(best.score_samples(X).sum())


def test_density_survives_pickling(density):
    X = clusters(10)
    loaded = pickle.loads(pickle.dumps(density))
    np.testing.assert_array_equal(loaded.score_samples(X), density.score_samples(X))


def test_a_fit_that_fails_leaves_the_estimator_as_it_was():
    X = clusters(100)
    density = ScoreMatchingDensity(4, random_state=0).fit(X)
    before = density.score_samples(X)
    with pytest.raises(ValueError, match="NaN"):
        density.fit(np.full((10, 2), np.nan))
    np.testing.assert_array_equal(density.score_samples(X), before)


def test_dask_rows_are_refused_by_name():
    da = pytest.importorskip("dask.array")
    rows = da.from_array(clusters(100), chunks=50)
    with pytest.raises(TypeError, match="needs rows in memory"):
        ScoreMatchingDensity(4).fit(rows)
