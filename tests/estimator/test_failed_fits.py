"""A fit that fails or is interrupted leaves the estimator as it was before."""

from itertools import count

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.validation import check_is_fitted
from support.quick_fits import (
    assert_same_model,
    assert_same_state,
    fitted_state,
    normal_rows,
    quick,
)

from skdsm.model.parameters import Parameters
from skdsm.training.empirical_risk import EmpiricalRisk

X = normal_rows()
OTHER = pd.DataFrame(normal_rows(n_features=2, seed=1), columns=["a", "b"])


def poison(monkeypatch, spoil, after=50):
    """Spoil the risk after some evaluations."""
    evaluate = EmpiricalRisk.__call__
    calls = count()

    def spoiled(self, *arguments, **options):
        value, gradient = evaluate(self, *arguments, **options)
        return (value, gradient) if next(calls) < after else spoil(value, gradient)

    monkeypatch.setattr(EmpiricalRisk, "__call__", spoiled)


def interrupt(value, gradient):
    raise KeyboardInterrupt


SPOILERS = {
    "value NaN": (lambda value, gradient: (np.nan, gradient), ValueError),
    "value inf": (lambda value, gradient: (np.inf, gradient), ValueError),
    "gradient NaN": (
        lambda value, gradient: (value, Parameters(*(np.nan * g for g in gradient))),
        ValueError,
    ),
    "gradient -inf": (
        lambda value, gradient: (value, Parameters(*(g - np.inf for g in gradient))),
        ValueError,
    ),
    "interrupted": (interrupt, KeyboardInterrupt),
}
with_every_spoiler = pytest.mark.parametrize(
    ("spoil", "error"), SPOILERS.values(), ids=SPOILERS
)


class Raising:
    """A callback that raises at the end of the first task of a given name."""

    def __init__(self, task_name, error):
        self.task_name = task_name
        self.error = error

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if context.task_name == self.task_name:
            raise self.error


def assert_unfitted(matcher):
    assert vars(matcher) == vars(quick())
    with pytest.raises(NotFittedError):
        check_is_fitted(matcher)


@with_every_spoiler
@pytest.mark.parametrize("after", [0, 1, 50])
def test_failed_training_leaves_an_unfitted_estimator_unfitted(
    after, spoil, error, monkeypatch
):
    poison(monkeypatch, spoil, after)
    matcher = quick()
    with pytest.raises(error):
        matcher.fit(OTHER)
    assert_unfitted(matcher)


@with_every_spoiler
def test_failed_training_leaves_an_earlier_fit_untouched(spoil, error, monkeypatch):
    matcher = quick().fit(X)
    before, scores = fitted_state(matcher), matcher.score_samples(X)
    poison(monkeypatch, spoil)
    with pytest.raises(error):
        matcher.fit(OTHER)
    assert_same_state(fitted_state(matcher), before)
    private = {"_offset_ranking"}
    assert vars(matcher).keys() - private == vars(quick()).keys() | before.keys()
    np.testing.assert_array_equal(matcher.score_samples(X), scores)


@with_every_spoiler
def test_failed_training_on_threads_leaves_an_unfitted_estimator_unfitted(
    spoil, error, monkeypatch
):
    poison(monkeypatch, spoil)
    matcher = quick(n_jobs=2)
    with pytest.raises(error):
        matcher.fit(X)
    assert vars(matcher) == vars(quick(n_jobs=2))


def test_training_that_overflows_says_what_to_do(monkeypatch):
    poison(monkeypatch, SPOILERS["value NaN"][0])
    with pytest.raises(ValueError, match="not finite: .* Please rescale X"):
        quick().fit(X)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("callback")])
@pytest.mark.parametrize("task_name", ["lbfgs-iter", "stage", "fit"])
@pytest.mark.parametrize("fitted_before", [True, False])
def test_a_callback_that_raises_leaves_the_estimator_as_it_was(
    fitted_before, task_name, error
):
    matcher = quick()
    if fitted_before:
        matcher.fit(X)
        before = fitted_state(matcher)
    with pytest.raises(type(error)):
        matcher.set_callbacks(Raising(task_name, error)).fit(OTHER)
    matcher.set_callbacks()
    if fitted_before:
        assert_same_state(fitted_state(matcher), before)
    else:
        assert_unfitted(matcher)


@pytest.mark.parametrize(
    ("parameters", "rows", "error"),
    [
        ({"sigma": -1.0}, OTHER, InvalidParameterError),
        ({"sigma": (2.0, 1.0)}, OTHER, InvalidParameterError),
        ({}, OTHER * 1e200, ValueError),
        ({}, OTHER.assign(c=np.nan), ValueError),
        ({"max_iter": 1}, OTHER, ConvergenceWarning),  # where warnings are errors
        ({"warm_start": True}, OTHER, ValueError),
    ],
    ids=["sigma", "pair of sigmas", "huge", "NaN", "warning", "shape"],
)
def test_a_refused_fit_leaves_an_earlier_one_untouched(parameters, rows, error):
    matcher = quick().fit(X)
    before = fitted_state(matcher)
    with pytest.raises(error):
        matcher.set_params(**parameters).fit(rows)
    assert_same_state(fitted_state(matcher), before)


def test_refused_weights_leave_an_earlier_fit_untouched():
    matcher = quick().fit(X)
    before = fitted_state(matcher)
    with pytest.raises(ValueError, match="Negative"):
        matcher.fit(OTHER, sample_weight=-np.ones(len(OTHER)))
    assert_same_state(fitted_state(matcher), before)


def test_a_fit_after_a_failed_one_is_like_a_first_fit(monkeypatch):
    matcher = quick()
    with monkeypatch.context() as patch:
        poison(patch, interrupt)
        with pytest.raises(KeyboardInterrupt):
            matcher.fit(OTHER)
    assert_same_model(matcher.fit(X), quick().fit(X))
    assert not hasattr(matcher, "feature_names_in_")


def test_a_fit_forgets_the_names_of_an_earlier_one():
    matcher = quick().fit(OTHER).fit(X)
    assert not hasattr(matcher, "feature_names_in_")
    assert_same_model(matcher, quick().fit(X))
