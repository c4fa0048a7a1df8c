"""A fit, from prepared rows to the model: its parts, its start, its rows, its end."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from support.quick_fits import normal_rows, settings

from skdsm.model.energy import EnergyModel
from skdsm.rows.in_memory import InMemoryRows, prepare_rows
from skdsm.training.fit import Parts, fit_energy_model


@dataclass(frozen=True, eq=False)
class WatchedRows(InMemoryRows):
    """Rows that note what risks are drawn on: the rows, and the first corrupted one."""

    drawn: list = field(default_factory=list)

    def risk(self, settings, seed, map=map):
        risk = super().risk(settings, seed, map)
        rows = {row.tobytes() for row in self.centred()}
        self.drawn.append((rows, risk.sample(1)[0][0]))
        return risk


def watched(n_rows, n_features=3):
    rows = prepare_rows(normal_rows(n_rows, n_features), None, 0)
    return WatchedRows(rows.centred(), rows.weight, rows.mean)


def test_each_part_can_be_replaced_and_is_used():
    rows = prepare_rows(normal_rows(300), None, 0)
    options = settings(max_iter=40)
    expected = fit_energy_model(rows, options, 0).training
    used = set()

    def noted(name, part):
        def replacement(*args, **keywords):
            used.add(name)
            return part(*args, **keywords)

        return replacement

    parts = Parts(*(noted(name, part) for name, part in Parts()._asdict().items()))
    actual = fit_energy_model(rows, options, 0, parts=parts).training
    assert used == set(Parts._fields)
    np.testing.assert_array_equal(actual.loss_curve, expected.loss_curve)


def test_a_given_start_is_not_drawn():
    rows = prepare_rows(normal_rows(300), None, 0)
    options = settings(max_iter=3)
    start = fit_energy_model(rows, options, 0).model.parameters
    fit_energy_model(rows, options, 0, start=start, parts=Parts(start=None))


def test_a_start_is_in_the_frame_of_the_rows_as_given():
    """Of a converged model the loss at the start is the loss at the end."""
    rows = prepare_rows(normal_rows(300) + 100, None, 0)
    model, before = fit_energy_model(rows, settings(tol=1e-4), 0)
    _, after = fit_energy_model(rows, settings(max_iter=1), 0, start=model.parameters)
    assert after.loss_curve[0] == pytest.approx(before.loss_curve[-1], rel=0.05)


def test_no_stage_on_a_sample_sees_the_rows_it_is_validated_on():
    rows = watched(6000)
    fit_energy_model(rows, settings(tol=1e9), 0)
    validation, *stages = (drawn for drawn, _ in rows.drawn)
    assert len(validation) == 4096
    sizes = [len(stage) for stage in stages]
    assert sizes == [1500, 6000, 6000, 6000]
    for stage, size in zip(stages, sizes, strict=True):
        assert len(stage & validation) == (4096 if size == 6000 else 0)


def test_every_stage_and_the_validation_meet_noise_of_their_own():
    rows = watched(600)
    _, training = fit_energy_model(rows, settings(tol=1e-3), 0)
    noisy = [first for _, first in rows.drawn]
    assert len(noisy) == 1 + len(training.stage_ends) > 3
    assert len(np.unique(noisy, axis=0)) == len(noisy)


@pytest.mark.parametrize("weight", [None, np.arange(1.0, 301.0)], ids=["", "weighted"])
def test_the_model_is_in_the_frame_of_the_rows_as_given(weight):
    X = normal_rows(300) * [1, 2, 3] + 100
    rows = prepare_rows(X, weight, 0)
    model, training = fit_energy_model(rows, settings(max_iter=20), 0)
    mean = np.average(X, axis=0, weights=weight)
    np.testing.assert_allclose(model.location, mean, rtol=1e-12)
    square = ((X - mean) ** 2).sum(axis=1)
    spread = np.sqrt(np.average(square, weights=weight))
    assert model.spread == pytest.approx(spread, rel=1e-12)
    given = EnergyModel(model.parameters, model.sigma)
    centred = EnergyModel(training.parameters, model.sigma)
    np.testing.assert_allclose(given.energy(X), centred.energy(X - mean), rtol=1e-9)
