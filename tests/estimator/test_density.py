"""Samples, partition function and log-density of the estimator."""

import sys
from copy import deepcopy

import arviz_base
import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import kstest, norm
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from skdsm import DenoisingScoreMatcher
from skdsm._sklearn.density_mixin import _warn_unless_mixed
from skdsm.density.mixture import exact_mixture
from skdsm.exceptions import SamplingWarning
from skdsm.mcmc.diagnostics import convergence

RNG = np.random.default_rng(0)
TWO_PILES = 0.5 * RNG.standard_normal((300, 2)) + RNG.choice([-2, 2], size=(300, 1))
FOUR_FEATURES = RNG.standard_normal((200, 4)) @ RNG.standard_normal((4, 4))


@pytest.fixture(scope="module")
def mixture():
    """A model that is a mixture of 5 ** 4 Gaussians: 1 / sigma ** 2 is four."""
    matcher = DenoisingScoreMatcher(4, sigma=0.5, gains="unit", random_state=0)
    return matcher.fit(TWO_PILES)


@pytest.fixture(scope="module")
def no_mixture():
    """A model that neither enumeration nor quadrature can normalise."""
    matcher = DenoisingScoreMatcher(
        6, sigma=(0.4, 2), gains="learned", max_iter=300, tol=0.1, random_state=0
    )
    return matcher.fit(FOUR_FEATURES)


def nearly(mixture):
    """The same density to nine digits, but not a mixture: it has to be annealed."""
    copied = deepcopy(mixture)
    copied.gains_ = copied.gains_ * (1 + 1e-9)
    return copied


def forgetful(matcher):
    """The same model, whose partition function is to be computed anew."""
    return clone(matcher).fit(FOUR_FEATURES)


def integral(function, low=-8.0, high=8.0, n=400):
    """In two dimensions; the midpoint rule is exact to rounding for smooth bumps."""
    step = (high - low) / n
    axis = low + step * (np.arange(n) + 0.5)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    return np.exp(function(grid)).sum() * step**2


def test_density_integrates_to_one(mixture):
    assert integral(mixture.log_density) == pytest.approx(1, abs=1e-9)


def test_density_of_units_in_the_plane_integrates_to_one():
    matcher = DenoisingScoreMatcher(
        8, sigma=(0.4, 2), gains="learned", max_iter=300, tol=0.1, random_state=0
    ).fit(TWO_PILES)
    assert matcher.log_partition().method == "exact"
    assert integral(matcher.log_density) == pytest.approx(1, abs=1e-8)


def test_log_density_is_minus_energy_minus_log_partition(no_mixture):
    log_z = no_mixture.log_partition()
    assert log_z.method == "annealing"
    np.testing.assert_allclose(
        no_mixture.log_density(FOUR_FEATURES),
        -no_mixture.energy(FOUR_FEATURES) - log_z.value,
        rtol=1e-14,
    )


def test_annealed_value_agrees_with_importance_sampling(no_mixture):
    """In four dimensions a wide Gaussian is a good enough proposal."""
    rng = np.random.default_rng(1)
    covariance = 1.5 * np.cov(FOUR_FEATURES.T)
    factor = np.linalg.cholesky(covariance)
    Z = rng.standard_normal((200_000, 4))
    log_proposal = norm.logpdf(Z).sum(1) - np.log(np.diag(factor)).sum()
    log_weight = -no_mixture.energy(Z @ factor.T) - log_proposal
    weight = np.exp(log_weight - log_weight.max())
    estimate = np.log(weight.mean()) + log_weight.max()
    error = weight.std() / weight.mean() / np.sqrt(len(weight))
    log_z = no_mixture.log_partition()
    assert error < 0.02
    assert abs(estimate - log_z.value) < 5 * np.hypot(error, log_z.standard_error)


def test_partition_function_is_computed_once_until_the_next_fit(no_mixture):
    matcher = forgetful(no_mixture)
    first = matcher.log_partition(max_islands=8, random_state=1)
    assert matcher.log_partition(random_state=2) == first
    assert matcher.fit(2 * FOUR_FEATURES).log_partition(max_islands=8) != first


def test_partition_function_is_reproducible_on_any_number_of_threads(no_mixture):
    values = [
        forgetful(no_mixture)
        .set_params(n_jobs=n_jobs)
        .log_partition(max_islands=32, random_state=seed)
        .value
        for n_jobs, seed in [(1, 0), (2, 0), (1, 1)]
    ]
    assert values[0] == values[1] != values[2]


def test_islands_are_added_until_the_error_is_within_the_tolerance(no_mixture):
    few = forgetful(no_mixture).log_partition(tolerance=np.inf)
    many = forgetful(no_mixture).log_partition(tolerance=0.0, max_islands=160)
    assert (few.n_islands, many.n_islands) == (64, 160)
    assert many.standard_error < 0.8 * few.standard_error
    for options in ({"max_islands": 1}, {"tolerance": -0.1}):
        with pytest.raises(ValueError, match=next(iter(options))):
            forgetful(no_mixture).log_partition(**options)


def test_failed_fit_keeps_the_partition_function(no_mixture):
    matcher = forgetful(no_mixture)
    before = matcher.log_partition(max_islands=8)
    with pytest.raises(ValueError, match="infinity"):
        matcher.fit(np.full((3, 4), np.inf))
    assert matcher.log_partition() == before


def test_unreliable_partition_function_is_warned_of(no_mixture, monkeypatch):
    matcher = forgetful(no_mixture)
    monkeypatch.setattr("skdsm.density.log_partition._LARGEST_ERROR", 0.0)
    with pytest.warns(SamplingWarning, match="do not agree"):
        matcher.log_partition(max_islands=8)


def test_exact_samples_follow_the_mixture(mixture):
    rows = mixture.sample(4000, random_state=0)
    exact = exact_mixture(mixture._model())
    left, right = np.indices(exact.log_weights.shape).reshape(2, -1)
    means = exact.component_means(left, right)
    weights = np.exp(exact.log_weights.ravel())
    for axis in range(2):
        # the marginal of a mixture of round Gaussians is one of Gaussians in a line
        def marginal(x, axis=axis):
            return norm.cdf((x[:, None] - means[:, axis]) / 0.5) @ weights

        assert kstest(rows[:, axis], marginal).pvalue > 1e-3


def test_tempered_samples_follow_the_mixture(mixture):
    rows = nearly(mixture).sample(1000, random_state=0)
    reference = mixture.sample(20_000, random_state=1)
    for axis in range(2):
        assert kstest(rows[:, axis], reference[:, axis]).pvalue > 1e-3
    share = (rows.sum(axis=1) > 0).mean()
    expected = (reference.sum(axis=1) > 0).mean()
    assert abs(share - expected) < 5 * np.sqrt(0.25 / 500)


def test_samples_are_reproducible(no_mixture):
    first, again, other = (
        no_mixture.sample(20, random_state=seed) for seed in (0, 0, 1)
    )
    assert first.shape == (20, 4)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(np.unique(first, axis=0)) == 20


def test_sampling_leaves_the_global_random_state_alone(no_mixture):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    no_mixture.sample(2, random_state=0)
    forgetful(no_mixture).log_partition(max_islands=2)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("n", [1, 850])
def test_as_many_samples_as_asked_for(no_mixture, n):
    assert no_mixture.sample(n, random_state=0).shape == (n, 4)


def test_chains_that_have_not_mixed_are_warned_of():
    draws = np.random.default_rng(0).standard_normal((16, 2000, 2))
    _warn_unless_mixed(draws)  # these have
    apart, still = draws.copy(), np.ones((16, 50, 2))
    apart[:8, :, 1] += 1
    # long, slow chains agree: it is their effective sample size that is too small
    slow = lfilter([1], [1, -0.9], draws, axis=1)
    assert convergence(slow).rhat.max() < 1.05
    for chains in (apart, slow, still):
        with pytest.warns(SamplingWarning, match="have not mixed"):
            _warn_unless_mixed(chains)


def test_samples_without_arviz_come_with_a_warning(no_mixture, monkeypatch):
    expected = no_mixture.sample(5, random_state=0)
    monkeypatch.setitem(sys.modules, "arviz_stats", None)
    monkeypatch.setitem(sys.modules, "arviz_stats.base", None)
    with pytest.warns(SamplingWarning, match="pip install arviz-stats"):
        rows = no_mixture.sample(5, random_state=0)
    np.testing.assert_array_equal(rows, expected)


def test_arviz_takes_the_chains(mixture, no_mixture):
    for matcher in (mixture, no_mixture):
        chains = matcher.sample_chains(n_draws=20, n_chains=4, random_state=0)
        tree = arviz_base.from_dict(chains)
        d = matcher.n_features_in_
        assert tree["posterior"]["x"].shape == (4, 20, d)
        lp = tree["sample_stats"]["lp"].to_numpy()
        rows = tree["posterior"]["x"].to_numpy().reshape(-1, d)
        np.testing.assert_array_equal(lp.ravel(), -matcher.energy(rows))


def test_location_and_spread_are_those_of_the_training_rows():
    weight = RNG.integers(0, 4, size=len(FOUR_FEATURES))
    rows = np.repeat(FOUR_FEATURES, weight, axis=0)
    matcher = DenoisingScoreMatcher(2, max_iter=1, random_state=0)
    with pytest.warns(ConvergenceWarning):
        matcher.fit(FOUR_FEATURES + 7, sample_weight=weight)
    np.testing.assert_allclose(matcher.location_, rows.mean(axis=0) + 7)
    assert matcher.spread_ == pytest.approx(np.sqrt(rows.var(axis=0).sum()))


def with_two_modes(matcher, distance):
    """The same, but half of the mass lies so far from the mean of the training rows."""
    far = clone(matcher).fit(FOUR_FEATURES)
    W = np.zeros_like(far.components_)
    W[0, 0] = distance
    far.components_, far.gains_ = W, np.ones(len(W)) * far.sigma_**2
    far.gains_[0] = 1.0
    far.intercept_hidden_ = np.zeros(len(W))
    far.intercept_visible_ = far.location_.copy()
    far.intercept_hidden_[0] = -W[0] @ far.location_ - 0.5 * distance**2
    return far


@pytest.mark.parametrize("change", [deepcopy, nearly])
def test_mass_far_outside_the_training_rows_is_warned_of(change):
    # modes at the mean and at a distance, of half the mass each: from the mean, their
    # root mean square distance is distance / sqrt(2), and the noise's
    matcher = DenoisingScoreMatcher(2, sigma=1.0, random_state=0).fit(FOUR_FEATURES)
    expected = np.hypot(matcher.spread_, 2.0)
    limit = np.sqrt(2 * ((2 * expected) ** 2 - 4))
    with pytest.warns(SamplingWarning, match="far outside the training rows"):
        change(with_two_modes(matcher, 1.2 * limit)).sample(10, random_state=0)
    near = change(with_two_modes(matcher, 0.8 * limit))
    assert len(near.sample(10, random_state=0)) == 10


@pytest.mark.parametrize("change", [deepcopy, nearly])
def test_without_location_and_spread_samples_are_the_same(change):
    matcher = DenoisingScoreMatcher(2, sigma=1.0, gains="unit", random_state=0)
    matcher = change(matcher.fit(FOUR_FEATURES))
    expected = matcher.sample(10, random_state=0)
    del matcher.location_, matcher.spread_
    with pytest.warns(SamplingWarning, match="without location_ and spread_"):
        rows = matcher.sample(10, random_state=0)
    np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize(
    "call",
    [
        lambda matcher: matcher.sample(),
        lambda matcher: matcher.sample_chains(),
        lambda matcher: matcher.log_partition(),
        lambda matcher: matcher.log_density(FOUR_FEATURES),
    ],
)
def test_unfitted(call):
    with pytest.raises(NotFittedError):
        call(DenoisingScoreMatcher())


def test_bad_numbers_of_samples(mixture):
    with pytest.raises(ValueError, match="n_samples"):
        mixture.sample(0)
    with pytest.raises(TypeError, match="n_samples"):
        mixture.sample(1.5)
    with pytest.raises(ValueError, match="n_chains"):
        mixture.sample_chains(n_chains=0)
    with pytest.raises(ValueError, match="n_draws"):
        mixture.sample_chains(n_draws=0)
