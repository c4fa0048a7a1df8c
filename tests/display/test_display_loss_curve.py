"""LossCurveDisplay: the curve, its stages and the validation loss."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from support.pictures import fitted, fitted_pipeline, legend_texts, rows

from skdsm.display import LossCurveDisplay

pytestmark = pytest.mark.usefixtures("figures")


@pytest.fixture(scope="module")
def matcher():
    return fitted()


def line_data(line):
    return np.column_stack(line.get_data())


def test_a_line_for_each_stage(matcher):
    display = LossCurveDisplay.from_estimator(matcher)
    assert len(display.lines_) == len(matcher.stage_ends_) > 1
    begin = 0
    for line, end in zip(display.lines_, matcher.stage_ends_, strict=True):
        expected = [(i + 1, matcher.loss_curve_[i]) for i in range(begin, end)]
        np.testing.assert_array_equal(line_data(line), expected)
        begin = end
    assert begin == matcher.n_iter_


def test_stages_are_marked_between_iterations(matcher):
    display = LossCurveDisplay.from_estimator(matcher)
    assert [line.get_xdata()[0] for line in display.stage_lines_] == [
        end + 0.5 for end in matcher.stage_ends_[:-1]
    ]


def test_the_validation_loss_is_at_the_end(matcher):
    display = LossCurveDisplay.from_estimator(matcher)
    expected = [(matcher.n_iter_, matcher.loss_)]
    np.testing.assert_array_equal(line_data(display.validation_), expected)
    assert legend_texts(display) == ["training", "validation", "new stage"]


def test_a_validation_loss_for_each_stage():
    display = LossCurveDisplay(
        loss_curve=np.array([3.0, 2.0, 2.5, 1.5]),
        stage_ends=np.array([2, 4]),
        validation_loss=np.array([2.2, 1.7]),
    ).plot()
    expected = [(2, 2.2), (4, 1.7)]
    np.testing.assert_array_equal(line_data(display.validation_), expected)


def test_one_stage_without_validation():
    display = LossCurveDisplay(loss_curve=[3.0, 2.0, 1.9]).plot()
    (line,) = display.lines_
    np.testing.assert_array_equal(line_data(line), [(1, 3.0), (2, 2.0), (3, 1.9)])
    assert display.stage_lines_ == []
    assert display.validation_ is None
    assert legend_texts(display) == ["training"]


@pytest.mark.parametrize(
    ("loss", "scale"),
    [
        ([1.0, 0.5, 0.4], "linear"),
        ([3.0, 2.0, 1.0], "log"),
        ([3.0, 2.0, 0.0], "linear"),
        ([3.0, 1.0, -1.0], "linear"),
        ([-1.0, -3.0, -9.0], "linear"),
    ],
)
def test_the_scale_is_logarithmic_if_that_helps(loss, scale):
    display = LossCurveDisplay(loss_curve=np.array(loss))
    assert display.plot().ax_.get_yscale() == scale
    assert display.plot(yscale="linear").ax_.get_yscale() == "linear"


def test_ticks_of_a_logarithmic_scale_are_plain_numbers():
    display = LossCurveDisplay(loss_curve=np.array([0.03, 0.02, 0.008])).plot()
    display.figure_.canvas.draw()
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert {"0.01", "0.02"} <= set(labels)
    assert not any(label.get_text() for label in display.ax_.get_yticklabels("minor"))


def test_a_pipeline_shows_the_curve_of_its_model():
    pipeline = fitted_pipeline(rows())
    display = LossCurveDisplay.from_estimator(pipeline)
    assert display.loss_curve is pipeline[-1].loss_curve_
    assert display.ax_.get_xlabel() == "L-BFGS iteration"
    assert display.ax_.get_ylabel() == "loss (squared units of X)"


def test_lines_can_be_styled(matcher):
    display = LossCurveDisplay.from_estimator(
        matcher,
        line_kw={"c": "red", "lw": 3},
        stage_kw={"ls": ":"},
        validation_kw={"ms": 9},
    )
    for line in display.lines_:
        assert to_rgba(line.get_color()) == to_rgba("red")
        assert line.get_linewidth() == 3
    assert all(line.get_linestyle() == ":" for line in display.stage_lines_)
    assert display.validation_.get_markersize() == 9
