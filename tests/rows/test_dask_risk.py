"""Rows in blocks: the risk is the risk of all rows, whoever evaluates a block."""

from dataclasses import replace

import dask
import numpy as np
import pytest
from support.drawn_risk import RANGE, flat
from support.quick_fits import settings
from support.random_models import random_parameters
from support.rows_in_blocks import CHUNKS, WEIGHT, D, N, X, distribute, without_units

from skdsm.model.parameters import Parameters
from skdsm.rows import dask_risk
from skdsm.rows.dask_risk import DaskRisk
from skdsm.rows.in_file import rows_in_place
from skdsm.rows.in_memory import prepare_rows
from skdsm.training.empirical_risk import EmpiricalRisk

some_weight_or_none = pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "w"])
either_objective = pytest.mark.parametrize("objective", ["dsm", "ism"])


@pytest.fixture(autouse=True)
def one_thread():
    """Nothing here needs more, unless a test says so."""
    with dask.config.set(scheduler="synchronous"):
        yield


@some_weight_or_none
@pytest.mark.parametrize("chunks", [CHUNKS, (N,), (100,) * 50], ids=len)
def test_every_row_counts_once_by_its_weight(weight, chunks):
    """Without hidden weights the loss does not depend on the noise."""
    rows = distribute(weight=weight, chunks=chunks)
    centre = np.array([0.3, -0.1, 0.2])
    made = settings(n_components=2)
    value, gradient = DaskRisk(rows, made, (0,))(without_units(centre))
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
            left = rows_in_place(X[part], w, rows.mean, rows.blocks[number].seed)
            risk = EmpiricalRisk(left, made, (7, number))
            expected = expected + share * flat(risk(parameters))
            total, number = total + share, number + 1
    actual = flat(DaskRisk(rows, made, (7,))(parameters))
    np.testing.assert_allclose(actual, expected / total, rtol=1e-11, atol=1e-13)


@either_objective
def test_risk_agrees_with_that_in_memory(objective):
    """Under other noise: within five standard errors, which are 1 % of it."""
    made = settings(n_components=5, objective=objective, levels=RANGE)
    parameters = random_parameters(5, m=5, d=D)
    in_memory = prepare_rows(X, None, 0)
    here = [EmpiricalRisk(in_memory, made, (s,))(parameters)[0] for s in range(20)]
    there = [DaskRisk(distribute(), made, (s,))(parameters)[0] for s in range(9)]
    error = np.std(here) * np.sqrt(1 / 20 + 1 / 9)
    assert error < 2e-3 * abs(np.mean(here))
    assert abs(np.mean(there) - np.mean(here)) < 5 * error


@some_weight_or_none
def test_rounded_rows_are_evaluated_in_single_precision(weight):
    """Bit for bit like rows whose values, the same numbers, are of that type."""
    made = settings(n_components=5, levels=RANGE)
    parameters = random_parameters(5, m=5, d=D)
    rounded = distribute(np.float64(np.float32(X)), weight).scaled(1, np.float32)
    expected = distribute(np.float32(X), weight)
    np.testing.assert_array_equal(
        flat(DaskRisk(rounded, made, (7,))(parameters)),
        flat(DaskRisk(expected, made, (7,))(parameters)),
    )
    assert rounded.head(100).dtype == rounded.tail(100).dtype == np.float32
    np.testing.assert_array_equal(
        rounded.head(100).centred(), expected.head(100).centred()
    )


def test_gradient_is_the_derivative_of_the_value():
    made = settings(n_components=5, objective="ism", levels=RANGE, alpha=0.1)
    risk = DaskRisk(distribute(weight=WEIGHT), made, (0,))
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
        return flat(replace(rows, blocks=blocks).risk(made, seed)(parameters))

    np.testing.assert_array_equal(risk((1, 2)), risk((1, 2)))
    assert risk((1, 2))[0] != risk((1, 3))[0]
    first, second = ((replace(block, seed=0),) for block in rows.blocks)
    np.testing.assert_array_equal(risk((1,), first), risk((1,), second))
    # alone, the second has the number of the first
    both = risk((1,), first + second)
    assert abs(both - risk((1,), first)).max() > 1e-6


def test_noise_of_a_large_block_is_bounded_and_reused(monkeypatch):
    """One normal number for eight elements of corrupted rows, if that is a bank."""
    many = np.random.default_rng(3).standard_normal((40_000, D))
    rows = distribute(many, chunks=(40_000,))
    made, parameters = settings(n_corruptions=1), random_parameters(5, d=D)
    in_place = rows_in_place(many, None, rows.mean, rows.blocks[0].seed)

    def risk():
        return flat(rows.risk(made, (0,))(parameters))

    def expected(bank_elements):
        risk = EmpiricalRisk(in_place, made, (0, 0), bank_elements=bank_elements)
        return flat(risk(parameters))

    np.testing.assert_allclose(risk(), expected(40_000 * D // 8), rtol=1e-11)
    monkeypatch.setattr(dask_risk, "_LARGEST_BANK", 100)
    np.testing.assert_allclose(risk(), expected(100), rtol=1e-11)
    assert abs(expected(100) - expected(40_000 * D // 8)).max() > 1e-6


def test_a_task_evaluates_whole_blocks_of_about_as_many_rows_as_asked():
    many = np.random.default_rng(0).standard_normal((40_960, D))
    constants = {
        "settings": settings(n_components=2, n_corruptions=1),
        "mean": np.zeros(D),
        "unit": 1.0,
        "dtype": many.dtype,
        "order_seed": 0,
        "seed": (0, 0),
    }
    packed = without_units(np.zeros(D)).pack()
    for n_rows, used in [(10_000, 8192), (40_960, 40_960)]:
        sums = dask_risk.evaluate_block(many, None, packed, n_rows=n_rows, **constants)
        assert sums[0] == used


def test_large_blocks_reuse_noise_without_bias():
    """A bank of 4,096 rows for 40,000: the risk is as with independent noise."""
    rng = np.random.default_rng(3)
    many = rng.standard_normal((40_000, D))
    made = settings(n_components=5, n_corruptions=1)
    parameters = random_parameters(5, m=5, d=D)
    rows = distribute(many, chunks=(40_000,))
    in_memory = prepare_rows(many, None, 0)
    there = [DaskRisk(rows, made, (s,))(parameters)[0] for s in range(12)]
    here = [EmpiricalRisk(in_memory, made, (s,))(parameters)[0] for s in range(6)]
    error = np.hypot(np.std(here) / np.sqrt(6), np.std(there) / np.sqrt(12))
    assert error < 2e-3 * np.mean(here)
    assert abs(np.mean(there) - np.mean(here)) < 5 * error


@pytest.mark.parametrize(
    ("scheduler", "persist"), [("synchronous", False), ("threads", True)]
)
def test_no_bit_depends_on_who_evaluates(scheduler, persist):
    made, parameters = settings(n_components=5), random_parameters(5, m=5, d=D)
    chunks = (100,) * 50  # enough for sums of sums
    expected = flat(DaskRisk(distribute(chunks=chunks), made, (0,))(parameters))
    with dask.config.set(scheduler=scheduler):
        rows = distribute(chunks=chunks, persist=persist)
        actual = flat(DaskRisk(rows, made, (0,))(parameters))
    np.testing.assert_array_equal(actual, expected)


def test_sums_are_in_the_order_of_the_blocks(monkeypatch):
    made, parameters = settings(n_components=5), random_parameters(5, m=5, d=D)
    rows = distribute(chunks=(100,) * 50)
    tree = flat(DaskRisk(rows, made, (0,))(parameters))
    monkeypatch.setattr(dask_risk, "_FAN_IN", 100)
    chain = flat(DaskRisk(rows, made, (0,))(parameters))
    np.testing.assert_allclose(tree, chain, rtol=1e-11, atol=1e-13)


def test_overflow_is_no_warning():
    made = settings(n_components=2)
    far = without_units(np.full(D, 1e200))
    value, _ = DaskRisk(distribute(), made, (0,))(far)
    assert not np.isfinite(value)


def test_scaling_is_estimated_from_a_random_sample():
    made = settings(n_components=2, n_corruptions=2)
    X_noisy, weight = DaskRisk(distribute(), made, (0,)).sample(400)
    assert len(X_noisy) >= 400
    np.testing.assert_array_equal(weight, 1)
    sd = np.sqrt(X.var(axis=0) + 0.25)
    assert (np.abs(X_noisy.mean(axis=0)) < 5 * sd / np.sqrt(200)).all()
    np.testing.assert_allclose(X_noisy.std(axis=0), sd, rtol=0.25)
