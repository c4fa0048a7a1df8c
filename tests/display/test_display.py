"""What all displays have in common."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.pictures import Sampler, fitted, rows
from support.quick_fits import normal_rows, quick

import skdsm.display
from skdsm.display import (
    EnergyDisplay,
    FeatureContributionsDisplay,
    LossCurveDisplay,
    SamplesDisplay,
    ScoreDistributionDisplay,
    ScoreFieldDisplay,
)

pytestmark = pytest.mark.usefixtures("figures")

X = rows()


def from_estimator(display, estimator, X=X, **kwargs):
    if display is LossCurveDisplay:
        return display.from_estimator(estimator, **kwargs)
    return display.from_estimator(estimator, X, **kwargs)


DISPLAYS = [
    EnergyDisplay,
    FeatureContributionsDisplay,
    LossCurveDisplay,
    SamplesDisplay,
    ScoreDistributionDisplay,
    ScoreFieldDisplay,
]
WITH_ROWS = [display for display in DISPLAYS if display is not LossCurveDisplay]

# the names at the bars say all there is to say
WITH_LEGEND = [
    display for display in DISPLAYS if display is not FeatureContributionsDisplay
]

every_display = pytest.mark.parametrize("display", DISPLAYS)
every_display_of_rows = pytest.mark.parametrize("display", WITH_ROWS)
every_display_with_legend = pytest.mark.parametrize("display", WITH_LEGEND)


def model(**parameters):
    return make_pipeline(StandardScaler(), Sampler(4, random_state=0, **parameters))


@pytest.fixture(scope="module")
def pipeline():
    return model().fit(X)


def test_all_displays_are_tested():
    assert {display.__name__ for display in DISPLAYS} == set(skdsm.display.__all__)


@every_display
def test_a_figure_is_made_if_there_are_no_axes(display, pipeline):
    before = plt.get_fignums()
    shown = from_estimator(display, pipeline)
    assert len(plt.get_fignums()) == len(before) + 1
    assert shown.figure_ is plt.gcf()
    assert shown.ax_ in shown.figure_.axes


@every_display
def test_axes_given_are_drawn_on(display, pipeline):
    figure, (left, right) = plt.subplots(ncols=2)
    before = plt.get_fignums()
    shown = from_estimator(display, pipeline, ax=right)
    assert plt.get_fignums() == before
    assert shown.figure_ is figure
    assert shown.ax_ is right
    assert not left.has_data()


@every_display
def test_a_subfigure_is_drawn_on(display, pipeline):
    left, _ = plt.figure().subfigures(ncols=2)
    shown = from_estimator(display, pipeline, ax=left.subplots())
    assert shown.figure_ is left


@every_display
def test_a_display_can_be_drawn_again(display, pipeline):
    shown = from_estimator(display, pipeline)
    first = shown.figure_
    assert shown.plot() is shown
    assert shown.figure_ is not first


@every_display_with_legend
def test_legends_can_be_left_out(display, pipeline):
    assert from_estimator(display, pipeline).legend_ is not None
    assert from_estimator(display, pipeline, legend=False).legend_ is None


@every_display_with_legend
def test_legends_cover_no_data(display, pipeline):
    with plt.rc_context({"figure.figsize": (4, 3)}):
        shown = from_estimator(display, pipeline)
    shown.figure_.canvas.draw()
    legend = shown.legend_.get_window_extent()
    for ax in shown.figure_.axes:
        assert not legend.shrunk(0.98, 0.98).overlaps(ax.get_window_extent())
    assert shown.figure_.bbox.padded(1).fully_containsx(legend.x0)
    assert shown.figure_.bbox.padded(1).fully_containsx(legend.x1)
    assert shown.figure_.bbox.padded(1).fully_containsy(legend.y1)


def test_long_legends_do_not_squeeze_the_axes():
    with plt.rc_context({"figure.figsize": (4, 3)}):
        shown = ScoreDistributionDisplay.from_predictions(
            [f"a label with a long name, number {i}" for i in range(3)], [1.0, 2.0, 3.0]
        )
    shown.figure_.canvas.draw()
    width = shown.ax_.get_window_extent().width
    assert width > 0.6 * shown.figure_.bbox.width
    # but what fits in a line is in one
    short = ScoreDistributionDisplay.from_predictions(["a", "b"], [1.0, 2.0])
    tops = {text.get_window_extent().y1 for text in short.legend_.get_texts()}
    assert np.ptp(list(tops)) < 5


@every_display
def test_axes_are_labelled(display, pipeline):
    ax = from_estimator(display, pipeline).figure_.axes[-1]
    assert ax.get_xlabel() or ax.get_ylabel()


@every_display
def test_unfitted_estimators_are_refused(display):
    with pytest.raises(NotFittedError):
        from_estimator(display, quick())
    with pytest.raises(NotFittedError):
        from_estimator(display, model())


@every_display
@pytest.mark.parametrize(
    "other",
    [StandardScaler(), make_pipeline(StandardScaler()), make_pipeline("passthrough")],
    ids=["estimator", "pipeline", "passthrough"],
)
def test_other_estimators_are_refused(display, other):
    with pytest.raises(TypeError, match="must be a DenoisingScoreMatcher or a Pipel"):
        from_estimator(display, other)


@every_display_of_rows
def test_rows_unlike_those_of_the_fit_are_refused(display, pipeline):
    with pytest.raises(ValueError, match="3 features"):
        from_estimator(display, pipeline, rows(3))
    with pytest.raises(ValueError, match="2D array"):
        from_estimator(display, pipeline, X[:, 0])
    with pytest.raises(ValueError, match="could not convert"):
        from_estimator(display, pipeline, [["a", "b"]])


@pytest.mark.parametrize(
    "display",
    [
        display
        for display in WITH_ROWS
        if display not in (FeatureContributionsDisplay, ScoreDistributionDisplay)
    ],
)
def test_a_bare_model_refuses_missing_values_in_a_plane(display):
    holes = X.copy()
    holes[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        from_estimator(display, Sampler(4, random_state=0).fit(X), holes)


@every_display
def test_the_estimator_is_left_as_it_was(display):
    estimator = model().fit(X)
    before = {name: np.copy(v) for name, v in vars(estimator[-1]).items()}
    from_estimator(display, estimator)
    after = vars(estimator[-1])
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name], err_msg=name)


@every_display
def test_pipelines_may_be_nested_or_have_one_step(display):
    nested = make_pipeline(StandardScaler(), model())
    alone = make_pipeline(clone(model()[-1]))
    for estimator in (nested, alone):
        from_estimator(display, estimator.fit(X))


@every_display
def test_without_matplotlib_an_error_says_so(display, pipeline, monkeypatch):
    shown = from_estimator(display, pipeline)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw in (lambda: from_estimator(display, pipeline), shown.plot):
        with pytest.raises(ImportError, match=f"{display.__name__}.* requires matplot"):
            draw()


def test_constructors_store_what_they_are_given():
    for display in DISPLAYS:
        made = from_estimator(display, model().fit(X))
        stored = {k: v for k, v in vars(made).items() if not k.endswith("_")}
        again = display(**stored)
        assert vars(again).keys() == stored.keys()
        assert all(vars(again)[name] is value for name, value in stored.items())


def test_one_feature_is_enough_without_a_plane():
    one = normal_rows(40, 1)
    estimator = Sampler(4, random_state=0).fit(one)
    for display in set(DISPLAYS) - {EnergyDisplay, ScoreFieldDisplay}:
        from_estimator(display, estimator, one)
    for display in (EnergyDisplay, ScoreFieldDisplay):
        with pytest.raises(ValueError, match="at least two features"):
            from_estimator(display, estimator, one)


def test_other_rankings_and_gains_can_be_shown():
    for parameters in ({"ranking": "score_norm"}, {"gains": "learned", "alpha": 0.1}):
        for display in (EnergyDisplay, ScoreDistributionDisplay):
            from_estimator(display, fitted(X, **parameters))
