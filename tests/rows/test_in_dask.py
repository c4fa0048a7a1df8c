"""Rows in blocks: where they are, what the client sees of them, samples."""

import dask
import dask.array as da
import numpy as np
import pytest
from support.quick_fits import settings
from support.rows_in_blocks import CHUNKS, WEIGHT, D, N, X, distribute, without_units

from skdsm.exceptions import NonFiniteError
from skdsm.rows import base, in_dask
from skdsm.rows.dask_risk import DaskRisk
from skdsm.rows.in_dask import DaskRows, distribute_rows
from skdsm.rows.in_memory import InMemoryRows
from skdsm.training.screening import Reach

some_weight_or_none = pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "w"])


@pytest.fixture(autouse=True)
def one_thread():
    """Nothing here needs more, unless a test says so."""
    with dask.config.set(scheduler="synchronous"):
        yield


@some_weight_or_none
@pytest.mark.parametrize("offset", [0.0, 1e8])
@pytest.mark.parametrize("scale", [1.0, 1e308], ids=["", "large"])
def test_mean_is_the_weighted_mean(weight, offset, scale):
    rows = distribute(X + offset, None if weight is None else weight / 4 * scale)
    expected = offset + np.average((X + offset) - offset, axis=0, weights=weight)
    np.testing.assert_allclose(rows.mean, expected, rtol=1e-15, atol=1e-12)


def test_blocks_without_weight_are_left_out():
    weight = np.zeros(N)
    weight[[5, 4500]] = 1, 5e-324  # of which the second is nothing beside the first
    rows = distribute(weight=weight)
    assert [block.n_candidates for block in rows.blocks] == [1, 1]
    made = settings(n_components=2)
    value, _ = DaskRisk(rows, made, (0,))(without_units(np.zeros(D)))
    assert value == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(rows.mean, X[5])
    assert rows.sample(10).n_rows == 1


def test_empty_blocks_are_left_out():
    rows = distribute(chunks=(0, 2000, 0, 3000, 0))
    assert [block.n_rows for block in rows.blocks] == [2000, 3000]


def test_blocks_stay_as_they_are():
    rows = distribute()
    assert [block.n_rows for block in rows.blocks] == list(CHUNKS)


def test_many_small_blocks_are_merged():
    rows = distribute(chunks=(50,) * 100)
    assert len(rows.blocks) == 64
    assert sum(block.n_rows for block in rows.blocks) == N


def test_huge_blocks_are_split(monkeypatch):
    monkeypatch.setattr(in_dask, "_HUGE_BLOCK", 1000 * D * 8)
    rows = distribute()
    assert len(rows.blocks) == 64
    assert sum(block.n_rows for block in rows.blocks) == N


def test_unknown_sizes_are_found_out_and_the_input_is_not_changed():
    given = da.from_array(X, chunks=(1000, -1))
    given = given[given[:, 0] > 0.5]
    for persist in (True, False):
        rows = distribute_rows(given, None, 0, check=lambda X: None, persist=persist)
        assert np.isnan(given.shape[0])
        assert rows.n_rows == (X[:, 0] > 0.5).sum()
        assert sum(block.n_rows for block in rows.blocks) == rows.n_rows


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_apart_blocks_are_refused(dtype):
    """Each alone would do; their distance overflows."""
    far = np.zeros((20, 2), dtype)
    far[10:] = 0.1 * np.sqrt(np.finfo(dtype).max)
    with pytest.raises(NonFiniteError, match="rescale"):
        distribute(far, chunks=(10, 10))
    distribute(far / 100, chunks=(10, 10))


# --- Samples ---


@some_weight_or_none
def test_sample_is_of_distinct_rows_centred_in_memory(weight):
    sample = distribute(weight=weight).sample(200)
    assert isinstance(sample, InMemoryRows)
    given = sample.centred() + sample.mean
    index = np.abs(given[:, :1] - X[:, 0]).argmin(axis=1)
    assert len(set(index)) == len(index) == 200
    np.testing.assert_allclose(given, X[index], atol=1e-12)
    if weight is None:
        assert sample.weight is None
    else:
        assert (sample.weight > 0).all()
        assert np.ptp(sample.weight / weight[index]) == 0


def test_sample_is_in_random_order():
    sample = distribute().sample(2000).centred()[:, 0]
    assert abs(np.corrcoef(sample[1:], sample[:-1])[0, 1]) < 5 / np.sqrt(2000)
    assert abs(np.corrcoef(sample, np.arange(2000))[0, 1]) < 5 / np.sqrt(2000)


@pytest.mark.parametrize("n_rows", [3, 200])
def test_sample_of_sorted_rows_is_unbiased(n_rows):
    """Each block gives its share, so the spread is less than with single draws."""
    seeds = range(30)
    means = [distribute(seed=s).sample(n_rows).centred().mean(axis=0) for s in seeds]
    bound = X.std(axis=0) / np.sqrt(n_rows * len(seeds))
    assert (np.abs(np.mean(means, axis=0)) < 5 * bound).all()
    assert np.std(means, axis=0).max() > 0


@some_weight_or_none
@pytest.mark.parametrize("n_rows", [N, 2 * N])
def test_sample_of_all_rows_is_all_of_them(weight, n_rows):
    rows = distribute(weight=weight).sample(n_rows)
    expected = X if weight is None else X[weight > 0]
    np.testing.assert_allclose(
        np.sort(rows.centred() + rows.mean, axis=0), expected, atol=1e-12
    )


def test_rows_are_drawn_once(monkeypatch):
    """Every sample is a part of one, which took one look at each block."""
    rows = distribute()
    looks, draw = [], in_dask._draw_block

    def look(*args, **options):
        looks.append(args)
        return draw(*args, **options)

    monkeypatch.setattr(in_dask, "_draw_block", look)
    parts = [rows.head(100), rows.sample(50), rows.tail(70), rows.representative()]
    parts.append(rows.scaled(2.0, np.float32).head(100))
    assert len(looks) == len(CHUNKS)
    first, sample, last, all_rows, _ = (part.centred() for part in parts)
    np.testing.assert_array_equal(sample, first[:50])
    np.testing.assert_array_equal(all_rows[:100], first)
    np.testing.assert_array_equal(all_rows[-70:], last)


def test_samples_are_bounded(monkeypatch):
    monkeypatch.setattr(base, "_GATHERED_BYTES", 2**10)
    rows = distribute()
    assert 0 < rows.sample(4000).centred().nbytes <= 2**10


@some_weight_or_none
def test_what_screening_leaves_of_a_sample_is_not_drawn_anew(weight, monkeypatch):
    """It is centred like the rows that are left."""
    rows = distribute(weight=weight)
    reach = Reach(X[:2500:100] - rows.mean, 1.0, 1.0, 0.5)
    before = rows.sample(N).centred() + rows.mean
    monkeypatch.setattr(DaskRows, "draw", None)
    left, share = rows.within(reach)
    kept = reach.contains(X - rows.mean)
    w = np.ones(N) if weight is None else weight
    assert share == pytest.approx(w[~kept].sum() / w.sum())
    np.testing.assert_allclose(left.mean, np.average(X[kept], axis=0, weights=w[kept]))
    after = left.sample(N).centred() + left.mean
    expected = before[reach.contains(before - rows.mean)]
    np.testing.assert_allclose(after, expected, atol=1e-12)
    assert left.n_distinct == (w * kept > 0).sum() == len(after)


@some_weight_or_none
def test_no_row_is_in_head_and_tail(weight):
    rows = distribute(weight=weight)
    head, tail = rows.head(1500), rows.tail(2000)
    assert (head.n_rows, tail.n_rows) == (1500, 2000)
    assert not set(head.centred()[:, 0]) & set(tail.centred()[:, 0])


def test_head_is_a_sample_or_a_part_of_each_block(monkeypatch):
    rows = distribute()
    assert rows.head(N).n_rows == N
    assert isinstance(rows.head(N), InMemoryRows)
    assert isinstance(rows.head(1000), InMemoryRows)
    monkeypatch.setattr(base, "_GATHERED_BYTES", 2**10)
    rows = distribute()
    assert rows.head(N) is rows
    part = rows.head(N // 4)
    assert isinstance(part, DaskRows)
    assert part.blocks == rows.blocks
    assert part.share == 0.25
