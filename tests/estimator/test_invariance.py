"""What must not change a model does not, to the last bit; what must change it does."""

import threading
from functools import partial

import joblib
import numpy as np
import pytest
from support.quick_fits import (
    CONFIGURATIONS,
    QUERIES,
    assert_same_model,
    assert_same_state,
    fitted_state,
    normal_rows,
    quick,
    with_every_model_or_value,
)

from skdsm.rows.canonical import canonical_order

X = normal_rows()
with_every_model = pytest.mark.parametrize(
    "parameters", CONFIGURATIONS.values(), ids=CONFIGURATIONS
)


def some_weights(largest):
    """Whole numbers, some of them zero."""
    weight = np.random.default_rng(largest).integers(0, largest + 1, len(X))
    weight[:2] = 0, largest
    return weight


# --- Rows and weights ---


@with_every_model_or_value("largest", [2, 3, 5, 7, 10], chosen=[7])
def test_a_weight_is_a_number_of_repetitions(largest, parameters):
    weight = some_weights(largest)
    weighted = quick(**parameters).fit(X, sample_weight=weight)
    repeated = quick(**parameters).fit(np.repeat(X, weight, axis=0))
    assert_same_model(weighted, repeated)


@pytest.mark.parametrize(("largest", "dtype"), [(2, np.float32), (7, np.float64)])
def test_weights_of_repeated_rows_add_up(largest, dtype):
    rows = X.astype(dtype)
    weight = some_weights(largest)
    once = quick().fit(rows, sample_weight=weight)
    parts = np.concatenate([np.minimum(weight, 1), np.maximum(weight - 1, 0)])
    twice = quick().fit(np.concatenate([rows, rows]), sample_weight=parts)
    assert_same_model(twice, once)


@with_every_model_or_value(
    "order", ["shuffled", "sorted", "reversed"], chosen=["shuffled"]
)
def test_the_order_of_the_rows_does_not_matter(order, parameters):
    rows = np.concatenate([X, X[:7], X[:3]])  # some of them more than once
    weight = np.random.default_rng(1).exponential(size=len(rows))
    index = {
        "shuffled": np.random.default_rng(2).permutation(len(rows)),
        "sorted": np.lexsort(rows.T),
        "reversed": np.arange(len(rows))[::-1],
    }[order]
    assert_same_model(
        quick(**parameters).fit(rows[index], sample_weight=weight[index]),
        quick(**parameters).fit(rows, sample_weight=weight),
    )


@with_every_model_or_value("factor", [7, 1 / 8], chosen=[7])
def test_only_ratios_of_weights_matter(factor, parameters):
    weight = some_weights(5)
    assert_same_model(
        quick(**parameters).fit(X, sample_weight=factor * weight),
        quick(**parameters).fit(X, sample_weight=weight),
    )


@with_every_model
def test_every_row_twice_is_every_row_once(parameters):
    twice = quick(**parameters).fit(np.repeat(X, 2, axis=0))
    assert_same_model(twice, quick(**parameters).fit(X))


def test_rows_of_weight_zero_are_left_out():
    rows = np.concatenate([X, [[1e200, 0.0, 0.0]]])
    weight = np.append(np.ones(len(X)), 0.0)
    assert_same_model(quick().fit(rows, sample_weight=weight), quick().fit(X))


def test_weights_matter():
    weighted = quick().fit(X, sample_weight=some_weights(5))
    difference = weighted.score_samples(X) - quick().fit(X).score_samples(X)
    assert np.ptp(difference) > 0.01


def test_the_sign_of_zero_does_not_matter():
    zeros = np.where(X > 0.5, 0.0, X)
    signed = np.where(X > 0.5, -0.0, X)
    assert_same_model(quick().fit(signed), quick().fit(zeros))


@with_every_model
@pytest.mark.parametrize("rows", [X, np.append(X, [[50.0, 0.0, 0.0]], axis=0)])
def test_rows_that_are_too_many_to_copy_give_the_same_model(
    rows, parameters, monkeypatch
):
    copied = quick(**parameters).fit(rows)
    monkeypatch.setattr("skdsm.rows.in_memory.COPIED_ROWS", 0)
    weight = np.append(some_weights(7), np.ones(len(rows) - len(X), int))
    weighted = quick(**parameters).fit(rows, sample_weight=weight)
    repeated = quick(**parameters).fit(np.repeat(rows, weight, axis=0))
    assert_same_model(weighted, repeated)
    indexed = quick(**parameters).fit(rows)
    assert_same_model(indexed, quick(**parameters).fit(rows[::-1]))
    for query in QUERIES:
        expected = getattr(copied, query)(rows)
        np.testing.assert_allclose(getattr(indexed, query)(rows), expected, rtol=1e-9)


# --- Threads and processes ---


@pytest.fixture
def many_blocks(monkeypatch):
    """So few rows per block that there is work for many threads."""
    monkeypatch.setattr("skdsm.training.empirical_risk._CHUNK_BYTES", 512)
    monkeypatch.setattr("skdsm._sklearn.backends._BLOCK_ELEMENTS", 64)
    monkeypatch.setattr("skdsm._sklearn.backends._FEWEST_BLOCKS", 1)


@with_every_model_or_value("n_jobs", [2, 4, -1], chosen=[4])
@pytest.mark.usefixtures("many_blocks")
def test_the_number_of_threads_does_not_matter(n_jobs, parameters):
    rows = normal_rows(n_samples=150)
    serial = quick(**parameters).fit(rows)
    threaded = quick(n_jobs=n_jobs, **parameters).fit(rows)
    assert_same_model(threaded, serial)
    for query in QUERIES:
        np.testing.assert_array_equal(
            getattr(threaded, query)(rows), getattr(serial, query)(rows)
        )


def most_threads(action):
    """How many threads there are at most, without the threads there were before."""
    before, seen = threading.active_count(), [0]

    def note(*event):  # called inside new threads only
        seen.append(threading.active_count() - before)

    threading.setprofile(note)
    try:
        action()
    finally:
        threading.setprofile(None)
    return max(seen)


@pytest.mark.usefixtures("many_blocks")
def test_threads_are_used_when_asked_for():
    one, three = quick(), quick(n_jobs=3)
    rows = normal_rows(n_samples=1000)
    assert most_threads(lambda: one.fit(X)) == 0
    assert most_threads(lambda: three.fit(X)) == 3
    assert most_threads(lambda: one.transform(rows)) == 0
    assert most_threads(lambda: three.transform(rows)) == 3
    with joblib.parallel_config("threading", n_jobs=2):
        assert most_threads(lambda: one.fit(X)) == 2


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_fits_side_by_side_are_fits_one_by_one(backend):
    models = [partial(quick, n_jobs=1), partial(quick, n_jobs=2)]
    models += [partial(quick, **parameters) for parameters in CONFIGURATIONS.values()]
    fits = joblib.Parallel(n_jobs=2, backend=backend)(
        joblib.delayed(model().fit)(X) for model in models
    )
    for fitted, model in zip(fits, models, strict=True):
        assert_same_model(fitted, model().fit(X))


# --- Seeds ---


@with_every_model
def test_equal_seeds_give_equal_models(parameters):
    one = quick(random_state=5, **parameters).fit(X)
    assert_same_model(quick(random_state=5, **parameters).fit(X), one)


def test_a_seed_is_a_random_state_and_a_second_fit_is_like_the_first():
    one = quick(random_state=5).fit(X)
    first = fitted_state(one)
    state = np.random.RandomState(5)
    assert_same_model(quick(random_state=state).fit(X), one)
    assert_same_state(fitted_state(one.fit(X)), first)


@with_every_model
def test_different_seeds_give_different_models(parameters):
    one = quick(random_state=0, **parameters).fit(X)
    other = quick(random_state=1, **parameters).fit(X)
    for name in ["components_", "intercept_visible_", "loss_", "offset_"]:
        assert not np.array_equal(getattr(one, name), getattr(other, name)), name


def test_a_random_state_moves_on_from_fit_to_fit():
    matcher = quick(random_state=np.random.RandomState(0))
    one = fitted_state(matcher.fit(X))
    assert one["loss_"] != matcher.fit(X).loss_


def test_fit_leaves_the_global_random_state_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    quick().fit(X)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


# --- Options ---


@pytest.mark.parametrize(
    "option",
    [
        {"n_components": 5},
        {"sigma": 0.6},
        {"sigma": (0.4, 0.6)},
        {"gains": "unit"},
        {"objective": "ism"},
        {"n_corruptions": 5},
        {"alpha": 0.01},
    ],
    ids=str,
)
def test_every_option_of_training_changes_the_model(option):
    plain, other = quick().fit(X), quick(**option).fit(X)
    assert not np.array_equal(plain.components_, other.components_)


@pytest.mark.parametrize("option", [{"ranking": "score_norm"}, {"contamination": 0.2}])
def test_options_of_ranking_change_the_threshold_only(option):
    plain, other = fitted_state(quick().fit(X)), fitted_state(quick(**option).fit(X))
    assert plain.pop("offset_") != other.pop("offset_")
    assert_same_state(other, plain)


# --- Batches ---


@with_every_model
def test_a_row_scores_the_same_in_any_company(parameters):
    matcher = quick(**parameters).fit(X)
    for query in QUERIES[:-1]:
        ask = getattr(matcher, query)
        alone = np.concatenate([ask(x[None]) for x in X])
        np.testing.assert_allclose(ask(X), alone, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(ask(X[::-1])[::-1], alone, rtol=1e-9, atol=1e-12)


# --- Types and frames ---


@with_every_model
def test_float32_rows_have_float32_answers_and_float64_scores(parameters):
    rows = X.astype(np.float32)
    for matcher in [quick(**parameters).fit(rows), quick(**parameters).fit(X)]:
        for query in [
            "transform",
            "score_function",
            "reconstruct",
            "feature_contributions",
        ]:
            assert getattr(matcher, query)(rows).dtype == np.float32, query
            assert getattr(matcher, query)(X).dtype == np.float64, query
        codes = matcher.transform(rows)
        assert matcher.inverse_transform(codes).dtype == np.float32
        for query in ["score_samples", "decision_function", "energy"]:
            assert getattr(matcher, query)(rows).dtype == np.float64, query
        assert isinstance(matcher.score(rows), float)


@with_every_model
def test_fitted_attributes_are_float64_whatever_the_rows(parameters):
    state = fitted_state(quick(**parameters).fit(X.astype(np.float32)))
    for name in ["components_", "intercept_hidden_", "intercept_visible_", "gains_"]:
        assert state[name].dtype == np.float64, name


@with_every_model
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_float32_answers_are_those_of_float64_rounded(offset, parameters):
    rows = (X + offset).astype(np.float32)
    matcher = quick(**parameters).fit(rows)
    for query in QUERIES:
        if query == "predict":
            continue
        exact = getattr(matcher, query)(rows.astype(np.float64))
        size = np.abs(exact - offset * (query == "reconstruct")).max()
        rounding = 1e-3 if query == "reconstruct" and offset else 2e-5 * size
        actual = getattr(matcher, query)(rows)
        np.testing.assert_allclose(actual, exact, rtol=0, atol=rounding)


@pytest.fixture
def translation_invariant_order(monkeypatch):
    """Order rows by value, not by their hash, which moves with them."""
    monkeypatch.setattr(
        canonical_order,
        "__defaults__",
        (lambda X, seed: np.zeros(len(X), np.uint64),),
    )


@with_every_model_or_value("offset", [1.0, -1e4, 1e8], chosen=[-1e4])
@pytest.mark.usefixtures("translation_invariant_order")
def test_a_model_moves_with_its_rows(offset, parameters):
    rows = np.round(normal_rows(n_samples=64) * 2**12) / 2**12  # X + 1e8 is exact
    near = quick(**parameters).fit(rows)
    far = quick(**parameters).fit(rows + offset)
    rounding = 1e-15 * (1 + abs(offset))
    np.testing.assert_array_equal(near.loss_curve_, far.loss_curve_)
    np.testing.assert_array_equal(near.components_, far.components_)
    assert far.offset_ == pytest.approx(near.offset_, abs=1e4 * rounding)
    for query in ["transform", "score_samples", "score_function", "predict"]:
        np.testing.assert_allclose(
            getattr(far, query)(rows + offset),
            getattr(near, query)(rows),
            rtol=0,
            atol=1e4 * rounding,
            err_msg=query,
        )
    moved = far.reconstruct(rows + offset) - offset
    np.testing.assert_allclose(moved, near.reconstruct(rows), atol=1e4 * rounding)


@pytest.mark.parametrize("gains", ["unit", "learned"])
def test_far_from_zero_a_model_is_as_good(gains):
    rows, held_out = normal_rows(n_samples=1000), normal_rows(n_samples=2000, seed=1)
    near = quick(n_components=8, gains=gains).fit(rows).score(held_out)
    far = quick(n_components=8, gains=gains).fit(rows + 1e8).score(held_out + 1e8)
    assert far == pytest.approx(near, rel=0.05)


def rotation(n_features):
    normal = np.random.default_rng(0).standard_normal((n_features, n_features))
    return np.linalg.qr(normal)[0]


def test_a_rotated_model_has_rotated_answers():
    """A fit of rotated rows meets other noise; the fitted model itself must follow."""
    matcher = quick(gains="learned").fit(X)
    R = rotation(3)
    turned = quick(gains="learned").fit(X)
    turned.components_ = matcher.components_ @ R
    turned.intercept_visible_ = matcher.intercept_visible_ @ R
    near, far = matcher.score_samples(X), turned.score_samples(X @ R)
    np.testing.assert_allclose(far, near, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        turned.score_function(X @ R), matcher.score_function(X) @ R, rtol=0, atol=1e-12
    )


def test_an_appended_constant_column_changes_no_score_much():
    rows = normal_rows(n_samples=400)
    alone = quick(n_components=8).fit(rows).score_samples(rows)
    beside = np.column_stack([rows, np.full(len(rows), 3.0)])
    together = quick(n_components=8).fit(beside).score_samples(beside)
    assert np.corrcoef(alone, together)[0, 1] > 0.95
