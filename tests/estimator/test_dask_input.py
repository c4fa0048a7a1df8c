"""Dask collections as input: lazy where they can be, refused where they must be."""

import copy
import pickle
import re

import dask
import dask.array as da
import dask.bag
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.callback import ScoringMonitor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from support.quick_fits import (
    CONFIGURATIONS,
    QUERIES,
    assert_same_model,
    assert_same_state,
    fitted_state,
    quick,
    two_clusters,
)

from skdsm.calibration import ConformalOutlierDetector
from skdsm.rows import base, dask_risk

X = two_clusters(n_samples=1200, n_features=3)
WEIGHT = np.random.default_rng(1).integers(0, 3, len(X)).astype(float)
LAZY = [query for query in QUERIES if query != "score"]


@pytest.fixture(autouse=True)
def one_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def array(X=X, chunks=(300, -1)):
    return da.from_array(X, chunks=chunks)


def frame(X=X, npartitions=4):
    names = [f"column {i}" for i in range(X.shape[1])]
    return dd.from_pandas(pd.DataFrame(X, columns=names), npartitions=npartitions)


def short(**parameters):
    """A fit of few stages."""
    return quick(tol=1.0, n_corruptions=1, **parameters)


class Counting:
    """A source of blocks that counts how often it is asked."""

    def __init__(self):
        self.count = 0

    def __call__(self, block):
        self.count += 1
        return block


# --- Fits ---


@pytest.mark.parametrize(
    ("parameters", "everywhere", "weighted"),
    [
        ({}, False, False),
        *((parameters, True, True) for parameters in CONFIGURATIONS.values()),
    ],
    ids=["default, sampled", *(f"{name}, in blocks" for name in CONFIGURATIONS)],
)
def test_fit_is_as_good_as_one_in_memory(parameters, weighted, everywhere, monkeypatch):
    """Held-out scores, which are minus Fisher divergences, agree; rows are sorted."""
    if everywhere:
        monkeypatch.setattr(base, "_GATHERED_BYTES", 2**12)
    train = two_clusters(n_samples=4000, n_features=3, seed=2)
    train = train[train[:, 0].argsort()]
    weight = None
    if weighted:
        weight = np.random.default_rng(3).integers(0, 3, len(train)).astype(float)
    # at the bandwidth of the rows, eight units are too few for stable held-out scores
    parameters = {"sigma": (0.5, 1.0)} | parameters
    in_memory = quick(8, max_iter=60, **parameters)
    spread = quick(8, max_iter=60, **parameters)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *args, **kwargs: None)  # of max_iter
        in_memory.fit(train, sample_weight=weight)
        spread.fit(array(train, (1000, -1)), sample_weight=weight)
    held_out = two_clusters(n_samples=4000, n_features=3, seed=4)
    expected, actual = in_memory.score(held_out), spread.score(held_out)
    assert actual == pytest.approx(expected, rel=0.1)
    assert spread.n_iter_ > 1
    for name, value in fitted_state(in_memory).items():
        assert np.shape(getattr(spread, name)) == np.shape(value) or "_curve" in name
        assert type(getattr(spread, name)) is type(value)
    share = np.average(spread.predict(train) == -1, weights=weight)
    if spread.contamination != "auto":
        assert share == pytest.approx(0.1, abs=0.01 if not everywhere else 0.06)


def test_kinds_of_collections_and_weights_make_one_model():
    expected = short().fit(array(), sample_weight=WEIGHT)
    same = [
        (array(), da.from_array(WEIGHT, chunks=300)),
        (array(), da.from_array(WEIGHT, chunks=500)),
        (array(), list(WEIGHT)),
        (array(chunks=(300, 2)), WEIGHT),
        (frame(), dd.from_pandas(pd.Series(WEIGHT), npartitions=3)),
        (frame().to_dask_array(), WEIGHT),  # of unknown sizes
        (array().persist(), WEIGHT),
    ]
    for rows, weight in same:
        matcher = short().fit(rows, sample_weight=weight)
        assert_same_model(matcher, expected)


def test_input_is_not_modified():
    given, weight = X.copy(), WEIGHT.copy()
    rows = da.from_array(given, chunks=(300, 2)).persist()
    chunks, name = rows.chunks, rows.name
    short().fit(rows, sample_weight=da.from_array(weight, chunks=100))
    assert (rows.chunks, rows.name) == (chunks, name)
    np.testing.assert_array_equal(rows.compute(), X)
    np.testing.assert_array_equal(weight, WEIGHT)


def assert_taken_as_floats(rows, expected):
    matcher = short().fit(array(rows))
    assert_same_model(matcher, expected)
    assert matcher.transform(array(rows)).dtype == np.float64


def test_numbers_of_any_type_are_taken_as_floats():
    rounded = np.round(4 * X)
    expected = short().fit(array(rounded))
    for dtype in (np.int32, np.float16, ">f8", object):
        assert_taken_as_floats(rounded.astype(dtype), expected)


def test_booleans_are_zeros_and_ones():
    rows = X > 0
    assert_taken_as_floats(rows, short().fit(array(rows.astype(float))))


def test_single_precision_stays():
    rows = array(X.astype(np.float32))
    matcher = short().fit(rows)
    assert matcher.transform(rows).dtype == np.float32
    assert matcher.transform(rows).compute().dtype == np.float32
    assert matcher.score_samples(rows).dtype == np.float64


@pytest.mark.parametrize("working_memory", [1024, 0])
def test_rows_are_kept_if_they_fit(working_memory):
    """Else they are computed again for each evaluation, block by block."""
    from sklearn import config_context

    source = Counting()
    rows = array().map_blocks(source, dtype=float, meta=np.empty((0, 0)))
    with config_context(working_memory=working_memory):
        matcher = short().fit(rows)
    assert source.count == 4 if working_memory else source.count > 8
    assert_same_model(matcher, short().fit(array()))


def test_fit_does_not_import_a_cluster():
    from skdsm._sklearn.dask_backend import has_cluster

    assert not has_cluster()


def test_warm_start_goes_on():
    matcher = short(sigma=(0.5, 1.0), warm_start=True).fit(array())
    losses = matcher.loss_curve_
    matcher.fit(array())
    assert matcher.loss_curve_[0] < losses[0] - 0.9 * (losses[0] - losses[-1])


# --- Queries ---


@pytest.fixture(scope="module")
def matcher():
    return quick(gains="learned", sigma=(0.5, 1.0)).fit(X)


@pytest.fixture(scope="module")
def named():
    with dask.config.set(scheduler="synchronous"):
        return short().fit(frame())


@pytest.mark.parametrize("query", LAZY)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_queries_are_lazy_and_right(matcher, query, dtype):
    source = Counting()
    rows = array(X.astype(dtype)).map_blocks(source, dtype=dtype, meta=np.empty((0, 0)))
    result = getattr(matcher, query)(rows)
    assert isinstance(result, da.Array)
    assert source.count == 0
    expected = getattr(matcher, query)(X.astype(dtype))
    assert result.shape == expected.shape
    assert result.chunks[0] == rows.chunks[0]
    computed = result.compute()
    assert result.dtype == computed.dtype == expected.dtype
    # products of blocks of other lengths round otherwise
    atol = 1e-12 if dtype == np.float64 else 3e-5
    np.testing.assert_allclose(computed, expected, rtol=1e-5, atol=atol)
    assert source.count == 4


@pytest.mark.parametrize("query", LAZY)
def test_queries_take_frames_and_unknown_sizes(matcher, named, query):
    expected = getattr(named, query)(frame().compute())
    actual = getattr(named, query)(frame())
    assert isinstance(actual, da.Array)
    np.testing.assert_allclose(actual.compute(), expected, rtol=1e-12, atol=1e-12)
    rows = array()
    some = getattr(matcher, query)(rows[rows[:, 0] > 0]).compute()
    expected = getattr(matcher, query)(X[X[:, 0] > 0])
    np.testing.assert_allclose(some, expected, rtol=1e-12, atol=1e-12)


def test_score_is_the_mean_over_all_rows(matcher):
    score = matcher.score(array())
    assert type(score) is float
    assert score == pytest.approx(matcher.score(X), rel=1e-12)


def test_codes_are_decoded_lazily(matcher):
    codes = matcher.transform(array())
    decoded = matcher.inverse_transform(codes)
    assert isinstance(decoded, da.Array)
    np.testing.assert_allclose(
        decoded.compute(), matcher.reconstruct(X), rtol=1e-12, atol=1e-12
    )
    with pytest.raises(ValueError, match="H has 3 columns, but the model has 4"):
        matcher.inverse_transform(array())


def test_density_is_lazy():
    small = short(n_components=2).fit(X[:, :2])
    density = small.log_density(array(X[:, :2]))
    assert isinstance(density, da.Array)
    np.testing.assert_allclose(density.compute(), small.log_density(X[:, :2]))


def test_blocks_without_rows_have_no_results(matcher):
    empty = array()[:0]
    for query in LAZY:
        result = getattr(matcher, query)(
            da.concatenate([empty, array(), empty])
        ).compute()
        assert len(result) == len(X)


def test_tasks_do_not_carry_the_estimator(matcher):
    """Its callbacks need not be fit for travel; only the model goes to the workers."""
    held = short().fit(X)
    held.unfit_for_travel = lambda: None
    with pytest.raises((AttributeError, pickle.PicklingError)):
        pickle.dumps(held)
    for query in LAZY:
        pickle.dumps(dict(getattr(held, query)(array()).__dask_graph__()))


def test_later_changes_do_not_change_what_was_asked(matcher):
    held = short().fit(X)
    scores = held.score_samples(array())
    expected = held.score_samples(X)
    held.fit(X + 5)
    np.testing.assert_allclose(scores.compute(), expected, rtol=1e-12)


# --- Names ---


def test_names_of_columns_are_kept_and_compared(named):
    assert list(named.feature_names_in_) == ["column 0", "column 1", "column 2"]
    with pytest.raises(ValueError, match="feature names should match"):
        named.predict(frame()[["column 1", "column 0", "column 2"]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        named.predict(array())
    assert not hasattr(short().fit(array()), "feature_names_in_")


def test_other_columns_than_in_the_fit_are_refused(matcher):
    with pytest.raises(ValueError, match="X has 2 features, but .* expecting 3"):
        matcher.predict(array()[:, :2])
    with pytest.raises(NotFittedError):
        quick().predict(array())


# --- Callbacks ---


def test_callbacks_see_stages_and_iterations_and_may_stop():
    events = []

    class Recorder:
        def setup(self, estimator, context):
            pass

        teardown = setup

        def on_fit_task_begin(self, estimator, context, *, X, y, metadata):
            assert isinstance(X, da.Array)

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None, **rest):
            if fitted_estimator is not None:
                events.append(context.task_name)
                scores = fitted_estimator.score_samples(X)
                assert np.isfinite(scores).all()
            return events.count("lbfgs-iter") == 7

    matcher = quick().set_callbacks(Recorder()).fit(array())
    assert matcher.n_iter_ == 7
    assert events == ["lbfgs-iter"] * 7 + ["stage", "fit"]


def test_scoring_monitor_follows():
    monitor = ScoringMonitor(
        scoring={"fit": lambda estimator, X, y: estimator.score(X)}
    )
    rows = array(X[:400], (200, -1))
    matcher = short(n_components=2).set_callbacks(monitor).fit(rows, np.zeros(400))
    scores = [row["fit"] for row in monitor.get_logs().data]
    assert len(scores) >= matcher.n_iter_
    assert scores[-1] == matcher.score(rows)


# --- Bad input ---


def broken(value, where=(700, 1)):
    rows = X.copy()
    rows[where] = value
    return rows


FITTED = quick(2, tol=1.0).fit(X[:30, :2])

BAD_ROWS = {
    "NaN": (lambda: array(broken(np.nan)), ValueError, "Input X contains NaN"),
    "infinity": (lambda: array(broken(np.inf)), ValueError, "X contains infinity"),
    "NaN in a frame": (
        lambda: frame(broken(np.nan)),
        ValueError,
        "Input X contains NaN",
    ),
    "too large": (lambda: array(broken(1e200)), ValueError, "rescale"),
    "one dimension": (lambda: array()[:, 0], ValueError, "Expected 2D array, got 1D"),
    "three": (lambda: array()[:, :, None], ValueError, "dim 3"),
    "no rows": (lambda: array()[:0], ValueError, "0 sample"),
    "no rows left": (lambda: array()[array()[:, 0] > 99], ValueError, "0 sample"),
    "no columns": (lambda: array()[:, :0], ValueError, "0 feature"),
    "complex": (lambda: array() * 1j, ValueError, "Complex data not supported"),
    "words": (
        lambda: array(np.array([["a", 1.0]] * 5, object)),
        ValueError,
        "strings",
    ),
    "masked": (
        lambda: da.ma.masked_greater(array(), 2.0),
        ValueError,
        "masked values",
    ),
    "bag": (lambda: dask.bag.from_sequence([1]), TypeError, "dask collection of type"),
    "series": (lambda: frame()["column 0"], TypeError, "dask collection of type"),
    "unknown columns": (
        lambda: array()[:, array()[0] > -99],
        ValueError,
        "compute_chunk_sizes",
    ),
}


@pytest.mark.parametrize(("rows", "error", "message"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_bad_rows_are_refused_and_the_fit_is_kept(rows, error, message):
    matcher = copy.deepcopy(FITTED)
    before = fitted_state(matcher)
    with pytest.raises(error, match=re.escape(message)):
        matcher.fit(rows())
    assert_same_state(fitted_state(matcher), before)
    with pytest.raises(error, match=re.escape(message)):
        quick().fit(rows())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_found_when_computed(matcher, value):
    scores = matcher.score_samples(array(broken(value)))
    with pytest.raises(ValueError, match="Input X contains"):
        scores.compute()


BAD_WEIGHTS = {
    "negative": (-WEIGHT, "Negative values in data"),
    "NaN": (np.where(WEIGHT, WEIGHT, np.nan), "sample_weight contains NaN"),
    "infinite": (np.where(WEIGHT, WEIGHT, np.inf), "sample_weight contains infinity"),
    "all zero": (0 * WEIGHT, "at least one non-zero"),
    "too few": (WEIGHT[:-1], "sample_weight.shape == (1199,), expected (1200,)"),
    "two dimensions": (WEIGHT[:, None], "1D array"),
}


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("weight", "message"), BAD_WEIGHTS.values(), ids=list(BAD_WEIGHTS)
)
def test_bad_weights_are_refused(weight, message, lazy):
    if lazy:
        weight = da.from_array(weight, chunks=100)
    with pytest.raises(ValueError, match=re.escape(message)):
        quick().fit(array(), sample_weight=weight)


def test_weights_that_would_lose_their_mask_are_refused():
    with pytest.raises(ValueError, match="sample_weight has masked values"):
        quick().fit(array(), sample_weight=np.ma.array(WEIGHT, mask=WEIGHT == 0))


def test_a_bag_is_refused_as_weights():
    bag = dask.bag.from_sequence(WEIGHT.tolist())
    with pytest.raises(TypeError, match="dask array or a dask Series"):
        quick().fit(array(), sample_weight=bag)


def test_lazy_weights_of_rows_in_memory_are_refused():
    with pytest.raises(TypeError, match="sample_weight is a dask collection"):
        quick().fit(X, sample_weight=da.from_array(WEIGHT, chunks=100))


def test_failed_and_interrupted_evaluations_leave_the_fit(monkeypatch):
    matcher = short().fit(array())
    before = fitted_state(matcher)

    def fail(*args, **constants):
        raise KeyboardInterrupt

    monkeypatch.setattr(dask_risk, "evaluate_block", fail)
    monkeypatch.setattr(base, "_GATHERED_BYTES", 2**10)
    with pytest.raises(KeyboardInterrupt):
        matcher.fit(array())
    assert_same_state(fitted_state(matcher), before)


def test_float_errors_are_none_of_the_callers():
    """Blocks are evaluated by the thread that asks, which has NumPy raise."""
    rows = 100 * np.sign(X) + X
    matcher = short().fit(array(rows))
    expected = [getattr(matcher, query)(rows) for query in LAZY]
    with np.errstate(all="raise"):
        again = short().fit(array(rows))
        answers = [getattr(again, query)(array(rows)).compute() for query in LAZY]
    assert_same_model(again, matcher)
    for answer, value in zip(answers, expected, strict=True):
        np.testing.assert_allclose(answer, value, rtol=1e-9, atol=1e-12)


def test_a_scheduler_that_would_take_for_ever_is_refused():
    matcher = short().fit(array())
    with dask.config.set(scheduler="processes"):
        for fit in (short().fit, matcher.fit_threshold):
            with pytest.raises(ValueError, match=r"set\(scheduler='threads'\)"):
                fit(array())
        matcher.score_samples(array())  # lazy, and one evaluation only


def test_conformal_detectors_take_arrays_and_refuse_frames():
    conformal = ConformalOutlierDetector(short(), random_state=0)
    lazy = conformal.fit(array()).p_values(array())
    np.testing.assert_array_equal(lazy, conformal.p_values(X))
    for collection in (frame(), frame().to_dask_array()):
        with pytest.raises(TypeError, match="unknown number of rows.*FrozenEstimator"):
            conformal.fit(collection)
    rows = pd.DataFrame(X, columns=[f"column {i}" for i in range(3)])
    frozen = ConformalOutlierDetector(FrozenEstimator(short().fit(rows)))
    lazy = frozen.fit(frame()).calibration_scores_
    np.testing.assert_allclose(lazy, frozen.fit(rows).calibration_scores_, rtol=1e-12)
