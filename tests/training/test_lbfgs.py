"""One run of L-BFGS on a frozen objective."""

import numpy as np
import pytest
from support.quadratic_risk import (
    CHANGES,
    IDENTITY,
    START,
    D,
    M,
    Quadratic,
    random_change,
)
from support.random_models import random_parameters

from skdsm.exceptions import NonFiniteError
from skdsm.model.parameters import Parameters
from skdsm.training.lbfgs import minimise_run


def go_on(parameters, loss):
    return False


def converged(risk, change, learn_gains):
    parameters, status = minimise_run(
        risk, START, change, 1000, learn_gains=learn_gains, end_iteration=go_on
    )
    assert status == 0
    return parameters


@pytest.mark.parametrize("change", CHANGES)
def test_run_finds_the_minimum_of_a_convex_risk(change):
    risk = Quadratic(1)
    parameters = converged(risk, change, learn_gains=True)
    assert risk(parameters)[0] == pytest.approx(-1, abs=1e-7)
    np.testing.assert_allclose(parameters.pack(), risk.minimum, atol=2e-3)


@pytest.mark.parametrize("change", CHANGES)
def test_run_finds_the_minimum_under_fixed_gains(change):
    risk = Quadratic(2)
    parameters = converged(risk, change, learn_gains=False)
    gradient = risk(parameters)[1].pack()
    np.testing.assert_allclose(gradient[:-M], 0, atol=2e-3)
    assert np.abs(gradient[-M:]).max() > 0.1  # the gains were not free


@pytest.mark.parametrize("gains", ["unit", "mixed"])
@pytest.mark.parametrize("seed", range(10))
def test_fixed_gains_keep_their_bits(gains, seed):
    start = random_parameters(seed, M, D, gains)
    seen = []

    def end_iteration(parameters, loss):
        seen.append(parameters.gains)

    parameters, _ = minimise_run(
        Quadratic(3), start, random_change(seed), 5, end_iteration=end_iteration
    )
    for each in (parameters.gains, *seen):
        np.testing.assert_array_equal(each, start.gains)


def test_scale_of_the_risk_does_not_matter_if_it_is_told():
    ends = []
    for factor in (1.0, 2.0**-40, 2.0**40):
        quadratic = Quadratic(4)

        def risk(parameters, quadratic=quadratic, factor=factor):
            value, gradient = quadratic(parameters)
            return factor * value, Parameters(*(factor * block for block in gradient))

        parameters, status = minimise_run(
            risk, START, CHANGES[1], 500, scale=factor, end_iteration=go_on
        )
        ends.append((status, quadratic.calls, *parameters.pack()))
    np.testing.assert_array_equal(ends[1], ends[0])
    np.testing.assert_array_equal(ends[2], ends[0])


def test_end_iteration_sees_the_loss_of_the_parameters_it_is_given():
    risk = Quadratic(5)
    seen = []

    def end_iteration(parameters, loss):
        seen.append((parameters, parameters.pack().copy(), loss))
        return False

    end, _ = minimise_run(
        risk,
        START,
        CHANGES[2],
        15,
        scale=3.0,
        learn_gains=True,
        end_iteration=end_iteration,
    )
    assert len(seen) == 15
    losses = [loss for _, _, loss in seen]
    np.testing.assert_allclose([risk(p)[0] for p, _, _ in seen], losses, rtol=1e-12)
    assert (np.diff(losses) < 0).all()
    # each is a copy: later iterations have not touched it
    for parameters, as_it_was, _ in seen:
        np.testing.assert_array_equal(parameters.pack(), as_it_was)
    np.testing.assert_array_equal(end.pack(), seen[-1][1])


def test_run_stops_when_told():
    losses, last = [], []

    def end_iteration(parameters, loss):
        losses.append(loss)
        last.append(parameters.pack())
        return len(losses) == 4

    end, status = minimise_run(
        Quadratic(6),
        START,
        IDENTITY,
        100,
        learn_gains=True,
        end_iteration=end_iteration,
    )
    assert status == 99
    assert len(losses) == 4
    np.testing.assert_array_equal(end.pack(), last[-1])


def test_run_stops_at_the_maximum_number_of_iterations():
    losses = []
    _, status = minimise_run(
        Quadratic(7),
        START,
        IDENTITY,
        3,
        end_iteration=lambda _, loss: losses.append(loss),
    )
    assert status == 1
    assert len(losses) == 3


def test_start_is_left_alone():
    before = START.pack().copy()
    end, _ = minimise_run(Quadratic(8), START, IDENTITY, 5, end_iteration=go_on)
    np.testing.assert_array_equal(START.pack(), before)
    assert not any(np.shares_memory(*pair) for pair in zip(START, end, strict=True))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["value", "components", "intercept_visible"])
@pytest.mark.parametrize("call", [1, 6])
def test_number_that_is_not_finite_is_an_error(bad, where, call):
    risk = Quadratic(9)

    def failing_risk(parameters):
        value, gradient = risk(parameters)
        if risk.calls < call:
            return value, gradient
        if where == "value":
            return bad, gradient
        getattr(gradient, where).flat[0] = bad
        return value, gradient

    with pytest.raises(NonFiniteError, match="not finite.*rescale X"):
        minimise_run(failing_risk, START, CHANGES[1], 50, end_iteration=go_on)
    assert risk.calls == call


def test_overflow_inside_the_risk_is_that_error_and_no_warning():
    def overflowing_risk(parameters):
        value, gradient = Quadratic(9)(parameters)
        return value * np.square(np.float64(1e200)), gradient

    with np.errstate(over="warn"), pytest.raises(NonFiniteError):
        minimise_run(overflowing_risk, START, IDENTITY, 50, end_iteration=go_on)
