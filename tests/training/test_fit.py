"""Training asks its parts, and only them, for schedule, start, risk and variables."""

import numpy as np
from support.quick_fits import normal_rows, settings

from skdsm.rows.in_memory import prepare_rows
from skdsm.training.empirical_risk import EmpiricalRisk
from skdsm.training.fit import Parts, fit_energy_model


def test_each_part_can_be_replaced_and_is_used():
    rows = prepare_rows(normal_rows(300), None, 0)
    options = settings(max_iter=40)
    expected = fit_energy_model(rows, options, 0)
    asked = []

    def noted(name, part):
        def replacement(*args, **keywords):
            asked.append(name)
            return part(*args, **keywords)

        return replacement

    parts = Parts(*(noted(name, part) for name, part in Parts()._asdict().items()))
    result = fit_energy_model(rows, options, 0, parts=parts)
    assert set(asked) == set(Parts._fields)
    assert asked.count("scaling") == len(result.stage_ends)
    assert asked.count("risk") == 1 + len(result.stage_ends)  # and for validation
    np.testing.assert_array_equal(result.loss_curve, expected.loss_curve)


def test_a_given_start_is_not_drawn():
    rows = prepare_rows(normal_rows(300), None, 0)
    options = settings(max_iter=3)
    start = fit_energy_model(rows, options, 0).parameters
    fit_energy_model(rows, options, 0, start=start, parts=Parts(start=None))


def test_no_stage_on_a_sample_sees_the_rows_it_is_validated_on():
    rows = prepare_rows(normal_rows(20_000, 3), None, 0)
    drawn = []

    def risk(rows, options, seed, map):
        drawn.append({row.tobytes() for row in rows.X})
        return EmpiricalRisk(rows, options, seed, map=map)

    options = settings(tol=1e9)
    fit_energy_model(rows, options, 0, parts=Parts(risk=risk))
    validation, *stages = drawn
    assert len(validation) == 4096
    sizes = [len(stage) for stage in stages]
    assert sizes == [1250, 5000, 20_000, 20_000, 20_000]
    for stage, size in zip(stages, sizes, strict=True):
        assert len(stage & validation) == (4096 if size == 20_000 else 0)
