"""FeatureContributionsDisplay: bars of one row, a heat map of many."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import LogNorm, to_rgba
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from support.pictures import NAMES, fitted, fitted_pipeline, frame, rows
from support.quick_fits import normal_rows, quick

from skdsm.display import FeatureContributionsDisplay

pytestmark = pytest.mark.usefixtures("figures")

draw = FeatureContributionsDisplay.from_estimator
VALUES = np.array([[1.0, 4.0, 0.0, 3.0], [5.0, 0.0, 0.0, 5.0], [0.0, 0.0, 9.0, 1.0]])
LETTERS = list("abcd")


def display_of(values, **kwargs):
    return FeatureContributionsDisplay(
        contributions=values, feature_names=LETTERS, **kwargs
    )


def tick_texts(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def bars(display):
    names = tick_texts(display.ax_.yaxis)
    lengths = [bar.get_width() for bar in display.bars_]
    return dict(zip(names, lengths, strict=True))


def cells(display):
    return np.asarray(display.image_.get_array())


# --- One row ---


def test_bars_are_contributions_the_largest_on_top():
    display = display_of(VALUES[:1]).plot()
    assert list(bars(display).items()) == [("b", 4), ("d", 3), ("a", 1), ("c", 0)]
    low, high = display.ax_.get_ylim()
    assert low > high  # the first is on top
    assert display.image_ is display.colorbar_ is None
    assert "contribution" in display.ax_.get_xlabel()


def test_features_left_out_are_summed():
    display = display_of(VALUES[:1]).plot(max_features=2)
    assert list(bars(display).items()) == [("b", 4), ("d", 3), ("2 others", 1)]


@pytest.mark.parametrize("n_rows", [1, 5])
def test_contributions_are_those_of_the_prepared_rows(n_rows):
    X = rows(3)
    pipeline = fitted_pipeline(X)
    display = draw(pipeline, X[:n_rows])
    expected = pipeline[-1].feature_contributions(pipeline[0].transform(X[:n_rows]))
    np.testing.assert_array_equal(display.contributions, expected)
    if n_rows == 1:
        names = [f"feature {j}" for j in range(3)]
        assert bars(display) == dict(zip(names, expected[0], strict=True))
    else:
        shares = expected / expected.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(cells(display), shares)


def test_a_bare_model_will_do():
    matcher, X = fitted(), rows()[:1]
    np.testing.assert_array_equal(
        draw(matcher, X).contributions, matcher.feature_contributions(X)
    )


# --- Many rows ---


def test_cells_are_shares_of_the_row():
    display = display_of(VALUES).plot()
    expected = VALUES / VALUES.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(cells(display), expected)
    assert tick_texts(display.ax_.xaxis) == LETTERS
    assert tick_texts(display.ax_.yaxis) == ["0", "1", "2"]
    assert display.image_.get_clim() == pytest.approx((0, 0.9))
    assert display.bars_ is None
    assert "share" in display.colorbar_.ax.get_ylabel()


def test_features_of_a_heat_map_keep_their_order():
    display = display_of(VALUES).plot(max_features=2)
    shares = VALUES / VALUES.sum(axis=1, keepdims=True)
    assert tick_texts(display.ax_.xaxis) == ["c", "d", "2 others"]
    expected = np.column_stack([shares[:, 2:], shares[:, :2].sum(axis=1)])
    np.testing.assert_allclose(cells(display), expected)


def test_shares_of_extreme_rows_are_finite():
    values = np.array([[0.0, 0, 0, 0], [1e308, 1e308, 1e308, 0], [5e-324, 0, 0, 0]])
    expected = [[0, 0, 0, 0], [1 / 3, 1 / 3, 1 / 3, 0], [1, 0, 0, 0]]
    np.testing.assert_allclose(cells(display_of(values).plot()), expected)


def test_names_of_rows_are_left_out_where_there_is_no_room():
    display = display_of(np.tile(VALUES, (20, 1))).plot()
    assert len(display.ax_.get_yticks()) < 20
    assert display.ax_.get_ylabel() == "row"


# --- Names ---


def test_frames_name_features_and_rows():
    X = frame(3)
    pipeline = fitted_pipeline(X)
    one, many = draw(pipeline, X.iloc[[7]]), draw(pipeline, X.iloc[[7, 3]])
    assert set(bars(one)) == set(NAMES)
    assert one.ax_.get_title() == "row 7"
    assert tick_texts(many.ax_.xaxis) == NAMES
    assert tick_texts(many.ax_.yaxis) == ["7", "3"]
    renamed = draw(pipeline, X.iloc[:2], row_names=["first", "second"])
    assert tick_texts(renamed.ax_.yaxis) == ["first", "second"]


def test_steps_that_make_other_features_name_them():
    X = frame(3)
    pipeline = make_pipeline(StandardScaler(), PCA(2), quick()).fit(X)
    assert draw(pipeline, X).feature_names == ["pca0", "pca1"]
    nested = make_pipeline(StandardScaler(), make_pipeline(PCA(2), quick())).fit(X)
    assert draw(nested, X).feature_names == ["pca0", "pca1"]
    chosen = make_pipeline(FunctionTransformer(lambda X: X[:, :2]), quick())
    names = draw(chosen.fit(rows(3)), rows(3)).feature_names
    assert names == ["prepared feature 0", "prepared feature 1"]


# --- Style and bad input ---


def test_artists_can_be_styled():
    one = display_of(VALUES[:1]).plot(bar_kw={"color": "red"})
    assert one.bars_[0].get_facecolor() == to_rgba("red")
    norm = LogNorm(1e-3, 1)
    many = display_of(VALUES).plot(image_kw={"cmap": "magma", "norm": norm})
    assert many.image_.get_cmap().name == "magma"
    assert many.image_.norm is norm


def test_all_names_are_within_the_figure():
    long = [f"a feature with a long name, number {j}" for j in range(4)]
    for values in (VALUES[:1], VALUES):
        display = FeatureContributionsDisplay(contributions=values, feature_names=long)
        figure = display.plot().figure_
        figure.canvas.draw()
        axis = display.ax_.yaxis if len(values) == 1 else display.ax_.xaxis
        for label in axis.get_ticklabels():
            box = label.get_window_extent()
            assert figure.bbox.padded(1).contains(box.x0, box.y0), label
        plt.close(figure)


def test_bad_input_is_refused():
    matcher = quick().fit(normal_rows())
    with pytest.raises(ValueError, match="max_features must be at least 1"):
        draw(matcher, normal_rows(), max_features=0)
    with pytest.raises(ValueError, match="2 rows, but 1 row_names"):
        draw(matcher, normal_rows()[:2], row_names=["a"])


def test_missing_cells_contribute_nothing():
    row = normal_rows(1, n_features=4)
    row[0, 2] = np.nan
    matcher = quick().fit(normal_rows(n_features=4))
    contributions = bars(draw(matcher, row))
    assert contributions["feature 2"] == 0
    assert contributions["feature 0"] == matcher.feature_contributions(row)[0, 0]
