"""A fitted estimator that was saved, loaded or copied is the same, to the last bit."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from support.quick_fits import (
    CONFIGURATIONS,
    QUERIES,
    assert_same_model,
    normal_rows,
    quick,
)

import skdsm
from skdsm.exceptions import VersionMismatchWarning

X = normal_rows()
STAMP = "_skdsm_version"


def through_joblib(matcher, path, **options):
    joblib.dump(matcher, path / "matcher.joblib")
    return joblib.load(path / "matcher.joblib", **options)


WAYS = {
    "pickle": lambda matcher, _: pickle.loads(pickle.dumps(matcher)),
    "oldest pickle": lambda matcher, _: pickle.loads(pickle.dumps(matcher, protocol=0)),
    "joblib": through_joblib,
    "joblib, memory-mapped": lambda matcher, path: through_joblib(
        matcher, path, mmap_mode="r"
    ),
    "deepcopy": lambda matcher, _: copy.deepcopy(matcher),
    "copy": lambda matcher, _: copy.copy(matcher),
}
every_way = pytest.mark.parametrize("travel", WAYS.values(), ids=WAYS)


@pytest.fixture(scope="module", params=CONFIGURATIONS.values(), ids=[*CONFIGURATIONS])
def matcher(request):
    return quick(**request.param).fit(X)


@every_way
def test_a_copy_answers_the_same(travel, matcher, tmp_path):
    arrived = travel(matcher, tmp_path)
    assert arrived.get_params() == matcher.get_params()
    for query in QUERIES:
        np.testing.assert_array_equal(
            getattr(arrived, query)(X), getattr(matcher, query)(X)
        )


@every_way
def test_a_copy_can_be_fitted_again(travel, tmp_path):
    arrived = travel(quick().fit(X + 1), tmp_path)
    assert_same_model(arrived.fit(X), quick().fit(X))


@every_way
def test_an_unfitted_copy_is_unfitted(travel, tmp_path):
    assert vars(travel(quick(), tmp_path)) == vars(quick())


@every_way
def test_the_stamp_of_the_version_never_stays_in_an_estimator(travel, tmp_path):
    matcher = quick().fit(X)
    arrived = travel(matcher, tmp_path)
    assert STAMP not in vars(matcher)
    assert STAMP not in vars(arrived)
    assert vars(arrived).keys() == vars(matcher).keys()


def test_loading_what_another_version_saved_warns(monkeypatch):
    matcher = quick().fit(X)
    with monkeypatch.context() as patch:
        patch.setattr("skdsm.estimator.__version__", "0.0.1")
        saved = pickle.dumps(matcher)
    message = f"saved by skdsm 0.0.1 and is loaded by {skdsm.__version__}"
    with pytest.warns(VersionMismatchWarning, match=message):
        arrived = pickle.loads(saved)
    assert STAMP not in vars(arrived)
    assert_same_model(arrived, matcher)


def test_loading_what_no_version_stamped_warns():
    matcher = quick().fit(X)
    with pytest.warns(VersionMismatchWarning, match="saved by skdsm unknown"):
        quick().__setstate__(dict(vars(matcher)))


def test_loading_leaves_the_state_it_was_given_alone():
    state = quick().fit(X).__getstate__()
    assert state[STAMP] == skdsm.__version__
    quick().__setstate__(state)
    assert state[STAMP] == skdsm.__version__


def test_a_deep_copy_shares_nothing():
    matcher = quick().fit(X)
    scores = matcher.score_samples(X)
    arrived = copy.deepcopy(matcher)
    arrived.components_ += 1
    np.testing.assert_array_equal(matcher.score_samples(X), scores)
