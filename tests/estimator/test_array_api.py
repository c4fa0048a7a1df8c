"""Rows that are arrays of another library: fits and queries where they are.

The library is array-api-strict, which has made-up devices: an array of one meets no
array of another, nor NumPy, without an error. With ``--array-library torch``, as in
`make test-torch`, it is PyTorch on the CPU; with ``--array-device cuda`` beside it, on
a graphics processor.
"""

import os
import pickle
import subprocess
import sys
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._array_api import get_namespace_and_device, move_estimator_to
from sklearn.utils.estimator_checks import (
    _get_check_estimator_ids,
    estimator_checks_generator,
)
from support.quick_fits import (
    CONFIGURATIONS,
    QUERIES,
    assert_same_model,
    assert_same_state,
    fitted_state,
    given_precision,
    normal_rows,
    quick,
    settings,
    two_clusters,
)
from support.random_models import random_parameters
from test_common import ESTIMATORS, libraries, run

import skdsm
from skdsm import DenoisingScoreMatcher
from skdsm._sklearn import array_backend
from skdsm._sklearn.validation import check_noise_levels
from skdsm.calibration import ConformalOutlierDetector
from skdsm.display._model import Table
from skdsm.exceptions import NonFiniteError
from skdsm.rows.device_risk import DeviceRisk
from skdsm.rows.in_memory import InMemoryRows, prepare_rows
from skdsm.rows.on_device import DeviceRows, place_rows
from skdsm.training.corruption import FEWEST_BANK_ROWS, NoiseLevels
from skdsm.training.empirical_risk import EmpiricalRisk
from skdsm.training.fit import Parts, fit_energy_model, screen_rows

# Most fits here end after a few iterations, before rounding has grown.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Training did not converge:sklearn.exceptions.ConvergenceWarning"
)

X = two_clusters(n_samples=400, n_features=3)
WEIGHT = np.random.default_rng(1).integers(0, 3, len(X)).astype(float)
RANGE = NoiseLevels(0.2, 1.0)
DEVICES = {"array_api_strict": ["device1", "no_float64"], "torch": ["cpu"]}
# of scikit-learn's checks; all others need hardware
CHECKED_DEVICES = {None, "CPU_DEVICE", "device1", "cpu"}
every_configuration = pytest.mark.parametrize(
    "parameters", CONFIGURATIONS.values(), ids=CONFIGURATIONS
)
some_weight_or_none = pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "w"])


class Place(NamedTuple):
    """A device of a library, and a type that it has."""

    xp: object
    device: object
    dtype: str

    def put(self, array, dtype=None):
        array = np.array(array, dtype=self.dtype if dtype is None else dtype)
        return self.xp.asarray(array, device=self.device)

    @property
    def wide(self):
        """Whether there is double precision."""
        return str(self.device).find("no_float64") < 0

    @property
    def tolerance(self):
        return {"rtol": 1e-9, "atol": 1e-11} if self.dtype == "float64" else LOOSE


LOOSE = {"rtol": 2e-3, "atol": 2e-3}


def pytest_generate_tests(metafunc):
    library = metafunc.config.getoption("array_library")
    xp = import_module(library)
    given = metafunc.config.getoption("array_device")
    devices = DEVICES[library] if given is None else [given]
    if library == "array_api_strict":
        devices = [xp.Device(name) for name in devices]
    places = [Place(xp, device, "float32") for device in devices]
    doubles = [Place(xp, device, "float64") for device in devices[:1]]
    if "place" in metafunc.fixturenames:
        ids = [f"{p.device} {p.dtype}" for p in doubles + places]
        metafunc.parametrize("place", doubles + places, ids=ids)
    elif "double" in metafunc.fixturenames:
        metafunc.parametrize("double", doubles, ids=[str(devices[0])])
    elif "check" in metafunc.fixturenames:
        checks = [
            (estimator, check)
            for one in [DenoisingScoreMatcher(4), *ESTIMATORS[1:]]
            for estimator, check in estimator_checks_generator(one)
            if is_for(library, check, CHECKED_DEVICES | {given})
        ]
        metafunc.parametrize(
            ("estimator", "check"), checks, ids=_get_check_estimator_ids
        )


def is_for(library, check, checked_devices):
    """Whether a check of scikit-learn's is for this library, on devices at hand."""
    options = check.keywords if hasattr(check, "keywords") else {}
    places = [options.get(key) for key in ("X_ns_and_device", "other_ns_and_device")]
    devices = {options.get("device_name"), *(place.device for place in places if place)}
    others = {"array_api_strict"} if library == "torch" else set()
    return (
        library in libraries(check)
        and libraries(check) <= {library, *others}
        and devices <= checked_devices
    )


@pytest.fixture(autouse=True)
def scipy_is_told(monkeypatch):
    """scikit-learn asks for this; nothing that SciPy does here depends on it."""
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")


@pytest.fixture
def dispatch(scipy_is_told):
    with config_context(array_api_dispatch=True):
        yield


def assert_beside(array, rows):
    """Of the same library, on the same device."""
    assert get_namespace_and_device(array)[::2] == get_namespace_and_device(rows)[::2]


def host(array):
    return np.asarray(array_backend.to_numpy(array))


def short(**parameters):
    """A fit of few iterations, after which rounding has not grown."""
    return quick(max_iter=8, **parameters)


def on_host(rows):
    """The same rows in the same order, in memory."""
    weight = None if rows.weight is None else host(rows.weight).astype(float)
    return InMemoryRows(host(rows.centred()), weight, rows.mean)


def placed(place, X, weight=None, seed=0):
    rows = place.put(X)
    weight = None if weight is None else place.put(weight)
    return place_rows(rows, weight, seed, device=array_backend.device_of(rows))


# --- scikit-learn's checks ---


def test_check_passes(estimator, check):
    run(check, estimator)


# --- Rows ---


@some_weight_or_none
def test_rows_are_those_given_in_random_order(dispatch, place, weight):
    rows = placed(place, X, weight)
    given, kept = X.astype(place.dtype), slice(None)
    if weight is not None:
        kept = weight > 0
    # with as much weight as two rows on average, some are there twice
    actual = np.unique(host(rows.centred()) + rows.mean, axis=0)
    expected = np.unique(given[kept], axis=0)
    np.testing.assert_allclose(actual, expected, **place.tolerance)
    mean = np.average(given, axis=0, weights=weight)
    np.testing.assert_allclose(rows.mean, mean, rtol=1e-5)
    other = placed(place, X, weight, seed=1)
    assert not np.array_equal(host(rows.centred()), host(other.centred()))
    assert_beside(rows.centred(), place.put(X))


def test_weights_follow_their_rows(dispatch, double):
    """With the weight in a column; repetitions share it."""
    marked = np.column_stack([X, WEIGHT])
    rows = placed(double, marked, WEIGHT)
    column = host(rows.centred())[:, 3] + rows.mean[3]
    found = {
        mark: host(rows.weight)[np.isclose(column, mark)].sum() for mark in (1.0, 2.0)
    }
    for mark in found:
        found[mark] /= mark * (mark == WEIGHT).sum()
    assert found[1.0] == pytest.approx(found[2.0], rel=1e-12)


@pytest.mark.parametrize("n", [1, 7, 300])
def test_few_rows_are_repeated_as_in_memory(dispatch, double, n):
    rows = placed(double, X[:n])
    in_memory = prepare_rows(X[:n], None, 0)
    assert rows.centred().shape == in_memory.centred().shape
    np.testing.assert_allclose(rows.mean, in_memory.mean, rtol=1e-13)
    both = (np.sort(one, axis=0) for one in (host(rows.centred()), in_memory.centred()))
    np.testing.assert_allclose(*both, atol=1e-13)


def test_the_mean_of_far_rows_has_its_digits(dispatch, double, monkeypatch):
    monkeypatch.setattr("skdsm.model.array_ops._CPU_BLOCK_ELEMENTS", 300)
    rows = placed(double, X + 1e8)
    np.testing.assert_allclose(rows.mean - 1e8, X.mean(axis=0), atol=1e-6)
    assert np.abs(host(rows.centred()).mean(axis=0)).max() < 1e-6


def test_head_and_tail_share_no_row(dispatch, double):
    rows = placed(double, X)
    head, tail = host(rows.head(250).centred()), host(rows.tail(150).centred())
    np.testing.assert_array_equal(np.concatenate([head, tail]), host(rows.centred()))
    assert (
        rows.head(10**6).centred().shape == rows.tail(10**6).centred().shape == X.shape
    )


def test_rounded_rows_are_evaluated_in_single_precision(dispatch, double):
    """As the same rows in memory are, rounded there."""
    rows = placed(double, X).scaled(1, np.float32)
    assert rows.centred().dtype == rows.device.xp.float32
    assert rows.sample(10).dtype == np.float32
    made, parameters = settings(n_components=5), random_parameters(5, m=5, d=3)
    value, _ = DeviceRisk(rows, made, (7,))(parameters)
    expected, _ = EmpiricalRisk(on_host(rows), made, (7,))(parameters)
    assert value == pytest.approx(expected, rel=1e-5)


# --- The risk ---


@pytest.mark.parametrize("gains", ["unit", "mixed"])
@pytest.mark.parametrize("bank", [None, 200], ids=["", "small bank"])
@pytest.mark.parametrize("objective", ["dsm", "ism"])
@some_weight_or_none
def test_risk_is_that_in_memory(
    dispatch, place, weight, objective, bank, gains, monkeypatch
):
    """Loss, gradient and corrupted rows, except for rounding; also in many blocks."""
    if bank is not None:
        monkeypatch.setattr("skdsm.training.corruption.FEWEST_BANK_ROWS", bank)
        monkeypatch.setattr("skdsm.training.empirical_risk.FEWEST_BANK_ROWS", 64)
        monkeypatch.setattr("skdsm.model.array_ops._CPU_BLOCK_ELEMENTS", 2 * 64 * 5)
    made = settings(
        n_components=5, objective=objective, levels=RANGE, alpha=0.1, n_corruptions=3
    )
    rows = placed(place, X, weight)
    n_bank = None if bank is None else bank * 3 * 3
    there = DeviceRisk(rows, made, (7,), bank_elements=n_bank)
    here = EmpiricalRisk(on_host(rows), made, (7,), bank_elements=n_bank)
    parameters = random_parameters(5, m=5, d=3, gains=gains)
    value, gradient = there(parameters)
    expected, expected_gradient = here(parameters)
    tight = place.dtype == "float64"
    rtol = 1e-12 if tight else 1e-4
    assert value == pytest.approx(expected, rel=rtol)
    assert all(block.dtype == np.float64 for block in gradient)
    packed = expected_gradient.pack()
    atol = (1e-12 if tight else 2e-5) * np.abs(packed).max()
    np.testing.assert_allclose(gradient.pack(), packed, rtol=rtol, atol=atol)
    assert there.total == pytest.approx(here.total, rel=1e-6)
    for actual, wanted in zip(there.sample(100), here.sample(100), strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-6)
        assert actual.dtype == np.float64


# --- Fits ---


@some_weight_or_none
@every_configuration
def test_fit_is_that_in_memory(dispatch, double, parameters, weight):
    """On the same rows in the same order, through all of training but its length."""
    rows = placed(double, X, weight)
    matcher = quick(6, **parameters)
    screened = screen_rows(on_host(rows), check_noise_levels(matcher.sigma, ""))
    assert screened.bandwidth == pytest.approx(screen_rows(rows).bandwidth, rel=1e-9)
    made = settings(
        n_components=6,
        levels=screened.levels,
        unit=screened.spread,
        learn_gains=matcher.gains == "learned",
        objective=matcher.objective,
        alpha=matcher.alpha,
        max_iter=8,
    )
    precise = Parts(precision=given_precision)
    there = fit_energy_model(rows, made, 0, parts=precise).training
    here = fit_energy_model(on_host(rows), made, 0, parts=precise).training
    np.testing.assert_allclose(
        there.parameters.pack(), here.parameters.pack(), rtol=1e-7, atol=1e-9
    )
    np.testing.assert_allclose(there.loss_curve, here.loss_curve, rtol=1e-10)


def test_a_converged_fit_is_as_good_as_one_in_memory(dispatch, place):
    there, here = quick(), quick().fit(X)
    there.fit(place.put(X))
    held_out = two_clusters(n_samples=2000, n_features=3, seed=4)
    score = there.score(place.put(held_out))
    assert isinstance(score, float)
    assert score == pytest.approx(here.score(held_out), rel=0.1)
    share = np.mean(host(there.predict(place.put(X))) == -1)
    assert share == pytest.approx(0.1, abs=0.01)


@every_configuration
def test_attributes_are_beside_the_rows(dispatch, place, parameters):
    rows = place.put(X)
    matcher = short(**parameters).fit(rows)
    in_memory = short(**parameters).fit(X.astype(place.dtype))
    state = fitted_state(in_memory)
    assert state.keys() == fitted_state(matcher).keys()
    for name, value in state.items():
        actual = getattr(matcher, name)
        if isinstance(value, np.ndarray):
            assert_beside(actual, rows)
            assert host(actual).ndim == value.ndim
            if place.wide:
                assert host(actual).dtype == value.dtype
        else:
            assert type(actual) is type(value)


def test_no_row_leaves_its_device_but_samples(dispatch, double, monkeypatch):
    """None of them is larger than the bound; and queries copy none."""
    copied = []
    convert = array_backend._convert_to_numpy

    def noted(array, xp):
        copied.append(array.shape)
        return convert(array, xp)

    monkeypatch.setattr(array_backend, "_convert_to_numpy", noted)
    monkeypatch.setattr("skdsm.rows.base._GATHERED_BYTES", 100 * X.shape[1] * 8)
    rows = double.put(np.tile(X, (20, 1)))
    matcher = short(ranking="combined", n_landmarks=20).fit(rows)
    tables = [shape for shape in copied if len(shape) == 2 and shape[1] == X.shape[1]]
    assert len(tables) >= 1
    # the bound on a sample, or a chunk of corrupted rows
    assert max(n for n, _ in tables) <= FEWEST_BANK_ROWS < len(X) * 20
    copied.clear()
    for query in QUERIES:
        if query != "score":
            getattr(matcher, query)(rows)
    assert all(n <= 20 for n, *_ in copied)  # of parameters and landmarks


def test_input_is_not_modified(dispatch, place):
    rows, weight = place.put(X), place.put(WEIGHT)
    matcher = short().fit(rows, sample_weight=weight)
    matcher.feature_contributions(rows)
    np.testing.assert_array_equal(host(rows), X.astype(place.dtype))
    np.testing.assert_array_equal(host(weight), WEIGHT)


def test_fit_is_reproducible_and_depends_on_the_seed(dispatch, double):
    fits = [short(random_state=s).fit(double.put(X)).components_ for s in (0, 0, 1)]
    np.testing.assert_array_equal(*map(host, fits[:2]))
    assert not np.array_equal(*map(host, fits[1:]))


@pytest.mark.parametrize(
    "kind", ["numpy", "list", "series", "default device", "scaled", "integers"]
)
def test_weights_may_be_anywhere(dispatch, double, kind):
    weight = {
        "numpy": WEIGHT,
        "list": list(WEIGHT),
        "series": pd.Series(WEIGHT),
        "default device": double.xp.asarray(WEIGHT),
        "scaled": double.put(WEIGHT * 2.0**1000),
        "integers": double.put(WEIGHT, int),
    }[kind]
    expected = short().fit(double.put(X), sample_weight=double.put(WEIGHT))
    actual = short().fit(double.put(X), sample_weight=weight)
    np.testing.assert_array_equal(*(host(m.components_) for m in (actual, expected)))


@pytest.mark.parametrize("dtype", ["int64", "int8", "bool"])
def test_other_numbers_are_taken_as_floats(dispatch, double, dtype):
    given = np.rint(X).astype(dtype)
    actual = short().fit(double.put(given, dtype))
    expected = short().fit(double.put(given))
    np.testing.assert_array_equal(*(host(m.components_) for m in (actual, expected)))


def test_warm_start_goes_on(dispatch, double):
    matcher = short(warm_start=True).fit(double.put(X))
    before = matcher.loss_curve_
    matcher.fit(double.put(X))
    assert matcher.loss_curve_[0] < before[1]


def test_threshold_can_be_set_anew(dispatch, double):
    matcher = short().fit(double.put(X))
    offset = matcher.offset_
    assert matcher.fit_threshold(double.put(X)).offset_ == pytest.approx(offset)
    matcher.set_params(contamination=0.4).fit_threshold(double.put(X), WEIGHT)
    share = np.average(host(matcher.predict(double.put(X))) == -1, weights=WEIGHT)
    assert share == pytest.approx(0.4, abs=0.01)


def test_callbacks_see_a_model_that_scores_the_rows(dispatch, double):
    monitor = ScoringMonitor(scoring={"fit": lambda matcher, X, y: matcher.score(X)})
    matcher = short().set_callbacks(monitor).fit(double.put(X), np.zeros(len(X)))
    scores = [row["fit"] for row in monitor.get_logs().data]
    assert len(scores) >= matcher.n_iter_
    assert scores[-1] == matcher.score(double.put(X))


# --- Queries ---


@every_configuration
def test_queries_are_those_in_memory(dispatch, place, parameters, monkeypatch):
    """Also in several blocks, and near, at and far from the training rows."""
    monkeypatch.setattr("skdsm.model.array_ops._CPU_BLOCK_ELEMENTS", 64 * 30)
    matcher = short(**parameters).fit(place.put(X))
    in_memory = move_estimator_to(matcher, np, "cpu")
    rows = np.concatenate([X[:150], X[:30] + 3, 50 * X[:20]]).astype(place.dtype)
    for query in QUERIES:
        actual, expected = (
            getattr(m, query)(r)
            for m, r in ((matcher, place.put(rows)), (in_memory, rows))
        )
        if query == "score":
            assert actual == pytest.approx(expected, rel=place.tolerance["rtol"])
            continue
        assert_beside(actual, place.put(X))
        if query == "predict" and place.dtype == "float32":
            assert np.mean(host(actual) == expected) > 0.98
            continue
        if place.wide:
            assert host(actual).dtype == expected.dtype
        np.testing.assert_allclose(host(actual), expected, **place.tolerance)


@every_configuration
def test_codes_are_decoded_on_the_device(dispatch, place, parameters):
    matcher = short(**parameters).fit(place.put(X))
    decoded = matcher.inverse_transform(matcher.transform(place.put(X)))
    expected = host(matcher.reconstruct(place.put(X)))
    np.testing.assert_allclose(host(decoded), expected, **place.tolerance)
    assert_beside(decoded, place.put(X))


@every_configuration
@pytest.mark.filterwarnings("error")
def test_scores_far_away_are_low_and_never_nan(dispatch, double, parameters):
    matcher = short(**parameters).fit(double.put(X))
    far = double.put(np.array([[1e300] * 3, [-1e300, 1, 1], [1e160] * 3]))
    scores = host(matcher.score_samples(far))
    assert (scores < host(matcher.score_samples(double.put(X))).min()).all()
    assert (host(matcher.predict(far)) == -1).all()
    assert not np.isnan(host(matcher.feature_contributions(far))).any()


def test_density_is_normalised_on_the_device(dispatch, double):
    matcher = short().fit(double.put(X))
    in_memory = move_estimator_to(matcher, np, "cpu")
    actual = matcher.log_density(double.put(X))
    assert_beside(actual, double.put(X))
    np.testing.assert_allclose(host(actual), in_memory.log_density(X), rtol=1e-9)


def test_samples_are_drawn_in_memory(dispatch, double):
    matcher = short(gains="learned").fit(double.put(X))
    matcher.gains_ = double.put(np.array([0.25, 0.5, 0.25, 0.5]))  # a mixture: exact
    in_memory = move_estimator_to(matcher, np, "cpu")
    both = (m.sample(5, random_state=0) for m in (matcher, in_memory))
    np.testing.assert_array_equal(*both)


# --- What a fitted model is good for afterwards ---


def test_without_dispatch_a_model_answers_for_rows_in_memory(double):
    """A file may be loaded where dispatch is off; pictures need no other rows."""
    with config_context(array_api_dispatch=True):
        matcher = short(ranking="combined").fit(double.put(X))
        in_memory = move_estimator_to(matcher, np, "cpu")
    loaded = matcher if double.xp.__name__ == "array_api_strict" else None
    loaded = loaded or pickle.loads(pickle.dumps(matcher))
    for query in QUERIES:
        both = (getattr(m, query)(X) for m in (loaded, in_memory))
        np.testing.assert_array_equal(*both)
    assert isinstance(loaded.score_samples(X), np.ndarray)


def test_pictures_refuse_rows_on_a_device(dispatch, double):
    with pytest.raises(ValueError, match="X is an array of .* pass a NumPy array"):
        Table.of(double.put(X))
    assert Table.of(X).rows.shape == X.shape


def test_conformal_detector_takes_what_its_detector_takes(dispatch, double):
    detector = ConformalOutlierDetector(short(), alpha=0.2, random_state=0)
    rows = double.put(normal_rows(200))
    detector.fit(rows)
    assert isinstance(detector.calibration_scores_, np.ndarray)
    labels = detector.predict(rows)
    assert_beside(labels, rows)
    p = detector.p_values(rows)
    np.testing.assert_array_equal(host(labels) == -1, p <= 0.2)


# array-api-strict lets one through that scikit-learn's scaler hides for NumPy
@pytest.mark.filterwarnings("ignore:invalid value encountered in divide:RuntimeWarning")
def test_pipeline_stays_on_the_device(dispatch, double):
    pipeline = make_pipeline(StandardScaler(), short()).fit(double.put(X))
    scores = pipeline.score_samples(double.put(X))
    assert_beside(scores, double.put(X))
    standard = StandardScaler().fit_transform(X)
    direct = short().fit(double.put(standard)).score_samples(double.put(standard))
    np.testing.assert_allclose(host(scores), host(direct), rtol=1e-6)


class Tracked:
    """As a tensor of PyTorch that requires grad, which gives nothing to NumPy."""

    requires_grad = True

    def __init__(self, array):
        self.array = array

    def detach(self):
        return self.array

    def __dlpack__(self):
        raise RuntimeError("Use tensor.detach().")


def test_arrays_that_require_grad_are_detached_on_the_way_to_numpy(dispatch, double):
    np.testing.assert_array_equal(host(Tracked(double.put(X))), X)


# on the way through scikit-learn's checks
@pytest.mark.filterwarnings("ignore:torch.asarray.* requires_grad:UserWarning")
def test_rows_and_weights_may_require_grad(dispatch, double):
    """What only PyTorch has; queries can then be differentiated."""
    rows, weight = double.put(X), double.put(WEIGHT)
    expected = short().fit(rows, sample_weight=weight)
    loss = expected.score(rows)
    is_torch = double.xp.__name__ == "torch"
    if is_torch:
        rows.requires_grad_()
        weight.requires_grad_()
    actual = short().fit(rows, sample_weight=weight)
    np.testing.assert_array_equal(host(actual.components_), host(expected.components_))
    assert expected.score(rows) == loss
    if is_torch:
        (slope,) = double.xp.autograd.grad(expected.energy(rows).sum(), rows)
        np.testing.assert_allclose(host(-slope), host(expected.score_function(rows)))


# --- Errors ---


def spoiled(value):
    rows = X.copy()
    rows[3, 1] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (spoiled(np.nan), "contains NaN"),
        (spoiled(np.inf), "infinity"),
        (X[0], "Expected 2D array, got 1D array"),
        (X[:0], "0 sample"),
        (X + 1j, "Complex data not supported"),
        (X * 1e200, "rescale"),
    ],
    ids=["NaN", "infinity", "1-D", "empty", "complex", "huge"],
)
def test_bad_rows_are_refused_with_the_cause(dispatch, double, rows, message):
    matcher = short()
    with pytest.raises(ValueError, match=message):
        matcher.fit(double.put(rows, rows.dtype))
    assert not fitted_state(matcher)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (-WEIGHT, "Negative"),
        (WEIGHT * np.nan, "contains NaN"),
        (0 * WEIGHT, "at least one non-zero"),
        (WEIGHT[1:], "expected"),
        (np.ones((len(X), 1)), "1D"),
    ],
    ids=["negative", "NaN", "zero", "too few", "2-D"],
)
def test_bad_weights_are_refused_with_the_cause(dispatch, double, weight, message):
    with pytest.raises(ValueError, match=message):
        short().fit(double.put(X), sample_weight=double.put(weight))


def test_complex_arrays_are_refused_everywhere(dispatch, double):
    matcher = short().fit(double.put(X))
    rows, codes, weight = (
        double.put(values + 1j, "complex128") for values in (X, np.ones((5, 4)), WEIGHT)
    )
    for call in (
        lambda: short().fit(rows),
        lambda: matcher.score_samples(rows),
        lambda: matcher.inverse_transform(codes),
        lambda: short().fit(double.put(X), sample_weight=weight),
    ):
        with pytest.raises(ValueError, match="Complex data not supported"):
            call()


def test_features_are_counted(dispatch, double):
    matcher = short().fit(double.put(X))
    with pytest.raises(ValueError, match="2 features, but .* 3 features"):
        matcher.score_samples(double.put(X[:, :2]))
    with pytest.raises(ValueError, match="H has 3 columns, but .* 4 components"):
        matcher.inverse_transform(double.put(X))


@pytest.mark.parametrize(
    "query", [*QUERIES, "inverse_transform", "log_density", "fit_threshold"]
)
def test_rows_of_another_library_are_refused_by_name(dispatch, double, query):
    there, here = short().fit(double.put(X)), short().fit(X)
    message = rf"DenoisingScoreMatcher\.{query}\(\) must use the same namespace"
    with pytest.raises(ValueError, match=message):
        getattr(there, query)(X)
    with pytest.raises(ValueError, match=message):
        getattr(here, query)(double.put(X))
    with pytest.raises(NotFittedError):
        getattr(short(), query)(double.put(X))


@pytest.mark.parametrize("error", [KeyboardInterrupt, NonFiniteError], ids=str)
def test_a_failed_fit_leaves_the_estimator_as_it_was(
    dispatch, double, error, monkeypatch
):
    matcher = short().fit(double.put(X))
    before = {
        name: host(value) if hasattr(value, "__dlpack__") else value
        for name, value in fitted_state(matcher).items()
    }
    evaluate, calls = DeviceRisk.__call__, count()

    def failing(self, parameters):
        value, gradient = evaluate(self, parameters)
        if next(calls) < 5:
            return value, gradient
        if error is KeyboardInterrupt:
            raise error
        return np.nan, gradient

    monkeypatch.setattr(DeviceRisk, "__call__", failing)
    with pytest.raises(error):
        matcher.fit(double.put(X[:, :2]))
    after = {
        name: host(value) if hasattr(value, "__dlpack__") else value
        for name, value in fitted_state(matcher).items()
    }
    assert_same_state(after, before)


# --- What stays as it was ---


@pytest.mark.parametrize("parameters", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_dispatch_changes_nothing_for_numpy(scipy_is_told, parameters):
    expected = short(**parameters).fit(X, sample_weight=WEIGHT)
    with config_context(array_api_dispatch=True):
        actual = clone(expected).fit(X, sample_weight=WEIGHT)
        for query in QUERIES:
            answer = getattr(actual, query)(X)
            np.testing.assert_array_equal(answer, getattr(expected, query)(X))
            assert isinstance(answer, float | np.ndarray)
    assert_same_model(actual, expected)


def test_without_dispatch_arrays_are_converted(double):
    xp = double.xp  # on the device that is the default, which is this machine
    expected = short().fit(X, sample_weight=WEIGHT)
    actual = short().fit(xp.asarray(X), sample_weight=xp.asarray(WEIGHT))
    assert_same_model(actual, expected)
    for query in QUERIES:
        answer = getattr(actual, query)(xp.asarray(X))
        np.testing.assert_array_equal(answer, getattr(expected, query)(X))


def test_rows_on_a_device_are_not_prepared_in_memory(dispatch, double, monkeypatch):
    """Training takes the way that this file tests."""
    made = []
    place = DeviceRows.head
    monkeypatch.setattr(
        DeviceRows, "head", lambda self, n: made.append(n) or place(self, n)
    )
    short().fit(double.put(X))
    assert made


@every_configuration
def test_float_errors_are_none_of_the_callers(dispatch, double, parameters):
    rows = double.put(np.concatenate([30 * np.sign(X) + X, [3 * [1e8]]]))
    matcher = short(**parameters).fit(rows)
    with np.errstate(all="raise"):
        again = short(**parameters).fit(rows)
        answers = [getattr(again, query)(rows) for query in QUERIES]
    for query, answer in zip(QUERIES, answers, strict=True):
        np.testing.assert_array_equal(host(answer), host(getattr(matcher, query)(rows)))


# --- As a user does it ---

SCRIPT = """
import numpy as np
from sklearn import config_context
from skdsm import DenoisingScoreMatcher
import {library} as xp

X = xp.asarray(np.random.default_rng(0).standard_normal((300, 3)))
with config_context(array_api_dispatch=True):
    matcher = DenoisingScoreMatcher(4, random_state=0).fit(X)
    print(type(matcher.predict(X)) is type(X), matcher.n_iter_ > 1)
"""


@pytest.mark.parametrize(("variable", "printed"), [("1", "True True"), ("0", "")])
def test_scipys_switch_is_set_before_the_import(request, variable, printed):
    """With it all works; without, scikit-learn says what to do."""
    library = request.config.getoption("array_library")
    path = [str(Path(skdsm.__file__).parents[1]), *sys.path]
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(library=library)],
        env=os.environ
        | {"SCIPY_ARRAY_API": variable, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.stdout.strip() == printed, process.stderr
    assert printed or "set the SCIPY_ARRAY_API=1 environment" in process.stderr
