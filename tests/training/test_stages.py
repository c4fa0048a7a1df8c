"""The loop over the stages: when they begin, and when training ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.quadratic_risk import IDENTITY, START, Quadratic, random_change

from skdsm.model.parameters import Parameters
from skdsm.training.schedule import Stage
from skdsm.training.stages import Monitor, run_length, train


class Recorder(Monitor):
    """Notes what it is told, and in which order; stops where asked."""

    def __init__(self, stop_at_iteration=None, stop_at_stage=None):
        self.stages, self.losses, self.validation_losses = [], [], []
        self.events = []
        self.stop_at_iteration = stop_at_iteration
        self.stop_at_stage = stop_at_stage

    def begin_stage(self, stage, max_iter):
        self.stages.append(stage)
        self.events.append(("begin", max_iter))

    def end_iteration(self, parameters, loss):
        self.losses.append(loss)
        self.events.append("iteration")
        return len(self.losses) == self.stop_at_iteration

    def end_stage(self, parameters, validation_loss):
        self.validation_losses.append(validation_loss)
        self.events.append("end")
        return len(self.stages) == self.stop_at_stage


STAGES = [Stage(10, 1), Stage(40, 1), Stage(40, 2), Stage(40, 4)]


def run_training(
    validation,
    monitor=None,
    tol=1e-3,
    max_iter=10_000,
    identity_loss=np.inf,
    stages=STAGES,
    **changes,
):
    """Train on a new quadratic each stage, with given validation losses.

    Stages follow one another, whatever they bring; returns that as well.
    """
    remaining = iter(validation)
    drawn, improvements = [], []

    def draw_risk(index, stage):
        drawn.append((index, stage))
        return Quadratic(index)

    def next_stage(stage, improved, parameters):
        assert stage == drawn[-1][1]
        improvements.append(improved)
        return stages[len(drawn)] if len(drawn) < len(stages) else None

    options = {
        "validation_risk": lambda parameters: next(remaining),
        "scale": 1.0,
        "learn_gains": True,
    }
    result = train(
        START,
        stages[0],
        next_stage,
        draw_risk,
        lambda parameters, risk: random_change(1),
        identity_loss=identity_loss,
        max_iter=max_iter,
        tol=tol,
        monitor=monitor,
        **(options | changes),
    )
    return result, drawn, improvements


FALLING = [9.0, 8.0, 7.0, 6.0, 5.0]


def test_training_goes_through_the_stages_to_the_end():
    monitor = Recorder()
    result, drawn, _ = run_training(FALLING, monitor)
    assert drawn == list(enumerate(STAGES))
    assert monitor.stages == STAGES
    assert len(result.stage_ends) == 4
    assert (np.diff(result.stage_ends, prepend=0) > 0).all()
    assert result.stage_ends[-1] == len(result.loss_curve)
    np.testing.assert_array_equal(result.validation_curve, FALLING[1:])
    np.testing.assert_array_equal(monitor.validation_losses, FALLING[1:])
    np.testing.assert_array_equal(result.loss_curve, monitor.losses)
    assert result.message == ""
    # it ended on the last risk, where its last stage began on the one before
    last = Quadratic(3)
    assert last(result.parameters)[0] == pytest.approx(result.loss_curve[-1])


def test_monitor_sees_stages_and_iterations_in_order():
    monitor = Recorder()
    result, _, _ = run_training(FALLING, monitor)
    expected, longest = [], monitor.events[0][1]
    for n_iter in np.diff(result.stage_ends, prepend=0):
        assert n_iter <= longest
        expected += [("begin", longest), *["iteration"] * n_iter, "end"]
    assert monitor.events == expected


def test_no_stage_may_take_all_iterations():
    """Or one draw of noise would be fitted to the end."""
    monitor = Recorder()
    run_training(FALLING, monitor, max_iter=10_000)
    assert all(event[1] <= 1000 for event in monitor.events if event[0] == "begin")


@given(
    st.builds(Stage, st.integers(1, 10**6), st.integers(1, 16), st.integers(1, 3)),
    st.integers(0, 10_000),
    st.integers(0, 500),
)
def test_a_stage_of_long_runs_is_a_part_of_what_was_done(stage, n_done, previous):
    length = run_length(stage, n_done, previous)
    shortest = run_length(stage, 0, 0)
    assert shortest <= length <= max(shortest, 2 * previous)
    if length > shortest:
        assert stage.n_copies * stage.n_runs * length <= min(n_done / 2, 120)


@pytest.fixture
def runs_are_short(monkeypatch):
    """So that no run ends because it has converged."""
    monkeypatch.setattr("skdsm.training.stages._RUN_ITER", 2)


def losses_that_fall(n_stages, gain=0.1):
    """By the fraction `gain` in each stage."""
    return [(1 + gain) ** -k for k in range(n_stages + 1)]


def told_iterations(monitor):
    return np.array([event[1] for event in monitor.events if event[0] == "begin"])


@pytest.mark.usefixtures("runs_are_short")
def test_runs_become_longer_as_long_as_the_sample_stays_the_same():
    stages, monitor = [Stage(10, 1)] * 6 + [Stage(40, 1)] * 2, Recorder()
    run_training(losses_that_fall(8), monitor, stages=stages)
    told = told_iterations(monitor)
    assert (np.diff(told[:6]) >= 0).all()
    assert told[0] == 2 < told[5]
    assert told[6] == 2 < told[7]


@pytest.mark.usefixtures("runs_are_short")
def test_long_runs_must_gain_in_proportion():
    stages, monitor = [Stage(10, 1)] * 6, Recorder()
    *_, improved = run_training(losses_that_fall(6), monitor, tol=0.06, stages=stages)
    # a gain of 0.1 is enough for less than two shortest runs
    np.testing.assert_array_equal(improved, told_iterations(monitor) < 0.1 / 0.06 * 2)
    assert set(improved) == {True, False}


def run_one_stage(n_runs, monitor, max_iter=10_000):
    """Train on one draw; return what was drawn, and where variables were changed."""
    drawn, changed = [], []

    def draw_risk(index, stage):
        drawn.append(Quadratic(index))
        return drawn[-1]

    def scaling(parameters, risk):
        assert risk is drawn[-1]
        changed.append(parameters)
        return random_change(len(changed))

    result = train(
        START,
        Stage(10, 1, n_runs),
        lambda stage, improved, parameters: None,
        draw_risk,
        scaling,
        validation_risk=lambda parameters: 1.0,
        scale=1.0,
        identity_loss=np.inf,
        max_iter=max_iter,
        tol=0.0,
        learn_gains=True,
        monitor=monitor,
    )
    return result, drawn, changed


def test_runs_of_a_stage_share_a_draw_but_no_change_of_variables():
    monitor = Recorder()
    result, drawn, changed = run_one_stage(3, monitor)
    assert len(drawn) == 1
    assert len(changed) == 3
    # each goes on where the one before has ended
    values = [drawn[0](parameters)[0] for parameters in changed]
    assert values[0] > values[1] >= values[2] >= drawn[0](result.parameters)[0]
    assert monitor.stages == [Stage(10, 1, 3)]
    assert len(result.validation_curve) == len(result.stage_ends) == 1
    # the stage has the bound of its runs
    single = Recorder()
    run_one_stage(1, single)
    assert monitor.events[0] == ("begin", 3 * single.events[0][1])


def test_a_stop_is_not_followed_by_another_run():
    result, _, changed = run_one_stage(3, Recorder(stop_at_iteration=1))
    assert len(changed) == len(result.loss_curve) == 1


def test_runs_do_not_exceed_the_number_of_iterations():
    result, _, changed = run_one_stage(3, None, max_iter=2)
    assert len(result.loss_curve) == 2
    assert len(changed) == 1


@pytest.mark.parametrize("max_iter", [1, 7, 31, 45])
def test_number_of_iterations_is_respected_exactly(max_iter):
    monitor = Recorder()
    result, drawn, _ = run_training(FALLING, monitor, max_iter=max_iter)
    assert len(result.loss_curve) == max_iter
    assert result.stage_ends[-1] == max_iter
    assert len(result.stage_ends) == len(result.validation_curve) == len(drawn)
    assert "maximum number of iterations" in result.message
    # each stage is told what is left
    done = np.concatenate([[0], result.stage_ends[:-1]])
    told = told_iterations(monitor)
    longest = told[0] if max_iter > 30 else max_iter
    np.testing.assert_array_equal(told, np.minimum(longest, max_iter - done))


def test_reaching_the_maximum_at_the_end_is_no_shortage():
    n_iter = len(run_training(FALLING)[0].loss_curve)
    result, _, _ = run_training(FALLING, max_iter=n_iter)
    assert len(result.loss_curve) == n_iter
    assert result.message == ""


def test_scale_and_choice_of_parameters_are_passed_on():
    fixed, _, _ = run_training(FALLING, learn_gains=False)
    np.testing.assert_array_equal(fixed.parameters.gains, START.gains)
    free, _, _ = run_training(FALLING)
    assert (free.parameters.gains != START.gains).all()
    # a risk that is minute for its scale is flat
    flat, _, _ = run_training(FALLING, scale=1e12)
    assert len(flat.loss_curve) < len(free.loss_curve)


def test_each_stage_starts_where_the_last_one_ended():
    starts = []

    def scaling(parameters, risk):
        starts.append((parameters, risk))
        return IDENTITY

    quadratic, left = Quadratic(0), iter(STAGES[1:])
    result = train(
        START,
        STAGES[0],
        lambda stage, improved, parameters: next(left, None) if improved else None,
        lambda index, stage: quadratic,
        scaling,
        validation_risk=lambda parameters: quadratic(parameters)[0],
        scale=1.0,
        identity_loss=np.inf,
        max_iter=1000,
        tol=0.0,
    )
    assert len(starts) > 1
    assert starts[0][0] is START
    assert all(risk is quadratic for _, risk in starts)
    losses_at_starts = [quadratic(parameters)[0] for parameters, _ in starts]
    assert (np.diff(result.loss_curve) < 0).all()
    ends = result.loss_curve[result.stage_ends - 1]
    np.testing.assert_allclose(losses_at_starts[1:], ends[:-1], rtol=1e-12)
    np.testing.assert_array_equal(result.parameters.gains, START.gains)


@pytest.mark.parametrize(
    ("gain", "improved"), [(0.1, True), (0.0005, False), (0.0, False), (-1.0, False)]
)
def test_stage_has_improved_if_the_validation_loss_fell_by_more_than_the_tolerance(
    gain, improved
):
    _, _, improvements = run_training([3.0, 2.0, 1.0, 1.0 - gain, 0.5])
    assert improvements == [True, True, improved, True]


def improves(validation, tol, identity_loss=np.inf):
    return run_training(validation, tol=tol, identity_loss=identity_loss)[2][:2]


def test_tolerance_is_relative():
    # at a negative loss too, which the implicit objective may have
    for size in (1e-9, 1e9, -1e9):
        validation = size + abs(size) * np.array([0.3, 0.2, 0.195, 0.0, 0.0])
        assert improves(validation, 1e-3) == [True, True]
        assert improves(validation, 0.01) == [True, False]
        assert improves(validation, 0.2) == [False, False]


def test_tolerance_is_relative_to_what_doing_nothing_loses_if_that_is_less():
    """At a low noise level nearly all of it stays, whatever the model."""
    # doing nothing loses 1, and the model at most a hundredth less
    validation = [1.0, 0.995, 0.9949, 0.9948, 0.9947]
    assert improves(validation, 1e-3, identity_loss=1.0) == [True, True]
    assert improves(validation, 1e-3, identity_loss=10.0) == [True, False]
    assert improves(validation, 0.05, identity_loss=1.0) == [True, False]


def test_stage_without_an_iteration_is_an_end_as_good_as_any():
    """Where the start is a minimum: one iteration, which found that out."""
    minimum = Quadratic(0)
    start = minimum(START)[1].unpack(minimum.minimum.copy(), *START.components.shape)
    left = iter(STAGES[1:])
    result = train(
        start,
        STAGES[0],
        lambda stage, improved, parameters: next(left, None),
        lambda index, stage: minimum,
        lambda parameters, risk: IDENTITY,
        validation_risk=lambda parameters: minimum(parameters)[0],
        scale=1.0,
        identity_loss=np.inf,
        max_iter=100,
        tol=1e-3,
        learn_gains=True,
    )
    assert len(result.loss_curve) <= 1
    assert len(result.stage_ends) == len(result.validation_curve)
    assert result.message == ""
    np.testing.assert_allclose(result.parameters.pack(), start.pack(), rtol=1e-12)


@pytest.mark.parametrize("iteration", [1, 7, 40])
def test_monitor_may_stop_training_at_an_iteration(iteration):
    monitor = Recorder(stop_at_iteration=iteration)
    result, _, _ = run_training(FALLING, monitor)
    assert len(result.loss_curve) == iteration
    assert result.stage_ends[-1] == iteration
    assert len(result.validation_curve) == len(monitor.stages)
    assert monitor.events[-2:] == ["iteration", "end"]
    assert result.message == ""


@pytest.mark.parametrize("stage", [1, 2, 4])
def test_monitor_may_stop_training_at_a_stage(stage):
    monitor = Recorder(stop_at_stage=stage)
    result, drawn, _ = run_training(FALLING, monitor)
    assert len(drawn) == stage
    assert result.message == ""


def test_line_search_that_fails_is_a_stage_without_improvement():
    """The gradient points the wrong way: no step decreases the value."""
    improvements = []

    def contradictory_risk(parameters):
        value, gradient = Quadratic(0)(parameters)
        return value, Parameters(*(-block for block in gradient))

    def next_stage(stage, improved, parameters):
        improvements.append(improved)
        return STAGES[1] if len(improvements) < 2 else None

    result = train(
        START,
        STAGES[0],
        next_stage,
        lambda index, stage: contradictory_risk,
        lambda parameters, risk: IDENTITY,
        validation_risk=lambda parameters: -Quadratic(0)(parameters)[0],
        scale=1.0,
        identity_loss=np.inf,
        max_iter=5,
        tol=0.0,
        learn_gains=True,
    )
    assert improvements == [False, False]
    np.testing.assert_allclose(result.parameters.pack(), START.pack(), rtol=1e-12)


def test_training_twice_gives_the_same_bits():
    one, other = run_training(FALLING)[0], run_training(FALLING)[0]
    np.testing.assert_array_equal(one.parameters.pack(), other.parameters.pack())
    np.testing.assert_array_equal(one.loss_curve, other.loss_curve)
