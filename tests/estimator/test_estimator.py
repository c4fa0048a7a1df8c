"""What a fitted estimator holds and answers, against formulas in plain NumPy."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from support.quick_fits import (
    CONFIGURATIONS,
    QUERIES,
    normal_rows,
    quick,
    two_clusters,
    with_every_model_or_value,
)
from support.random_models import numerical_gradient

from skdsm import DenoisingScoreMatcher

X = normal_rows()
QUERY = 3 * normal_rows(n_samples=15, seed=1)
with_every_model = pytest.mark.parametrize(
    "parameters", CONFIGURATIONS.values(), ids=CONFIGURATIONS
)


class Paper:
    """Vincent (2011), with gains, from the fitted attributes."""

    def __init__(self, fitted):
        self.W, self.b = fitted.components_, fitted.intercept_hidden_
        self.c, self.g = fitted.intercept_visible_, fitted.gains_
        self.sigma = fitted.sigma_

    def code(self, X):
        return 1 / (1 + np.exp(-(X @ self.W.T + self.b)))

    def reconstruction(self, X):
        return self.c + (self.g * self.code(X)) @ self.W

    def energy(self, X):
        units = np.log(1 + np.exp(X @ self.W.T + self.b)) @ self.g
        paper = -(X @ self.c - (X**2).sum(1) / 2 + units) / self.sigma**2
        return paper + self.c @ self.c / (2 * self.sigma**2)

    def score(self, X):
        return (self.reconstruction(X) - X) / self.sigma**2

    def divergence(self, X):
        h = self.code(X)
        curvature = (h * (1 - h)) @ (self.g * (self.W**2).sum(1))
        return (curvature - X.shape[1]) / self.sigma**2


@pytest.fixture(
    params=CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys(), scope="module"
)
def fitted(request):
    return quick(**request.param).fit(X + 2.0)


# --- Queries ---


def test_answers_are_those_of_the_paper(fitted):
    paper = Paper(fitted)
    for query, expected in {
        "transform": paper.code(QUERY),
        "reconstruct": paper.reconstruction(QUERY),
        "energy": paper.energy(QUERY),
        "score_function": paper.score(QUERY),
    }.items():
        actual = getattr(fitted, query)(QUERY)
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-10)


def test_score_function_is_minus_the_gradient_of_the_energy(fitted):
    for x in QUERY:
        gradient = numerical_gradient(lambda x: fitted.energy(x[None])[0], x)
        score = fitted.score_function(x[None])[0]
        np.testing.assert_allclose(score, -gradient, rtol=0, atol=1e-5)


def test_score_samples_are_minus_energies_or_minus_lengths_of_the_score(fitted):
    if fitted.ranking == "energy":
        np.testing.assert_array_equal(
            fitted.score_samples(QUERY), -fitted.energy(QUERY)
        )
    elif fitted.ranking == "score_norm":
        length = np.linalg.norm(fitted.score_function(QUERY), axis=1)
        np.testing.assert_allclose(fitted.score_samples(QUERY), -length, rtol=1e-12)
    else:
        assert fitted.ranking == "combined"  # see test_detector.py


def test_reconstruction_is_a_step_along_the_score(fitted):
    step = fitted.sigma_**2 * fitted.score_function(QUERY)
    np.testing.assert_allclose(fitted.reconstruct(QUERY), QUERY + step, atol=1e-12)


def test_decoding_the_code_reconstructs(fitted):
    decoded = fitted.inverse_transform(fitted.transform(QUERY))
    np.testing.assert_allclose(decoded, fitted.reconstruct(QUERY), atol=1e-12)


def test_contributions_add_up_to_half_the_squared_score(fitted):
    contributions = fitted.feature_contributions(QUERY)
    score = fitted.score_function(QUERY)
    expected = fitted.sigma_**2 * score**2 / 2
    np.testing.assert_allclose(contributions, expected, rtol=1e-12)
    total = fitted.sigma_**2 * np.linalg.norm(score, axis=1) ** 2 / 2
    np.testing.assert_allclose(contributions.sum(axis=1), total, rtol=1e-12)


def test_score_is_minus_the_mean_implicit_score_matching_loss(fitted):
    paper = Paper(fitted)
    loss = (paper.score(QUERY) ** 2).sum(1) / 2 + paper.divergence(QUERY)
    assert fitted.score(QUERY) == pytest.approx(-loss.mean(), rel=1e-9)


def test_divergence_in_the_score_is_that_of_the_score_function(fitted):
    x = QUERY[3]
    jacobian = numerical_gradient(lambda x: fitted.score_function(x[None])[0], x)
    square = (fitted.score_function(x[None]) ** 2).sum()
    assert fitted.score(x[None]) == pytest.approx(
        -(square / 2 + np.trace(jacobian)), abs=1e-5
    )


def test_scores_of_distinct_rows_are_distinct(fitted):
    assert len(np.unique(fitted.score_samples(X + 2.0))) == len(X)
    assert np.ptp(fitted.score_samples(X + 2.0)) > 0.1


def test_fit_transform_and_fit_predict_are_fit_and_then_the_other():
    matcher = quick().fit(X)
    np.testing.assert_array_equal(quick().fit_transform(X), matcher.transform(X))
    np.testing.assert_array_equal(quick().fit_predict(X), matcher.predict(X))
    weight = np.arange(len(X))
    weighted = quick().fit(X, sample_weight=weight)
    np.testing.assert_array_equal(
        quick().fit_transform(X, sample_weight=weight), weighted.transform(X)
    )
    np.testing.assert_array_equal(
        quick().fit_predict(X, sample_weight=weight), weighted.predict(X)
    )


# --- Fitted attributes ---


@pytest.mark.parametrize(
    ("n_components", "n_features"), [(7, 3), (3, 7), (1, 4), (5, 1), (1, 1)]
)
@pytest.mark.parametrize("gains", ["unit", "learned"])
def test_any_number_of_components_and_features_will_do(gains, n_components, n_features):
    rows = normal_rows(n_features=n_features)
    matcher = quick(n_components, gains=gains).fit(rows)
    assert matcher.components_.shape == (n_components, n_features)
    assert matcher.intercept_hidden_.shape == (n_components,)
    assert matcher.intercept_visible_.shape == (n_features,)
    assert matcher.gains_.shape == (n_components,)
    assert matcher.n_features_in_ == n_features
    assert matcher.transform(rows).shape == (len(rows), n_components)
    assert matcher.inverse_transform(matcher.transform(rows)).shape == rows.shape
    far, near = matcher.score_samples([np.full(n_features, 9.0), np.zeros(n_features)])
    assert far < near


@with_every_model
def test_fitted_attributes_are_arrays_and_numbers(parameters):
    """Safe persistence needs that."""
    matcher = quick(**parameters).fit(X)
    fitted = {k: v for k, v in vars(matcher).items() if k not in matcher.get_params()}
    assert fitted.pop("_offset_ranking") == matcher.ranking
    landmarks = {"landmarks_", "landmark_weight_", "bandwidth_", "ranking_scales_"}
    if matcher.ranking == "combined":
        assert landmarks <= set(fitted)
    assert set(fitted) - landmarks == {
        *("components_", "intercept_hidden_", "intercept_visible_", "gains_"),
        *("sigma_", "noise_levels_", "screened_share_"),
        *("offset_", "location_", "spread_"),
        *("loss_", "loss_curve_", "stage_ends_", "n_iter_", "sample_size_"),
        "n_features_in_",
    }
    for name, value in fitted.items():
        assert type(value) in (np.ndarray, float, int, list), name
    assert {type(loss) for loss in matcher.loss_curve_} == {float}
    assert {type(end) for end in matcher.stage_ends_} == {int}


def test_unit_gains_are_one_and_learned_gains_are_not():
    """Two units cannot be steep enough for two clusters unless their gains are free."""
    rows = two_clusters()
    unit = quick(2, sigma=0.2, gains="unit").fit(rows)
    learned = quick(2, sigma=0.2, gains="learned").fit(rows)
    np.testing.assert_array_equal(unit.gains_, np.ones(2))
    assert (np.abs(learned.gains_ - 1) > 0.5).all()
    assert learned.loss_ < 0.7 * unit.loss_


def test_sigma_is_the_noise_level_if_there_is_one():
    assert quick(sigma=0.7).fit(X).sigma_ == 0.7
    assert quick(sigma=(0.7, 0.7)).fit(X).sigma_ == 0.7


def test_equal_levels_are_one_level():
    pair, level = quick(sigma=(0.7, 0.7)).fit(X), quick(sigma=0.7).fit(X)
    np.testing.assert_array_equal(pair.components_, level.components_)


# inside the range, with every pair of gains and weights; and at both of its ends
@pytest.mark.parametrize(
    ("levels", "gains", "weighted"),
    [
        ((0.05, 3.0), "unit", False),
        ((0.05, 3.0), "unit", True),
        ((0.05, 3.0), "learned", False),
        ((0.05, 3.0), "learned", True),
        ((2.0, 3.0), "unit", True),
        ((0.01, 0.02), "learned", False),
    ],
)
def test_sigma_in_a_range_minimises_implicit_score_matching(levels, gains, weighted):
    weight = np.arange(1.0, 1 + len(X)) if weighted else np.ones(len(X))
    matcher = quick(sigma=levels, gains=gains, tol=0.05).fit(X, sample_weight=weight)
    paper = Paper(matcher)

    def loss(sigma):
        paper.sigma = sigma
        each = (paper.score(X) ** 2).sum(1) / 2 + paper.divergence(X)
        return np.average(each, weights=weight)

    best = minimize_scalar(
        lambda log_sigma: loss(np.exp(log_sigma)),
        bounds=np.log(levels),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert matcher.sigma_ == pytest.approx(np.exp(best.x), rel=1e-4)
    if levels == (0.05, 3.0):
        assert levels[0] < matcher.sigma_ < levels[1]
    else:
        assert matcher.sigma_ in levels


# every pair of two options
@pytest.mark.parametrize(
    ("alpha", "sigma", "objective"),
    [
        (0.0, 0.5, "dsm"),
        (0.05, (0.1, 1.0), "dsm"),
        (0.05, 0.5, "ism"),
        (0.0, (0.1, 1.0), "ism"),
    ],
)
def test_loss_is_the_denoising_loss_plus_the_penalty(alpha, sigma, objective):
    rows = two_clusters(n_samples=1000)
    rng = np.random.default_rng(1)
    low, high = sigma if isinstance(sigma, tuple) else (sigma, sigma)
    clean = np.repeat(rows, 20, axis=0)
    level = np.exp(rng.uniform(np.log(low), np.log(high), (len(clean), 1)))
    noisy = clean + level * rng.standard_normal(clean.shape)
    options = {"sigma": sigma, "alpha": alpha, "objective": objective}
    ratios = []
    for seed in range(4):  # each loss is on noise of its own
        matcher = quick(random_state=seed, energy_matching=0.0, **options).fit(rows)
        loss = ((matcher.reconstruct(noisy) - clean) ** 2).sum(1).mean() / 2
        loss += alpha / 2 * (matcher.components_**2).sum()
        ratios.append([matcher.loss_ / loss, matcher.loss_curve_[-1] / matcher.loss_])
    to_expected, of_curve = np.mean(ratios, axis=0)
    assert to_expected == pytest.approx(1, rel=0.06)
    assert of_curve == pytest.approx(1, rel=0.12)


# --- The record of training ---


@with_every_model_or_value("n_samples", [40, 5000], chosen=[5000])
def test_record_of_training_is_consistent(parameters, n_samples):
    matcher = quick(**parameters).fit(normal_rows(n_samples))
    losses, ends = matcher.loss_curve_, matcher.stage_ends_
    assert len(losses) == matcher.n_iter_ == ends[-1]
    assert matcher.n_iter_ <= matcher.max_iter
    assert np.isfinite(losses).all()
    lengths = np.diff(ends, prepend=0)
    assert (lengths >= 0).all()
    assert len(ends) >= (2 if n_samples == 5000 else 1)
    for stage in np.split(losses, ends[:-1]):
        assert (np.diff(stage) <= 0).all()
    assert losses[-1] < losses[0]


def test_too_few_iterations_give_a_warning_and_a_model():
    with pytest.warns(ConvergenceWarning, match="max_iter") as record:
        matcher = quick(max_iter=3).fit(X)
    assert [warning.filename for warning in record] == [__file__]
    assert matcher.n_iter_ == 3
    assert matcher.score_samples(X).shape == (len(X),)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("max_iter", [1, 29, 30, 31, 75])
def test_no_more_iterations_than_allowed(max_iter):
    assert quick(max_iter=max_iter, tol=0.0).fit(X).n_iter_ <= max_iter
    assert quick(max_iter=max_iter, tol=0.0).fit(normal_rows(5000)).n_iter_ <= max_iter


def test_a_larger_tolerance_ends_training_earlier():
    n_iter = [quick(8, tol=tol).fit(X).n_iter_ for tol in [1e-4, 1e-2, 1.0]]
    assert n_iter == sorted(n_iter, reverse=True)
    assert n_iter[0] > n_iter[-1]


def test_penalty_shrinks_the_components():
    fits = [quick(alpha=alpha).fit(X) for alpha in [0.0, 0.01, 0.1, 1.0]]
    norms = [np.linalg.norm(matcher.components_) for matcher in fits]
    assert norms == sorted(norms, reverse=True)
    assert norms[-1] < 0.5 * norms[0]


@pytest.mark.parametrize("verbose", [True, 1])
def test_verbose_prints_a_line_an_iteration(verbose, capsys):
    matcher = quick(verbose=verbose).fit(X)
    lines = capsys.readouterr().out.splitlines()
    iterations = [line for line in lines if "iteration" in line]
    assert len(iterations) == matcher.n_iter_
    for number, line in enumerate(iterations, start=1):
        assert line.startswith("[DenoisingScoreMatcher] stage ")
        loss = matcher.loss_curve_[number - 1]
        assert f"iteration {number}" in line
        assert line.endswith(f"loss {loss:.6g}")
    assert f"{matcher.loss_:.6g}" in lines[-1]
    assert len(lines) == matcher.n_iter_ + len(matcher.stage_ends_)


def test_not_verbose_prints_nothing(capsys):
    quick().fit(X)
    assert capsys.readouterr() == ("", "")


# --- Warm start ---


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@with_every_model
def test_warm_start_begins_where_the_last_fit_ended(parameters):
    """After one iteration, of a stage that begins anew, the loss has not come back up.

    It would if any part of the model were forgotten, or in another frame.
    """
    rows = two_clusters(n_samples=2000) + 5
    matcher = quick(warm_start=True, **parameters).fit(rows)
    first, *_, last = matcher.loss_curve_
    again = matcher.set_params(max_iter=1).fit(rows).loss_curve_[0]
    assert again < last + 0.3 * (first - last)


def test_first_fit_of_a_warm_start_is_a_cold_one():
    warm, cold = quick(warm_start=True).fit(X), quick().fit(X)
    np.testing.assert_array_equal(warm.components_, cold.components_)


def test_warm_start_goes_on_to_a_better_loss():
    rows = two_clusters()
    matcher = quick(8, sigma=(0.5, 1.0), max_iter=4, warm_start=True)
    losses = []
    for _ in range(4):
        with pytest.warns(ConvergenceWarning):
            losses.append(matcher.fit(rows).loss_)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.98 * losses[0]


def test_warm_start_needs_fewer_iterations_and_loses_nothing():
    rows = two_clusters(n_samples=3000)
    ratios = []
    for seed in range(3):  # a stage may make the loss worse by chance
        cold = quick(16, sigma=0.5, random_state=seed).fit(rows)
        warm = clone(cold).set_params(warm_start=True).fit(rows)
        loss = warm.loss_
        assert warm.fit(rows).n_iter_ < cold.n_iter_
        ratios.append(warm.loss_ / loss)
    assert np.mean(ratios) <= 1.001


def test_warm_start_with_unit_gains_forgets_learned_ones():
    matcher = quick(gains="learned", warm_start=True).fit(X)
    matcher.set_params(gains="unit").fit(X)
    np.testing.assert_array_equal(matcher.gains_, np.ones(4))


@pytest.mark.parametrize(
    ("n_components", "n_features"), [(5, 3), (4, 2)], ids=["components", "features"]
)
def test_warm_start_refuses_another_shape(n_components, n_features):
    matcher = quick(warm_start=True).fit(X)
    matcher.set_params(n_components=n_components)
    with pytest.raises(ValueError, match=r"warm_start=True .* shape \(4, 3\)"):
        matcher.fit(normal_rows(n_features=n_features))


# --- Parameters ---


def test_parameters_survive_a_round_trip():
    parameters = DenoisingScoreMatcher(7, sigma=(0.1, 1.0), ranking="score_norm")
    params = parameters.get_params()
    assert DenoisingScoreMatcher(**params).get_params() == params
    assert DenoisingScoreMatcher().set_params(**params).get_params() == params
    assert params["n_components"] == 7
    with pytest.raises(ValueError, match="Invalid parameter 'bandwidth'"):
        parameters.set_params(bandwidth=1.0)


def test_only_the_number_of_components_is_positional():
    assert DenoisingScoreMatcher(7).n_components == 7
    with pytest.raises(TypeError, match="positional"):
        DenoisingScoreMatcher(7, 0.5)


def test_clone_has_the_parameters_and_not_the_fit():
    matcher = quick(sigma=[0.1, 1.0]).fit(X)
    copy = clone(matcher)
    assert copy.get_params() == matcher.get_params()
    assert vars(copy).keys() == matcher.get_params().keys()
    with pytest.raises(AttributeError):
        copy.components_  # noqa: B018


def test_queries_follow_the_fit_and_not_later_parameters():
    """But for those that only say what to answer."""
    matcher = quick().fit(X)
    before = {query: getattr(matcher, query)(X) for query in QUERIES}
    matcher.set_params(n_components=99, sigma=3.0, gains="learned", random_state=1)
    for query in QUERIES:
        np.testing.assert_array_equal(getattr(matcher, query)(X), before[query])


def test_representations_name_the_class():
    matcher = quick(sigma=0.25)
    assert repr(matcher) == (
        "DenoisingScoreMatcher(n_components=4, random_state=0, sigma=0.25)"
    )
    for estimator in (matcher, quick().fit(X)):
        html = estimator._repr_html_()
        assert "DenoisingScoreMatcher" in html
        assert "n_components" in html
