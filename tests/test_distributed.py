"""Rows in blocks: the risk is that of all rows, whoever evaluates which block."""

import dask
import dask.array as da
import numpy as np
import pytest
from drawn_risk import RANGE, flat
from quick_fits import settings
from random_models import random_parameters

from skdsm import distributed
from skdsm.distributed import (
    DistributedRisk,
    DistributedRows,
    distribute_rows,
    distributed_risk,
)
from skdsm.energy import Parameters
from skdsm.exceptions import NonFiniteError
from skdsm.risk import EmpiricalRisk
from skdsm.training_rows import TrainingRows, leave_rows, prepare_rows

N, D = 5000, 3
RNG = np.random.default_rng(0)
X = np.cumsum(RNG.uniform(0, 1, (N, D)), axis=0) / 1000  # sorted
WEIGHT = RNG.integers(0, 4, N).astype(float)
CHUNKS = (1000, 1, 2999, 1000)

some_weight_or_none = pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "w"])
either_objective = pytest.mark.parametrize("objective", ["dsm", "ism"])


@pytest.fixture(autouse=True)
def one_thread():
    """Nothing here needs more, unless a test says so."""
    with dask.config.set(scheduler="synchronous"):
        yield


def distribute(X=X, weight=None, chunks=CHUNKS, seed=0, persist=True):
    rows = da.from_array(X, chunks=(chunks, -1))
    if weight is not None:
        weight = da.from_array(weight, chunks=rows.chunks[:1])
    return distribute_rows(rows, weight, seed, check=lambda X: None, persist=persist)


def without_units(centre):
    """A model that reconstructs all rows by one point, whatever the noise."""
    return Parameters(np.zeros((2, D)), np.zeros(2), centre, np.ones(2))


# --- The risk ---


@some_weight_or_none
@pytest.mark.parametrize("chunks", [CHUNKS, (N,), (100,) * 50], ids=len)
def test_every_row_counts_once_by_its_weight(weight, chunks):
    """Without hidden weights the loss does not depend on the noise."""
    rows = distribute(weight=weight, chunks=chunks)
    centre = np.array([0.3, -0.1, 0.2])
    made = settings(n_components=2)
    value, gradient = DistributedRisk(rows, made, (0,))(without_units(centre))
    residual = centre - (X - np.average(X, axis=0, weights=weight))
    losses = 0.5 * (residual**2).sum(axis=1)
    assert value == pytest.approx(np.average(losses, weights=weight), rel=1e-12)
    expected = np.average(residual, axis=0, weights=weight)
    np.testing.assert_allclose(gradient.intercept_visible, expected, rtol=1e-11)


@either_objective
@some_weight_or_none
def test_risk_is_the_mean_of_the_blocks_risks(objective, weight):
    """Each under noise that is named by the number of the block."""
    made = settings(n_components=5, objective=objective, levels=RANGE, alpha=0.1)
    rows = distribute(weight=weight)
    parameters = random_parameters(5, m=5, d=D)
    expected, total, number = 0, 0, 0
    for stop, size in zip(np.cumsum(CHUNKS), CHUNKS, strict=True):
        part = slice(stop - size, stop)
        w = None if weight is None else weight[part]
        share = size if w is None else w.sum()
        if share > 0:
            left = leave_rows(X[part], w, rows.mean, rows.blocks[number].seed)
            risk = EmpiricalRisk(left, made, (7, number))
            expected = expected + share * flat(risk(parameters))
            total, number = total + share, number + 1
    actual = flat(DistributedRisk(rows, made, (7,))(parameters))
    np.testing.assert_allclose(actual, expected / total, rtol=1e-11, atol=1e-13)


@either_objective
def test_risk_agrees_with_that_in_memory(objective):
    """Under other noise: within five standard errors, which are 1 % of it."""
    made = settings(n_components=5, objective=objective, levels=RANGE)
    parameters = random_parameters(5, m=5, d=D)
    in_memory = prepare_rows(X, None, 0)
    here = [EmpiricalRisk(in_memory, made, (s,))(parameters)[0] for s in range(20)]
    there = [DistributedRisk(distribute(), made, (s,))(parameters)[0] for s in range(9)]
    error = np.std(here) * np.sqrt(1 / 20 + 1 / 9)
    assert error < 2e-3 * abs(np.mean(here))
    assert abs(np.mean(there) - np.mean(here)) < 5 * error


def test_gradient_is_the_derivative_of_the_value():
    made = settings(n_components=5, objective="ism", levels=RANGE, alpha=0.1)
    risk = DistributedRisk(distribute(weight=WEIGHT), made, (0,))
    parameters = random_parameters(5, m=5, d=D)
    gradient = risk(parameters)[1].pack()
    packed, step = parameters.pack(), 1e-6
    direction = np.random.default_rng(1).standard_normal(packed.size)
    above, below = (
        risk(Parameters.unpack(packed + sign * step * direction, 5, D))[0]
        for sign in (1, -1)
    )
    assert (above - below) / (2 * step) == pytest.approx(gradient @ direction, rel=1e-6)


def test_noise_is_that_of_the_draw_and_of_the_block():
    same = np.tile(X[:500], (2, 1))
    rows = distribute(same, chunks=(500, 500))
    made, parameters = settings(n_components=5), random_parameters(5, m=5, d=D)

    def risk(seed, blocks=rows.blocks):
        risk = DistributedRisk(rows._replace(blocks=blocks), made, seed)
        return flat(risk(parameters))

    np.testing.assert_array_equal(risk((1, 2)), risk((1, 2)))
    assert risk((1, 2))[0] != risk((1, 3))[0]
    first, second = ((block._replace(seed=0),) for block in rows.blocks)
    np.testing.assert_array_equal(risk((1,), first), risk((1,), second))
    # alone, the second has the number of the first
    both = risk((1,), first + second)
    assert abs(both - risk((1,), first)).max() > 1e-6


def test_noise_of_a_large_block_is_bounded_and_reused(monkeypatch):
    """One normal number for eight elements of corrupted rows, if that is a bank."""
    sizes = []
    draw = distributed.EmpiricalRisk

    def noting(*args, **options):
        sizes.append(options["bank_elements"])
        return draw(*args, **options)

    monkeypatch.setattr(distributed, "EmpiricalRisk", noting)
    made = settings(n_components=2)
    DistributedRisk(distribute(chunks=(N,)), made, (0,))(without_units(np.zeros(D)))
    assert sizes == [4 * N * D // 8]
    monkeypatch.setattr(distributed, "_LARGEST_BANK", 100)
    DistributedRisk(distribute(chunks=(N,)), made, (0,))(without_units(np.zeros(D)))
    assert sizes[1:] == [100]


def test_large_blocks_reuse_noise_without_bias():
    """A bank of 4,096 rows for 40,000: the risk is that of independent noise."""
    rng = np.random.default_rng(3)
    many = rng.standard_normal((40_000, D))
    made = settings(n_components=5, n_corruptions=1)
    parameters = random_parameters(5, m=5, d=D)
    rows = distribute(many, chunks=(40_000,))
    in_memory = prepare_rows(many, None, 0)
    there = [DistributedRisk(rows, made, (s,))(parameters)[0] for s in range(12)]
    here = [EmpiricalRisk(in_memory, made, (s,))(parameters)[0] for s in range(6)]
    error = np.hypot(np.std(here) / np.sqrt(6), np.std(there) / np.sqrt(12))
    assert error < 2e-3 * np.mean(here)
    assert abs(np.mean(there) - np.mean(here)) < 5 * error


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
@pytest.mark.parametrize("persist", [True, False])
def test_no_bit_depends_on_who_evaluates(scheduler, persist):
    made, parameters = settings(n_components=5), random_parameters(5, m=5, d=D)
    chunks = (100,) * 50  # enough for sums of sums
    expected = flat(DistributedRisk(distribute(chunks=chunks), made, (0,))(parameters))
    with dask.config.set(scheduler=scheduler):
        rows = distribute(chunks=chunks, persist=persist)
        actual = flat(DistributedRisk(rows, made, (0,))(parameters))
    np.testing.assert_array_equal(actual, expected)


def test_sums_are_in_the_order_of_the_blocks(monkeypatch):
    made, parameters = settings(n_components=5), random_parameters(5, m=5, d=D)
    rows = distribute(chunks=(100,) * 50)
    tree = flat(DistributedRisk(rows, made, (0,))(parameters))
    monkeypatch.setattr(distributed, "_FAN_IN", 100)
    chain = flat(DistributedRisk(rows, made, (0,))(parameters))
    np.testing.assert_allclose(tree, chain, rtol=1e-11, atol=1e-13)


def test_overflow_is_no_warning():
    made = settings(n_components=2)
    far = without_units(np.full(D, 1e200))
    value, _ = DistributedRisk(distribute(), made, (0,))(far)
    assert not np.isfinite(value)


# --- The rows ---


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
    value, _ = DistributedRisk(rows, made, (0,))(without_units(np.zeros(D)))
    assert value == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(rows.mean, X[5])
    assert len(rows.sample(10).X) == 1


def test_empty_blocks_are_left_out():
    rows = distribute(chunks=(0, 2000, 0, 3000, 0))
    assert [block.n_rows for block in rows.blocks] == [2000, 3000]


def test_blocks_stay_as_they_are():
    rows = distribute()
    assert rows.X.chunks[0] == CHUNKS
    assert [block.n_rows for block in rows.blocks] == list(CHUNKS)
    held = rows.X.__dask_graph__()
    assert distribute_rows(
        rows.X, None, 0, check=lambda X: None, persist=True
    ).X.__dask_graph__().keys() == (held.keys())


def test_many_small_blocks_are_merged():
    rows = distribute(chunks=(50,) * 100)
    assert len(rows.blocks) == 64
    assert sum(block.n_rows for block in rows.blocks) == N


def test_huge_blocks_are_split(monkeypatch):
    monkeypatch.setattr(distributed, "_HUGE_BLOCK", 1000 * D * 8)
    rows = distribute()
    assert len(rows.blocks) == 64
    assert sum(block.n_rows for block in rows.blocks) == N


def test_unknown_sizes_are_found_out_and_the_input_is_not_changed():
    given = da.from_array(X, chunks=(1000, -1))
    given = given[given[:, 0] > 0.5]
    for persist in (True, False):
        rows = distribute_rows(given, None, 0, check=lambda X: None, persist=persist)
        assert np.isnan(given.shape[0])
        assert len(rows.X) == (X[:, 0] > 0.5).sum()
        assert sum(block.n_rows for block in rows.blocks) == len(rows.X)


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
    sample = distribute(weight=weight).sample(500)
    assert isinstance(sample, TrainingRows)
    given = sample.X + sample.mean
    index = np.abs(given[:, None] - X).sum(axis=2).argmin(axis=1)
    assert len(set(index)) == len(index) == 500
    np.testing.assert_allclose(given, X[index], atol=1e-12)
    if weight is None:
        assert sample.weight is None
    else:
        assert (sample.weight > 0).all()
        assert np.ptp(sample.weight / weight[index]) == 0


def test_sample_is_in_random_order():
    sample = distribute().sample(2000).X[:, 0]
    assert abs(np.corrcoef(sample[1:], sample[:-1])[0, 1]) < 5 / np.sqrt(2000)
    assert abs(np.corrcoef(sample, np.arange(2000))[0, 1]) < 5 / np.sqrt(2000)


@pytest.mark.parametrize("n_rows", [3, 200])
def test_sample_of_sorted_rows_is_unbiased(n_rows):
    """Each block gives its share, so the spread is below that of single draws."""
    seeds = range(60)
    means = [distribute(seed=s).sample(n_rows).X.mean(axis=0) for s in seeds]
    bound = X.std(axis=0) / np.sqrt(n_rows * len(seeds))
    assert (np.abs(np.mean(means, axis=0)) < 5 * bound).all()
    assert np.std(means, axis=0).max() > 0


@some_weight_or_none
@pytest.mark.parametrize("n_rows", [N, 2 * N])
def test_sample_of_all_rows_is_all_of_them(weight, n_rows):
    rows = distribute(weight=weight).sample(n_rows)
    expected = X if weight is None else X[weight > 0]
    np.testing.assert_allclose(
        np.sort(rows.X + rows.mean, axis=0), expected, atol=1e-12
    )


def test_samples_are_fetched_once_and_bounded(monkeypatch):
    rows = distribute()
    assert rows.sample(100) is rows.sample(100)
    monkeypatch.setattr(distributed, "_GATHERED_BYTES", 2**10)
    assert 0 < rows.sample(4000).X.nbytes <= 2**10


@some_weight_or_none
def test_head_is_a_sample_a_part_of_each_block_or_all(weight, monkeypatch):
    rng = np.random.default_rng(0)
    many = rng.standard_normal((81_920, D))
    weight = None if weight is None else rng.uniform(size=len(many))
    rows = distribute(many, weight, chunks=(40_960, 40_960))
    assert rows.head(81_920) is rows
    assert isinstance(rows.head(1000), TrainingRows)
    monkeypatch.setattr(distributed, "_GATHERED_BYTES", 2**10)
    part = rows.head(20_000)
    assert isinstance(part, DistributedRows)
    counts = []
    evaluate = distributed.evaluate_block

    def noting(X, weight, packed, **constants):
        out = evaluate(X, weight, packed, **constants)
        counts.append(out[0] / (1 if weight is None else weight.mean()))
        return out

    monkeypatch.setattr(distributed, "evaluate_block", noting)
    made = settings(n_components=2, n_corruptions=1)
    risk = distributed_risk(part, made, (0,))
    risk(without_units(np.zeros(D)))
    assert counts == pytest.approx([8192, 8192], rel=0.05)  # whole blocks of 4,096


def test_scaling_is_estimated_from_a_random_sample():
    made = settings(n_components=2, n_corruptions=2)
    X_noisy, weight = DistributedRisk(distribute(), made, (0,)).sample(400)
    assert len(X_noisy) >= 400
    np.testing.assert_array_equal(weight, 1)
    sd = np.sqrt(X.var(axis=0) + 0.25)
    assert (np.abs(X_noisy.mean(axis=0)) < 5 * sd / np.sqrt(200)).all()
    np.testing.assert_allclose(X_noisy.std(axis=0), sd, rtol=0.25)
