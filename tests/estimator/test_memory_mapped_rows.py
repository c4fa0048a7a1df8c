"""Rows of a large memory map stay on disk; the model is as good as one in memory."""

import numpy as np
import pytest
import sklearn
from support.quick_fits import QUERIES, assert_same_model, quick, two_clusters

from skdsm._sklearn.backends import backend_of
from skdsm.rows.in_file import FileRows
from skdsm.rows.in_memory import InMemoryRows

N = 10_000  # more than two of the blocks that are read at a time


@pytest.fixture
def small_memory():
    """So little that 64 KiB of rows are too many to copy."""
    with sklearn.config_context(working_memory=1):
        yield


@pytest.fixture
def mapped(tmp_path, small_memory):
    """Write rows to a file, and map them to memory again."""

    def write(rows, mode="r"):
        np.save(tmp_path / "rows.npy", rows)
        return np.load(tmp_path / "rows.npy", mmap_mode=mode)

    return write


def matcher(**parameters):
    # at the bandwidth of the rows, eight units are too few for stable held-out scores
    return quick(8, tol=0.01, **{"sigma": (0.5, 1.0)} | parameters)


def test_only_large_memory_maps_stay_on_disk(mapped):
    rows = two_clusters(N)
    for X, kind in [
        (mapped(rows), FileRows),
        (mapped(rows)[:100], InMemoryRows),
        (rows, InMemoryRows),
    ]:
        backend = backend_of(X)
        checked = backend.check_rows(matcher(), X, reset=True)
        assert isinstance(backend.prepare(checked, None, 0, "matcher"), kind)


@pytest.mark.parametrize(
    ("parameters", "dtype"),
    [
        ({}, np.float64),
        ({"sigma": 0.5, "gains": "unit"}, np.float32),
        ({"objective": "ism", "gains": "unit"}, np.float64),
    ],
    ids=["default", "paper", "implicit"],
)
def test_a_model_of_mapped_rows_is_as_good(parameters, dtype, mapped):
    rows, held_out = two_clusters(N).astype(dtype), two_clusters(N, seed=1)
    model = matcher(**parameters).fit(mapped(rows))
    in_memory = matcher(**parameters).fit(rows)
    assert model.score(held_out) == pytest.approx(in_memory.score(held_out), rel=0.1)
    # each on a validation draw of its own: over seeds, the losses of a range of noise
    # levels differ with a standard deviation of 2.4 %
    assert model.loss_ == pytest.approx(in_memory.loss_, rel=0.1)


def test_share_of_training_outliers_is_the_contamination(mapped):
    X = mapped(two_clusters(N))
    assert (matcher(contamination=0.1).fit_predict(X) == -1).mean() == 0.1


def test_share_of_outliers_is_nearly_the_contamination_in_a_long_file(
    mapped, monkeypatch
):
    """The threshold is set on a sample: five standard errors of its quantile."""
    monkeypatch.setattr("skdsm.training.protocols._REPRESENTATIVE_ROWS", 2000)
    X = mapped(np.sort(two_clusters(N), axis=0))  # the sample must not be a prefix
    share = (matcher(contamination=0.1, screening=False).fit_predict(X) == -1).mean()
    assert share != 0.1
    assert abs(share - 0.1) < 5 * np.sqrt(0.1 * 0.9 / 2000)


@pytest.mark.parametrize(
    ("gathered", "n_samples"), [(2**26, N), (2**12, 70_000)], ids=["rows", "blocks"]
)
def test_far_from_zero_a_model_of_mapped_rows_is_as_good(
    gathered, n_samples, mapped, monkeypatch
):
    """Whether samples are taken row by row or, where those are many, by blocks."""
    monkeypatch.setattr("skdsm.rows.base._GATHERED_BYTES", gathered)
    rows, held_out = two_clusters(n_samples), two_clusters(N, seed=1)
    near = matcher().fit(rows).score(held_out)
    far = matcher().fit(mapped(rows + 1e4)).score(held_out + 1e4)
    assert far == pytest.approx(near, rel=0.1)


def test_the_file_is_not_modified(mapped):
    rows = two_clusters(N)
    X = mapped(rows, mode="r+")
    model = matcher().fit(X)
    for query in QUERIES:
        getattr(model, query)(X)
    np.testing.assert_array_equal(X, rows)


def test_equal_seeds_and_any_number_of_threads_give_equal_models(mapped):
    X = mapped(two_clusters(N))
    model = matcher().fit(X)
    assert_same_model(matcher().fit(X), model)
    assert_same_model(matcher(n_jobs=2).fit(X), model)
    other = matcher(random_state=1).fit(X)
    assert not np.array_equal(other.components_, model.components_)


def test_rows_of_weight_zero_are_left_out(mapped):
    rows, weight = two_clusters(N), np.ones(N)
    rows[::3] += 50
    weight[::3] = 0
    model = matcher(contamination=0.1).fit(mapped(rows), sample_weight=weight)
    clean, held_out = np.delete(rows, slice(None, None, 3), axis=0), two_clusters(N)
    in_memory = matcher(contamination=0.1).fit(clean)
    assert model.score(held_out) == pytest.approx(in_memory.score(held_out), rel=0.1)
    share = (model.predict(clean) == -1).mean()
    assert share == pytest.approx(0.1, abs=1e-3)


def test_weights_count(mapped):
    rows = two_clusters(N)
    right = rows[:, 0] > 0
    weight = np.where(right, 9.0, 1.0)
    model = matcher(contamination=0.25).fit(mapped(rows), sample_weight=weight)
    outliers = model.predict(rows) == -1
    share = weight[outliers].sum() / weight.sum()
    assert share == pytest.approx(0.25, abs=1e-3)
    energy = (
        matcher().fit(mapped(rows), sample_weight=weight).energy([[2, 2], [-2, -2]])
    )
    assert energy[0] < energy[1]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_mapped_rows_that_are_not_finite_are_refused(value, mapped):
    rows = two_clusters(N)
    rows[5000, 1] = value
    with pytest.raises(ValueError, match="NaN|infinity"):
        matcher().fit(mapped(rows))


def test_huge_mapped_rows_are_refused_with_advice(mapped):
    with pytest.raises(ValueError, match="rescale"):
        matcher().fit(mapped(1e200 * two_clusters(N)))
