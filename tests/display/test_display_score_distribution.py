"""ScoreDistributionDisplay: histograms by label, and the threshold."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgba
from support.pictures import fitted_pipeline, frame, legend_texts, rows

from skdsm.display import ScoreDistributionDisplay

pytestmark = pytest.mark.usefixtures("figures")

rng = np.random.default_rng(0)
X = rows()
FAR = np.concatenate([X, X[:9] + [0.0, 5e4]])
Y = np.repeat(["normal", "odd"], [len(X), 9])
SCORES = np.concatenate([rng.normal(3, 1, 50), rng.normal(-3, 2, 20)])
LABELS = np.repeat([1, 0], [50, 20])
draw = ScoreDistributionDisplay.from_predictions


@pytest.fixture(scope="module")
def pipeline():
    return fitted_pipeline(X)


def bars(patch):
    data = patch.get_data()
    return data.values, data.edges


def test_bars_count_the_rows_of_each_label():
    display = draw(LABELS, SCORES, threshold=0.5)
    assert len(display.bars_) == 2
    for label, patch in zip([0, 1], display.bars_, strict=True):
        shares, edges = bars(patch)
        scores = SCORES[label == LABELS] - 0.5
        for share, low, high in zip(shares, edges, edges[1:], strict=False):
            count = sum(low <= score < high for score in scores)
            assert share == pytest.approx(count / len(scores))
        assert shares.sum() == pytest.approx(1)


@pytest.mark.parametrize("xscale", ["linear", "symlog"])
@pytest.mark.parametrize("threshold", [None, -2.0, 30.0])
def test_every_row_is_in_a_bar(threshold, xscale):
    display = draw(LABELS, SCORES, threshold=threshold, xscale=xscale)
    for patch in display.bars_:
        assert bars(patch)[0].sum() == pytest.approx(1)
    edges = bars(display.bars_[0])[1]
    assert display.ax_.get_xlim() == pytest.approx(edges[[0, -1]])


@pytest.mark.parametrize("bins", [20, 23, 27, 40, 41])
def test_rounding_leaves_out_no_extreme_row(bins):
    for low in (-60176.58078983288, -999.3365108765926, -841894.6306088693):
        # between the lowest score and the threshold lies a whole number of bars
        scores = np.array([low, -1.0, -0.5, 0.0])
        display = draw(None, scores, threshold=0.0, bins=bins, xscale="symlog")
        assert bars(display.bars_[0])[0].sum() == 1


@settings(max_examples=30)  # each draws a figure
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20),
    st.floats(-100, 100) | st.none(),
)
def test_every_row_is_in_a_bar_whatever_the_scores(scores, threshold):
    display = ScoreDistributionDisplay(y_score=np.array(scores), threshold=threshold)
    display.plot(legend=False)
    plt.close(display.figure_)
    assert bars(display.bars_[0])[0].sum() == pytest.approx(1)


@pytest.mark.parametrize("xscale", ["linear", "symlog"])
def test_bars_left_of_the_threshold_are_the_rows_predicted_as_outliers(
    pipeline, xscale
):
    display = ScoreDistributionDisplay.from_estimator(pipeline, FAR, Y, xscale=xscale)
    is_outlier = pipeline.predict(FAR) == -1
    assert 0 < is_outlier[Y == "normal"].mean() < 1
    for label, patch in zip(["normal", "odd"], display.bars_, strict=True):
        shares, edges = bars(patch)
        assert 0 in edges
        left = shares[edges[:-1] < 0].sum()
        assert left == pytest.approx(is_outlier[label == Y].mean())


def test_the_threshold_is_at_zero_and_its_outlier_side_is_shaded(pipeline):
    display = ScoreDistributionDisplay.from_estimator(pipeline, FAR, Y)
    assert display.threshold == pipeline[-1].offset_
    assert list(display.threshold_.get_xdata()) == [0, 0]
    shade = display.outlier_side_
    assert shade.get_x() == pytest.approx(display.ax_.get_xlim()[0])
    assert shade.get_x() + shade.get_width() == pytest.approx(0)
    assert display.ax_.get_xlabel() == "score_samples relative to threshold"
    assert "outlier side" in legend_texts(display)


@pytest.mark.parametrize("threshold", [-20.0, 20.0])
def test_a_threshold_beyond_all_scores_is_shown(threshold):
    display = draw(LABELS, SCORES, threshold=threshold)
    low, high = display.ax_.get_xlim()
    assert low <= 0 <= high
    shares, edges = bars(display.bars_[0])
    assert shares[edges[:-1] < 0].sum() == pytest.approx(float(threshold > 0))


def test_scores_are_those_of_the_estimator(pipeline):
    display = ScoreDistributionDisplay.from_estimator(pipeline, FAR, Y)
    np.testing.assert_array_equal(display.y_score, pipeline.score_samples(FAR))
    np.testing.assert_array_equal(display.y_true, Y)


def test_without_a_threshold_scores_are_shown_as_they_are():
    display = draw(LABELS, SCORES + 40, name="log-density")
    assert display.threshold_ is display.outlier_side_ is None
    assert display.ax_.get_xlabel() == "log-density"
    low, high = display.ax_.get_xlim()
    assert 25 < low < high < 50
    assert legend_texts(display) == ["0 (20)", "1 (50)"]


def test_the_median_is_the_origin_of_a_bent_scale_without_a_threshold():
    scores = np.append(SCORES + 1000, -1e5)
    display = draw(None, scores)
    assert display.ax_.get_xlabel() == "score relative to median"
    shares, edges = bars(display.bars_[0])
    assert shares[edges[:-1] < 0].sum() == pytest.approx(0.5, abs=0.02)


# --- The scale ---


@pytest.mark.parametrize(
    ("scores", "scale"),
    [(SCORES, "linear"), (np.append(SCORES, -1e4), "symlog"), (np.ones(5), "linear")],
    ids=["moderate", "far out", "all the same"],
)
def test_the_scale_is_bent_if_some_rows_are_far_out(scores, scale):
    assert draw(None, scores, threshold=0.0).ax_.get_xscale() == scale
    display = draw(None, scores, threshold=0.0, xscale="linear")
    assert display.ax_.get_xscale() == "linear"


def test_bars_have_one_width_on_the_axis():
    for scores in (SCORES, np.append(SCORES, -1e4)):
        display = draw(None, scores, threshold=0.0, bins=25)
        _, edges = bars(display.bars_[0])
        assert 25 <= len(edges) - 1 <= 27
        transform = display.ax_.xaxis.get_transform()
        widths = np.diff(transform.transform(edges))
        np.testing.assert_allclose(widths, widths[0])


def test_the_bulk_is_seen_beside_rows_that_are_far_out():
    bulk = np.linspace(0, 10, 100)
    display = draw(None, np.append(bulk, -1e6), threshold=1.0)
    shares, _ = bars(display.bars_[0])
    assert np.count_nonzero(shares) > 8


# --- Labels ---


def test_labels_and_numbers_are_in_the_legend(pipeline):
    display = ScoreDistributionDisplay.from_estimator(pipeline, FAR, Y)
    texts = ["normal (60)", "odd (9)", "outlier side"]
    assert legend_texts(display) == texts
    assert display.ax_.get_ylabel() == "share of the label's rows"


def test_without_labels_all_rows_are_one(pipeline):
    display = ScoreDistributionDisplay.from_estimator(pipeline, FAR)
    assert legend_texts(display) == ["all rows (69)", "outlier side"]
    assert display.ax_.get_ylabel() == "share of all rows"


@pytest.mark.parametrize("labels", [[True, False], [-1, 1], ["a", "b"]])
def test_labels_of_any_kind(labels):
    y = np.array(labels)[LABELS]
    display = draw(list(y), list(SCORES))
    assert legend_texts(display)[0] == f"{min(labels)} ({np.sum(y == min(labels))})"


def test_more_labels_than_colors():
    display = draw(np.arange(20) % 10, np.arange(20.0))
    assert len(display.bars_) == 10
    colors = {patch.get_edgecolor() for patch in display.bars_}
    assert len(colors) == 8


def test_artists_can_be_styled():
    display = draw(
        LABELS,
        SCORES,
        threshold=0.0,
        bar_kw={"color": "red"},
        threshold_kw={"c": "green"},
        shade_kw={"fc": "yellow"},
    )
    for patch in display.bars_:
        assert patch.get_facecolor() == to_rgba("red")
    assert to_rgba(display.threshold_.get_color()) == to_rgba("green")
    assert display.outlier_side_.get_facecolor() == to_rgba("yellow")


# --- Names and bad input ---


def test_frames_are_taken_by_name():
    X = frame()
    pipeline = fitted_pipeline(X)
    display = ScoreDistributionDisplay.from_estimator(pipeline, X, Y[: len(X)])
    np.testing.assert_array_equal(display.y_score, pipeline.score_samples(X))
    with pytest.raises(ValueError, match="Feature names"):
        ScoreDistributionDisplay.from_estimator(pipeline, X.rename(columns=str.upper))


@pytest.mark.parametrize(
    ("y_true", "y_score", "kwargs", "message"),
    [
        ([1, 0], [1.0], {}, "inconsistent numbers"),
        ([1, 0], [1.0, np.nan], {}, "NaN"),
        ([1, 0], [1.0, np.inf], {}, "infinity"),
        ([[1, 0]], [1.0, 2.0], {}, "1d array"),
        ([1, 0], [[1.0, 2.0]], {}, "1d array"),
        ([], [], {}, "0 sample"),
        ([1, 0], [1.0, 2.0], {"xscale": "log"}, "xscale must be"),
    ],
)
def test_bad_input_is_refused(y_true, y_score, kwargs, message):
    with pytest.raises(ValueError, match=message):
        draw(y_true, y_score, **kwargs)
