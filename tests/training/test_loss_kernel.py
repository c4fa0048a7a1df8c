"""Loss and gradient by chunks, against the sum over one sample at a time."""

import math

import numpy as np
import pytest
from support import reference
from support.random_models import (
    GAINS,
    numerical_gradient,
    random_parameters,
    unpack_like,
)

from skdsm.model.parameters import Parameters
from skdsm.training.loss_kernel import LossKernel, product_rows

N, M, D = 13, 4, 3
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, D))
X_NOISY = X + 0.7 * RNG.standard_normal((N, D))
TRACE_WEIGHT = RNG.uniform(0.2, 2, N)  # a noise level for each row
WEIGHT = RNG.uniform(0.1, 3, N)

# x~, the target y, the weight tau of the trace
TARGETS = {
    "denoising": (X_NOISY, X, None),
    "implicit": (X_NOISY, X_NOISY, TRACE_WEIGHT),
    "explicit": (X_NOISY, RNG.standard_normal((N, D)), None),
    "all at once": (X_NOISY, X, TRACE_WEIGHT),
}
EVERY_KIND_OF_GAINS = [*GAINS, "zero"]
with_every_target = pytest.mark.parametrize("name", TARGETS)
with_every_kind_of_gains = pytest.mark.parametrize("gains", EVERY_KIND_OF_GAINS)
weighted_or_not = pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weights"])


def make_parameters(seed, gains="mixed", m=M):
    if gains != "zero":
        return random_parameters(seed, m, D, gains)
    return random_parameters(seed, m, D)._replace(gains=np.zeros(m))


def some_rows(arrays, rows):
    return [None if array is None else array[rows] for array in arrays]


def evaluate(kernel, parameters, name, weight=None, parts=(slice(None),)):
    """Value and gradient, packed, of rows that are added in parts."""
    kernel.begin(parameters)
    for rows in parts:
        kernel.add(*some_rows([*TARGETS[name], weight], rows))
    value, gradient = kernel.end()
    return np.array([value, *gradient.pack()])


def new_kernel(n_rows=N, dtype=np.float64, m=M):
    return LossKernel(n_rows, m, D, dtype)


def once(*arguments, m=M):
    return evaluate(new_kernel(m=m), *arguments)


def loss_of_a_row(theta, x_tilde, y, tau, w):
    """``w (|r(x~) - y|^2 / 2 + tau sum_j g_j |W_j|^2 h_j (1 - h_j))``."""
    W, _, _, g = theta
    h = reference.encode(x_tilde, theta)
    r = reference.decode(h, theta)
    trace = math.fsum(
        g[j] * reference.square_norm(W[j]) * h[j] * (1 - h[j]) for j in range(len(h))
    )
    return w * (reference.square_norm(reference.subtract(r, y)) / 2 + tau * trace)


def assert_close(actual, expected, tolerance):
    """Relative to the largest of the value's and the gradient's entries."""
    assert abs(actual[0] - expected[0]) <= tolerance * abs(expected[0])
    error = np.abs(actual[1:] - expected[1:]).max()
    assert error <= tolerance * np.abs(expected[1:]).max()


@weighted_or_not
@with_every_kind_of_gains
@with_every_target
def test_value_is_the_sum_over_rows(name, gains, weight):
    parameters = make_parameters(1, gains)
    x_tilde, y, tau = TARGETS[name]
    expected = math.fsum(
        loss_of_a_row(
            parameters,
            x_tilde[i],
            y[i],
            0.0 if tau is None else tau[i],
            1.0 if weight is None else weight[i],
        )
        for i in range(N)
    )
    value = once(parameters, name, weight)[0]
    assert value == pytest.approx(expected, rel=1e-12)


@weighted_or_not
@with_every_kind_of_gains
@with_every_target
def test_gradient_is_the_derivative_of_the_value(name, gains, weight):
    parameters = make_parameters(2, gains)
    expected = numerical_gradient(
        lambda v: once(unpack_like(v, parameters), name, weight)[0], parameters.pack()
    )
    gradient = unpack_like(once(parameters, name, weight)[1:], parameters)
    for block, derivative in zip(
        gradient, unpack_like(expected, parameters), strict=True
    ):
        np.testing.assert_allclose(block, derivative, rtol=1e-6, atol=1e-7)
    assert np.abs(gradient.gains).min() > 1e-3
    assert (gains == "zero") == (not gradient.components.any())


@pytest.mark.parametrize("m", [1, M, 40])
@weighted_or_not
@with_every_target
def test_chunks_add_up(name, weight, m):
    parameters = make_parameters(3, m=m)
    whole = once(parameters, name, weight, m=m)
    parts = [slice(0, 5), slice(5, 6), slice(6, 13)]
    for order in (parts, parts[::-1]):
        chunked = evaluate(new_kernel(7, m=m), parameters, name, weight, order)
        assert_close(chunked, whole, 1e-13)


@pytest.mark.parametrize("step", [1, 4, 6, 12])
@weighted_or_not
@with_every_target
def test_products_of_a_few_rows_add_up(name, weight, step, monkeypatch):
    """Thirteen rows: whole products, and a remainder."""
    parameters = make_parameters(3)
    at_once = once(parameters, name, weight)
    monkeypatch.setattr("skdsm.training.loss_kernel.product_rows", lambda *shape: step)
    parts = [slice(0, 9), slice(9, 13)]
    for rows in (parts, parts[::-1], [slice(None)]):
        stepped = evaluate(new_kernel(), parameters, name, weight, rows)
        assert_close(stepped, at_once, 1e-13)


def test_products_have_as_many_rows_as_fit():
    assert product_rows(10_000, 128, 32) == 240
    assert product_rows(100, 128, 32) == 100
    assert product_rows(512, 512, 512) == 512  # they never fit


@weighted_or_not
@with_every_target
def test_single_precision_is_nearly_double(name, weight):
    def narrow(arrays):
        return [None if a is None else a.astype(np.float32) for a in arrays]

    def widen(arrays):
        return [None if a is None else a.astype(np.float64) for a in arrays]

    parameters = Parameters(*narrow(make_parameters(4)))
    rows = narrow(TARGETS[name])
    results = []
    for cast, dtype in [(narrow, np.float32), (widen, np.float64)]:
        kernel = new_kernel(dtype=dtype)
        kernel.begin(Parameters(*widen(parameters)))
        kernel.add(*cast(rows), weight)
        value, gradient = kernel.end()
        assert isinstance(value, float)
        assert all(block.dtype == np.float64 for block in gradient)
        results.append(np.array([value, *gradient.pack()]))
    assert_close(*results, 3e-6)
    assert not np.array_equal(*results)


def test_many_single_precision_chunks_are_summed_in_double_precision():
    kernel = new_kernel(dtype=np.float32)
    parameters = make_parameters(5)
    rows = [array.astype(np.float32) for array in (X_NOISY, X)]
    kernel.begin(parameters)
    for _ in range(5000):
        kernel.add(*rows)
    value, gradient = kernel.end()
    kernel.begin(parameters)
    kernel.add(*rows)
    one_value, one_gradient = kernel.end()
    assert value == pytest.approx(5000 * one_value, rel=1e-9)
    np.testing.assert_allclose(
        gradient.pack() / 5000, one_gradient.pack(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("before", TARGETS)
@with_every_target
def test_begin_starts_anew(name, before):
    """Whatever was evaluated, and whether it was ended: to the last bit."""
    kernel = new_kernel()
    for unfinished in (False, True):
        evaluate(kernel, make_parameters(6, "positive"), before, WEIGHT)
        if unfinished:
            kernel.begin(make_parameters(7))
            kernel.add(*TARGETS[before])
        for seed in (8, 9):
            parameters = make_parameters(seed)
            again = evaluate(kernel, parameters, name)
            np.testing.assert_array_equal(again, once(parameters, name))


@with_every_target
def test_long_chunk_leaves_nothing_to_a_short_one(name):
    kernel = new_kernel()
    parameters = make_parameters(10)
    evaluate(kernel, parameters, name, WEIGHT)
    parts = [slice(0, 4), slice(4, 5)]
    after = evaluate(kernel, parameters, name, WEIGHT, parts)
    np.testing.assert_array_equal(after, once(parameters, name, WEIGHT, parts))


def test_results_and_arguments_are_left_alone():
    kernel = new_kernel()
    parameters = make_parameters(11)
    arrays = [X_NOISY, X, TRACE_WEIGHT, WEIGHT, *parameters]
    before = [array.copy() for array in arrays]
    kernel.begin(parameters)
    kernel.add(X_NOISY, X, TRACE_WEIGHT, WEIGHT)
    _, gradient = kernel.end()
    result = gradient.pack().copy()
    evaluate(kernel, make_parameters(12), "implicit")
    np.testing.assert_array_equal(gradient.pack(), result)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)
        assert not any(np.shares_memory(array, block) for block in gradient)


def test_rows_may_be_corrupted_in_its_own_scratch_memory():
    kernel = new_kernel()
    assert kernel.noisy.shape == (N, D)
    parameters = make_parameters(13)
    kernel.begin(parameters)
    for _ in range(2):
        kernel.noisy[:] = X_NOISY
        kernel.add(kernel.noisy, kernel.noisy, TRACE_WEIGHT)
    value, gradient = kernel.end()
    expected = 2 * once(parameters, "implicit")
    assert_close(np.array([value, *gradient.pack()]), expected, 1e-13)
    np.testing.assert_array_equal(kernel.noisy, X_NOISY)


@with_every_target
def test_rows_far_out_saturate_without_a_warning(name):
    """Hidden units that are all on or all off: warnings are errors here."""
    parameters = make_parameters(14)
    far = Parameters(1e6 * parameters.components, *parameters[1:])
    x_tilde, y, _ = TARGETS[name]
    result = once(far, name)
    assert np.isfinite(result).all()
    h = x_tilde @ far.components.T + far.intercept_hidden > 0
    r = far.intercept_visible + (h * far.gains) @ far.components
    assert result[0] == pytest.approx(0.5 * ((r - y) ** 2).sum(), rel=1e-12)
