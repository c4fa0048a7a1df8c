"""Rows left on disk: read in blocks, sampled at random, fitted as well as in memory."""

import numpy as np
import pytest
from support.quick_fits import settings

from skdsm.model.energy import EnergyModel
from skdsm.rows.in_file import FileRows, map_rows
from skdsm.rows.in_memory import InMemoryRows, prepare_rows
from skdsm.training.empirical_risk import EmpiricalRisk
from skdsm.training.fit import energy_scale, fit_energy_model
from skdsm.training.screening import Reach

N = 10_000
RNG = np.random.default_rng(0)
X = np.cumsum(RNG.uniform(0, 1, (N, 2)), axis=0) / 100  # sorted
WEIGHT = RNG.integers(0, 4, N).astype(float)

some_weight_or_none = pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "w"])


@pytest.fixture(scope="module", params=[np.float64, np.float32])
def mapped(request, tmp_path_factory):
    """X in a file, read-only."""
    path = tmp_path_factory.mktemp("rows") / "X.npy"
    np.save(path, X.astype(request.param))
    return np.load(path, mmap_mode="r")


@some_weight_or_none
def test_rows_are_neither_copied_nor_changed(mapped, weight):
    given = np.array(mapped)
    rows = map_rows(given, weight, 0)
    np.testing.assert_array_equal(given, mapped)
    given[17] = 5.0
    np.testing.assert_array_equal(rows.original(slice(17, 18)), [[5.0, 5.0]])
    for read in (rows.centred, rows.original):
        for block in rows.blocks(1000)[:3]:
            assert not np.shares_memory(read(block), given)
    if weight is not None:
        ratio = rows.weight[weight > 0] / weight[weight > 0]
        assert ratio.min() == ratio.max() > 0
        assert not rows.weight[weight == 0].any()


@some_weight_or_none
@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_mean_is_the_weighted_mean(weight, offset):
    rows = map_rows(X + offset, weight, 0)
    expected = offset + np.average((X + offset) - offset, axis=0, weights=weight)
    np.testing.assert_allclose(rows.mean, expected, rtol=1e-15, atol=1e-12)
    assert rows.mean.dtype == np.float64


@pytest.mark.parametrize("size", [7, 1000, 10**6])
@pytest.mark.parametrize("n_rows", [1, 4095, 4096, 4097, N])
def test_blocks_cover_every_row_once(n_rows, size):
    blocks = map_rows(X[:n_rows], None, 0).blocks(size)
    numbers = np.arange(n_rows)
    assert all(0 < block.stop - block.start <= size for block in blocks)
    read = np.concatenate([numbers[block] for block in blocks])
    np.testing.assert_array_equal(np.sort(read), numbers)
    assert all(block.stop <= n_rows for block in blocks)


def test_blocks_are_in_random_order():
    first = [map_rows(X, None, seed).blocks(10**6)[0].start for seed in range(30)]
    assert len(set(first)) == 3
    again = map_rows(X, None, 5).blocks(100)
    assert again == map_rows(X, None, 5).blocks(100)


@some_weight_or_none
def test_centred_rows_are_rows_minus_their_mean(mapped, weight):
    rows = map_rows(mapped, weight, 0)
    for block in rows.blocks(3000):
        centred = rows.centred(block)
        assert centred.dtype == mapped.dtype
        assert type(centred) is np.ndarray
        expected = mapped[block].astype(np.float64) - rows.mean
        np.testing.assert_allclose(centred, expected, rtol=1e-7, atol=1e-12)


# --- Samples ---


@some_weight_or_none
def test_sample_is_of_distinct_rows_centred_in_memory(mapped, weight):
    sample = map_rows(mapped, weight, 0).head(200)
    assert isinstance(sample, InMemoryRows)
    assert sample.centred().dtype == mapped.dtype
    assert type(sample.centred()) is np.ndarray
    given = sample.centred() + sample.mean
    index = np.abs(given[:, :1] - mapped[:, 0]).argmin(axis=1)
    assert len(set(index)) == len(index)  # without replacement
    np.testing.assert_allclose(
        sample.centred(),
        mapped[index].astype(np.float64) - sample.mean,
        rtol=1e-6,
        atol=1e-6,
    )
    assert len(index) == 200
    if weight is None:
        assert sample.weight is None
    else:  # rows of weight zero are left out
        assert (sample.weight > 0).all()
        ratio = sample.weight / weight[index]
        assert ratio.min() == ratio.max()


def test_sample_is_in_random_order():
    sample = map_rows(X, None, 0).head(2000).centred()[:, 0]
    assert abs(np.corrcoef(sample[1:], sample[:-1])[0, 1]) < 5 / np.sqrt(2000)
    assert abs(np.corrcoef(sample, np.arange(2000))[0, 1]) < 5 / np.sqrt(2000)


@pytest.mark.parametrize("n_rows", [50, 2000])
def test_sample_of_a_sorted_file_is_unbiased(n_rows):
    n_seeds = 100
    means = [
        map_rows(X, None, seed).head(n_rows).centred().mean(axis=0)
        for seed in range(n_seeds)
    ]
    error = X.std(axis=0) * np.sqrt((1 / n_rows - 1 / N) / n_seeds)
    assert (np.abs(np.mean(means, axis=0)) < 5 * error).all()
    spread = np.std(means, axis=0) / (error * np.sqrt(n_seeds))
    assert (np.abs(spread - 1) < 5 / np.sqrt(2 * n_seeds)).all()


@some_weight_or_none
def test_head_that_is_too_large_to_copy_is_of_whole_blocks(weight, monkeypatch):
    monkeypatch.setattr("skdsm.rows.base._GATHERED_BYTES", 2**10)
    rows = map_rows(X, weight, 0)
    sample = rows.head(5000)
    assert isinstance(sample, FileRows)
    blocks = sample.blocks(1000)
    assert blocks == rows.blocks(1000)[: len(blocks)]
    n_rows = sum(block.stop - block.start for block in blocks)
    assert 0 < n_rows <= 5000
    assert EmpiricalRisk(sample, settings(), (0,)).sample(10**6)[0].shape[0] == (
        4 * n_rows
    )


def test_head_of_all_rows_is_all_rows(monkeypatch):
    """Copied, if the sample has them all; or else where they are."""
    head = map_rows(X, None, 0).head(N).centred()
    np.testing.assert_allclose(np.sort(head, axis=0), X - X.mean(axis=0), atol=1e-12)
    monkeypatch.setattr("skdsm.rows.base._GATHERED_BYTES", 2**10)
    rows = map_rows(X, None, 0)
    assert rows.head(N) is rows


def test_sample_of_all_rows_is_in_memory_and_centred():
    sample = map_rows(X, None, 0).sample(2 * N)
    assert isinstance(sample, InMemoryRows)
    expected = X - X.mean(axis=0)
    np.testing.assert_allclose(np.sort(sample.centred(), axis=0), expected, atol=1e-12)


def test_sample_is_never_too_large_to_copy(monkeypatch):
    monkeypatch.setattr("skdsm.rows.base._GATHERED_BYTES", 2**10)
    sample = map_rows(X, None, 0).sample(5000)
    assert isinstance(sample, InMemoryRows)
    assert 0 < sample.centred().nbytes <= 2**10


# --- Fits ---


def risk_of(rows, parameters, seed):
    made = settings(n_components=len(parameters.gains))
    return EmpiricalRisk(rows, made, (seed,))(parameters)[0]


@pytest.fixture(scope="module")
def clusters():
    """Rows to train on, sorted by cluster, and rows held out, far from zero."""
    rng = np.random.default_rng(1)
    centres = 1e4 + 2 * rng.standard_normal((5, 3))
    labels = rng.integers(0, 5, 8000)
    rows = centres[labels] + 0.4 * rng.standard_normal((8000, 3))
    train = rows[:6000][labels[:6000].argsort(kind="stable")]
    return train, rows[6000:]


@pytest.mark.parametrize("gathered_bytes", [None, 2**15], ids=["samples", "blocks"])
@pytest.mark.parametrize("weighted", [False, True])
def test_fit_is_as_good_as_one_in_memory(
    clusters, weighted, gathered_bytes, monkeypatch
):
    """Held-out losses agree to three per cent.

    Far from zero, where a mean that is not subtracted would be noticed.
    """
    if gathered_bytes is not None:
        monkeypatch.setattr("skdsm.rows.base._GATHERED_BYTES", gathered_bytes)
    X, held_out = clusters
    weight = None
    if weighted:
        weight = np.random.default_rng(2).integers(0, 3, len(X)).astype(float)
    losses = []
    for prepare in (prepare_rows, map_rows):
        rows = prepare(X, weight, 0)
        fit = settings(n_components=16, max_iter=300)
        model, _ = fit_energy_model(rows, fit, 0)
        # in the frame of the rows as given, their mean is anywhere
        new = InMemoryRows(held_out, None, np.zeros(3))
        losses.append(risk_of(new, model.parameters, 99))
    assert losses[1] == pytest.approx(losses[0], rel=0.03)


@pytest.mark.parametrize("gathered_bytes", [2**26, 2**12], ids=["samples", "blocks"])
@pytest.mark.parametrize("positive", [slice(17, 18), slice(4096, 4196)])
def test_few_rows_of_positive_weight_are_enough(
    clusters, positive, gathered_bytes, monkeypatch
):
    """Which a sample of all rows is likely to miss."""
    monkeypatch.setattr("skdsm.rows.base._GATHERED_BYTES", gathered_bytes)
    X, _ = clusters
    weight = np.zeros(len(X))
    weight[positive] = 1
    for seed in range(4):
        rows = map_rows(X, weight, seed)
        model, _ = fit_energy_model(rows, settings(max_iter=5), seed)
        assert np.isfinite(model.parameters.pack()).all()


@pytest.mark.parametrize("n_rows", [3000, 6000])
def test_energy_scale_is_that_of_the_centred_rows(clusters, n_rows):
    X = clusters[0][np.random.default_rng(0).permutation(6000)[:n_rows]]
    levels = settings().levels._replace(low=0.01, high=10.0)
    in_memory, mapped = prepare_rows(X, None, 0), map_rows(X, None, 0)
    made = settings(n_components=16, max_iter=60)
    parameters = fit_energy_model(in_memory, made, 0).training.parameters
    expected = energy_scale(parameters, in_memory, levels)
    assert levels.low < expected < levels.high
    assert energy_scale(parameters, mapped, levels) == pytest.approx(expected, rel=0.05)
    exact = EnergyModel(parameters, 1.0)
    square = (exact.score_norm(in_memory.centred()) ** 2).mean()
    scale = np.sqrt(square / -exact.hessian_trace(in_memory.centred()).mean())
    assert expected == pytest.approx(scale, rel=0.05)


@some_weight_or_none
def test_no_row_is_in_head_and_tail(weight):
    rows = map_rows(X, weight, 0)
    head, tail = rows.head(2000), rows.tail(4000)
    assert (head.n_rows, tail.n_rows) == (2000, 4000)
    assert not set(head.centred()[:, 0]) & set(tail.centred()[:, 0])


@some_weight_or_none
def test_what_screening_leaves_of_a_sample_is_not_drawn_anew(weight, monkeypatch):
    """It is centred like the rows that are left."""
    rows = map_rows(X, weight, 0)
    reach = Reach(X[:5000:100] - rows.mean, 1.0, 1.0, 0.5)
    before = rows.sample(N).centred() + rows.mean
    monkeypatch.setattr(FileRows, "draw", None)
    left, _ = rows.within(reach)
    after = left.sample(N).centred() + left.mean
    expected = before[reach.contains(before - rows.mean)]
    assert 0 < len(expected) < len(before)
    np.testing.assert_allclose(after, expected, atol=1e-12)
    assert left.n_distinct == len(after)
