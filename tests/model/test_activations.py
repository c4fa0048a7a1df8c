"""logistic, softplus and tanh: accuracy in both precisions, extremes, aliasing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.random_models import numerical_gradient

from skdsm.model import activations
from skdsm.model.activations import logistic, softplus, softplus_sum, tanh

DTYPES = [np.float32, np.float64]
# dense where the functions bend, and beyond the range where exp overflows or underflows
ARGUMENTS = np.concatenate([np.linspace(-40, 40, 4001), np.linspace(-1500, 1500, 2001)])


def logistic_extended(u):
    """In extended precision, without cancellation on either side."""
    tail = np.exp(-np.abs(u.astype(np.longdouble)))
    return np.where(u >= 0, 1, tail) / (1 + tail)


def softplus_extended(u):
    u = u.astype(np.longdouble)
    return np.maximum(u, 0) + np.log1p(np.exp(-np.abs(u)))


TANH_FORMS = [np.tanh, activations._tanh_by_exp]
both_forms_of_tanh = pytest.mark.parametrize("form", TANH_FORMS)


@pytest.fixture
def tanh_form(monkeypatch, form):
    """Use one of the forms of tanh, whichever this processor prefers."""
    monkeypatch.setattr(activations, "_tanh", form)


@both_forms_of_tanh
@pytest.mark.usefixtures("tanh_form")
@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_is_accurate_to_the_rounding_of_one(dtype):
    x = ARGUMENTS.astype(dtype)
    error = np.abs(tanh(x) - np.tanh(x.astype(np.longdouble)))
    assert error.max() <= 2 * np.finfo(dtype).eps
    assert np.abs(tanh(x)).max() == 1


@both_forms_of_tanh
@pytest.mark.usefixtures("tanh_form")
@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_has_its_limits_without_warning_and_keeps_nan(dtype):
    top = np.finfo(dtype).max
    x = np.array([-np.inf, -top, 0, top, np.inf, np.nan], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        np.testing.assert_array_equal(tanh(x), [-1, -1, 0, 1, 1, np.nan])


@both_forms_of_tanh
@pytest.mark.usefixtures("tanh_form")
def test_tanh_writes_into_out_and_may_overwrite_its_argument():
    x = np.linspace(-3, 3, 12).reshape(3, 4)
    expected = tanh(x)
    out = np.empty_like(x)
    assert tanh(x, out=out) is out
    np.testing.assert_array_equal(out, expected)
    assert tanh(x, out=x) is x
    np.testing.assert_array_equal(x, expected)


def test_form_of_tanh_follows_the_width_of_the_processors_vectors(monkeypatch):
    def targets(name):
        table = {"tanh": {"dd": {"current": name, "available": "X86_V4 X86_V3"}}}
        return type("introspect", (), {"opt_func_info": lambda *args: table})

    for name, wide in [("X86_V4", True), ("AVX512_SKX", True), ("X86_V3", False)]:
        monkeypatch.setattr(np.lib, "introspect", targets(name))
        assert activations._has_wide_tanh() is wide
    monkeypatch.delattr(np.lib, "introspect")
    assert not activations._has_wide_tanh()


@both_forms_of_tanh
@pytest.mark.usefixtures("tanh_form")
@pytest.mark.parametrize("dtype", DTYPES)
def test_logistic_is_accurate_to_the_rounding_of_one(dtype):
    u = ARGUMENTS.astype(dtype)
    error = np.abs(logistic(u) - logistic_extended(u))
    assert error.max() <= 2 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", DTYPES)
def test_softplus_is_accurate_in_both_tails(dtype):
    u = ARGUMENTS.astype(dtype)
    u = u[u > np.log(np.finfo(dtype).tiny) + 1]  # below, the value is subnormal
    exact = softplus_extended(u)
    relative = np.abs(softplus(u) - exact) / exact
    assert relative.max() <= 6 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", [logistic, softplus, tanh])
def test_type_is_kept(function, dtype):
    assert function(np.zeros(3, dtype)).dtype == dtype


@pytest.mark.parametrize("dtype", DTYPES)
def test_extreme_arguments_give_limits_without_warning(dtype):
    top = np.finfo(dtype).max
    u = np.array([-np.inf, -top, -0.0, 0.0, top, np.inf], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        np.testing.assert_array_equal(logistic(u), [0, 0, 0.5, 0.5, 1, 1])
        np.testing.assert_allclose(
            softplus(u), [0, 0, np.log(2), np.log(2), top, np.inf], rtol=1e-7
        )


@settings(deadline=None, max_examples=200)
@given(st.floats(allow_nan=False), st.sampled_from(DTYPES))
def test_bounds_hold_for_any_argument(value, dtype):
    with np.errstate(over="ignore"):
        u = np.array([value]).astype(dtype)
    assert 0 <= logistic(u)[0] <= 1
    assert softplus(u)[0] >= max(u[0], 0)
    assert softplus(-u)[0] >= 0


def test_logistic_is_monotone_and_odd_about_one_half():
    u = np.sort(ARGUMENTS)
    h = logistic(u)
    assert (np.diff(h) >= 0).all()
    np.testing.assert_allclose(h + logistic(-u), 1, rtol=1e-15)


def test_softplus_is_an_antiderivative_of_logistic():
    u = np.linspace(-8, 8, 33)
    derivative = np.diag(numerical_gradient(softplus, u))
    np.testing.assert_allclose(derivative, logistic(u), atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_logistic_writes_into_out_and_may_overwrite_its_argument(dtype):
    u = np.linspace(-3, 3, 12, dtype=dtype).reshape(3, 4)
    expected = logistic(u)
    out = np.empty_like(u)
    assert logistic(u, out=out) is out
    np.testing.assert_array_equal(out, expected)
    assert logistic(u, out=u) is u
    np.testing.assert_array_equal(u, expected)


@pytest.mark.parametrize("function", [logistic, softplus, tanh])
def test_argument_is_left_alone(function):
    u = np.linspace(-3, 3, 7)
    u.flags.writeable = False
    np.testing.assert_array_equal(function(u), function(u.copy()))


@pytest.mark.parametrize("spread", [20, 500])  # 500: exp overflows in some columns
@pytest.mark.parametrize("m", [1, 2, 15, 16, 17, 128, 131])
@pytest.mark.parametrize("dtype", DTYPES)
def test_sum_over_units_adds_up_the_terms(dtype, m, spread):
    rng = np.random.default_rng(m)
    U = (spread * rng.standard_normal((m, 50))).astype(dtype)
    weight = rng.standard_normal(m)
    terms = softplus_extended(U)
    exact = weight @ terms
    total = softplus_sum(U, weight)
    assert total.dtype == np.float64
    # rounding of the arguments' logarithms and of the larger terms
    bound = 4 * np.finfo(dtype).eps * (np.abs(weight) @ (1 + terms))
    assert (np.abs(total - exact) <= bound).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_sum_over_units_has_its_limits_without_warning(dtype):
    top = np.finfo(dtype).max
    U = np.full((40, 4), -top, dtype)
    U[0] = [np.inf, top, 0, np.nan]
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        np.testing.assert_allclose(
            softplus_sum(U, np.ones(40)), [np.inf, top, np.log(2), np.nan], rtol=1e-7
        )


@pytest.mark.parametrize("dtype", DTYPES)
def test_sum_over_units_of_a_row_does_not_depend_on_rows_beside_it(dtype):
    U = np.linspace(-30, 30, 64 * 8, dtype=dtype).reshape(64, 8)
    alone = softplus_sum(U.copy(), np.ones(64))
    U[:, 3] = np.finfo(dtype).max / 1000  # this column takes another form
    total = softplus_sum(U, np.ones(64))
    np.testing.assert_array_equal(np.delete(total, 3), np.delete(alone, 3))


def test_sum_over_many_steepest_units_does_not_overflow():
    total = softplus_sum(np.zeros((5000, 1), np.float32), np.ones(5000))
    np.testing.assert_allclose(total, 5000 * np.log(2), rtol=1e-6)
