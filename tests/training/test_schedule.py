"""Samples grow: first the rows, then the corrupted copies of each, then it ends."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from support.quick_fits import normal_rows
from support.quick_fits import settings as fit_settings

from skdsm.rows.in_memory import prepare_rows
from skdsm.training.fit import fit_energy_model
from skdsm.training.schedule import (
    UNQUESTIONED_ROWS,
    UNQUESTIONED_SIZE,
    Schedule,
    Stage,
)
from skdsm.training.stages import Monitor

SCHEDULES = st.builds(
    Schedule,
    n_rows=st.integers(1, 10**7),
    n_copies=st.integers(1, 5000),
    smallest=st.integers(1, 10**5),
)
many_times = settings(deadline=None, max_examples=100)


def size(stage):
    return stage.n_rows * stage.n_copies


def walk(plan, improvements):
    """All stages; where the improvements have run out, there are none."""
    stages, stage = [], plan.first()
    while stage is not None:
        stages.append(stage)
        assert len(stages) < 100
        stage = plan.after(stage, improved=next(improvements, False))
    return stages


@many_times
@given(SCHEDULES)
def test_without_improvement_samples_grow_to_the_end_and_training_ends(plan):
    stages = walk(plan, iter([]))
    assert stages[-1] == Stage(plan.n_rows, plan.n_copies)
    for smaller, larger in zip(stages[:-1], stages[1:], strict=True):
        assert smaller.n_rows <= larger.n_rows
        assert size(smaller) < size(larger) <= 8 * size(smaller)
        if smaller.n_rows == larger.n_rows:
            assert larger.n_copies <= 2 * smaller.n_copies


@many_times
@given(SCHEDULES, st.lists(st.booleans(), max_size=30))
def test_samples_never_shrink_and_stay_in_their_bounds(plan, improvements):
    stages = walk(plan, iter(improvements))
    sizes = [size(stage) for stage in stages]
    assert sizes == sorted(sizes)
    smallest = min(plan.smallest, size(plan.last()))
    for stage in stages:
        assert 1 <= stage.n_rows <= plan.n_rows
        assert 1 <= stage.n_copies <= plan.n_copies
        assert size(stage) >= smallest
        # rows before copies: more rows teach more
        assert stage.n_rows == plan.n_rows or stage.n_copies == 1
    assert stages[-1] == plan.last()


@many_times
@given(SCHEDULES)
def test_training_begins_with_hardly_more_than_the_smallest_sample(plan):
    first = plan.first()
    assert size(first) >= min(plan.smallest, size(plan.last()))
    if first.n_copies > 1:
        assert first.n_rows == plan.n_rows
        assert (first.n_copies - 1) * first.n_rows < plan.smallest
    else:
        assert first.n_rows // 4 < plan.smallest


@many_times
@given(SCHEDULES)
def test_only_a_stage_on_part_of_the_rows_has_several_runs(plan):
    for stage in walk(plan, iter([])):
        assert (stage.n_runs > 1) == (stage.n_rows < plan.n_rows)


@many_times
@given(SCHEDULES)
def test_what_improves_goes_on(plan):
    for stage in walk(plan, iter([])):
        assert plan.after(stage, improved=True) == stage


@many_times
@given(SCHEDULES)
def test_warm_start_is_on_all_that_is_unquestioned(plan):
    warm = plan.warm()
    assert warm.n_rows == min(plan.n_rows, max(UNQUESTIONED_ROWS, plan.smallest))
    assert warm.n_copies == (plan.n_copies if warm.n_rows == plan.n_rows else 1)
    assert plan.after(warm, improved=True) == warm


@many_times
@given(SCHEDULES)
def test_nothing_follows_all_rows_and_copies(plan):
    assert plan.last()[:2] == (plan.n_rows, plan.n_copies)
    assert plan.after(plan.last(), improved=False) is None


@many_times
@given(SCHEDULES, st.integers(0, 5))
def test_growth_is_questioned_where_it_is_dear_and_ends_with_the_first_no(plan, n_yes):
    answers = []

    def pays():
        answers.append(len(answers) < n_yes)
        return answers[-1]

    stages, stage = [], plan.first()
    while stage is not None:
        stages.append(stage)
        stage = plan.after(stage, False, pays)
    many_rows = plan.n_rows > max(UNQUESTIONED_ROWS, plan.smallest)
    asked = [
        stage
        for stage in stages
        if size(stage) < size(plan.last())
        and stage.n_rows >= plan.unquestioned
        and size(stage) >= UNQUESTIONED_SIZE
    ]
    assert len(answers) == len(asked)
    assert stages[-1] == plan.last() or answers == [True] * n_yes + [False]
    if many_rows:
        assert asked[0] == Stage(plan.unquestioned, 1, 2)
    if not asked:
        assert stages == walk(plan, iter([]))


def test_more_rows_begin_like_as_many_as_are_unquestioned():
    few, many = Schedule(UNQUESTIONED_ROWS, 4, 2048), Schedule(10**9, 4, 2048)
    sizes = [[size(stage) for stage in walk(plan, iter([]))] for plan in (few, many)]
    n_rows = [n for n in sizes[0] if n <= UNQUESTIONED_ROWS]
    assert sizes[1][: len(n_rows)] == n_rows


class Stages(Monitor):
    """Notes the stages."""

    def __init__(self):
        self.stages = []

    def begin_stage(self, stage, max_iter):
        self.stages.append(stage)


def test_fit_follows_its_schedule():
    rows = prepare_rows(normal_rows(6000, 3), None, 0)
    options = fit_settings(n_corruptions=4, tol=1e9, max_iter=300)
    monitor = Stages()
    model, training = fit_energy_model(rows, options, 0, monitor=monitor)
    first = monitor.stages[0]
    assert 4 * (4 * 3) <= size(first) < 6000  # parameters, four times
    expected = [(1500, 1, 2)]
    expected += [(6000, n_copies, 1) for n_copies in (1, 2, 4)]
    assert monitor.stages == expected
    assert len(training.stage_ends) == 4
    monitor = Stages()
    fit_energy_model(rows, options, 0, start=model.parameters, monitor=monitor)
    np.testing.assert_array_equal(np.unique(monitor.stages, axis=0), [(6000, 4, 1)])


def test_no_sample_is_smaller_than_the_model_needs():
    monitor = Stages()
    options = fit_settings(n_components=100, max_iter=1)
    rows = prepare_rows(normal_rows(5000, 10), None, 0)
    fit_energy_model(rows, options, 0, monitor=monitor)
    assert size(monitor.stages[0]) >= 1000  # parameters
