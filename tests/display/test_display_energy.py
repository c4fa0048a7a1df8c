"""EnergyDisplay: the landscape, its levels, the frontier and the rows."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgba
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from support.pictures import (
    NAMES,
    fitted,
    fitted_pipeline,
    frame,
    grid_rows,
    legend_texts,
    offsets,
    rows,
    sorted_rows,
)
from support.quick_fits import fitted_on_a_device, quick

from skdsm.display import EnergyDisplay
from skdsm.display._style import energy_levels

pytestmark = pytest.mark.usefixtures("figures")

X = rows()
draw = EnergyDisplay.from_estimator


@pytest.fixture(scope="module")
def pipeline():
    return fitted_pipeline(X)


@pytest.fixture(scope="module")
def pipeline3():
    return fitted_pipeline(rows(3))


@pytest.fixture(scope="module")
def named_pipeline():
    return fitted_pipeline(frame())


# --- The landscape ---


def test_energy_is_that_of_the_model_at_each_grid_point():
    X = rows() / 100
    matcher = fitted(X)
    display = draw(matcher, X, grid_resolution=7)
    assert display.energy.shape == display.xx0.shape == display.xx1.shape == (7, 7)
    for i in range(7):
        for j in range(7):
            point = [display.xx0[i, j], display.xx1[i, j]]
            (energy,) = matcher.energy([point])
            assert display.energy[i, j] == pytest.approx(energy)


def test_energy_behind_a_pipeline_is_that_of_the_scaled_row(pipeline):
    display = draw(pipeline, X, grid_resolution=5)
    scaler, matcher = pipeline
    expected = matcher.energy(scaler.transform(grid_rows(display)))
    np.testing.assert_allclose(display.energy.ravel(), expected)
    expected = pipeline.decision_function(grid_rows(display))
    np.testing.assert_allclose(display.decision.ravel(), expected)


def test_energy_is_shown_whatever_the_ranking():
    by_norm = fitted_pipeline(X, ranking="score_norm")
    display = draw(by_norm, X, grid_resolution=5)
    expected = fitted_pipeline(X).score_samples(grid_rows(display))
    np.testing.assert_allclose(display.energy.ravel(), -expected)
    np.testing.assert_allclose(
        display.decision.ravel(), by_norm.decision_function(grid_rows(display))
    )


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.5])
def test_the_grid_covers_the_rows_and_a_margin(margin, pipeline):
    display = draw(pipeline, X, margin=margin, grid_resolution=3)
    for j, grid in enumerate((display.xx0[0], display.xx1[:, 0])):
        reach = margin * np.ptp(X[:, j])
        expected = [X[:, j].min() - reach, X[:, j].max() + reach]
        np.testing.assert_allclose(grid[[0, -1]], expected)
    assert display.ax_.get_xlim() == pytest.approx(display.xx0[0, [0, -1]])
    assert display.ax_.get_ylim() == pytest.approx(display.xx1[[0, -1], 0])


def test_a_constant_feature_has_a_range_too():
    X = np.column_stack([rows()[:, 0], np.full(60, 3.0)])
    display = draw(fitted_pipeline(X), X, grid_resolution=3)
    assert display.ax_.get_ylim() == (2.5, 3.5)


# --- Slices ---


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("median", np.median(rows(3), axis=0)),
        ("mean", np.mean(rows(3), axis=0)),
        (rows(3)[5], rows(3)[5]),
        (list(rows(3)[5]), rows(3)[5]),
    ],
    ids=["median", "mean", "row", "list"],
)
def test_other_features_have_the_values_of_the_reference(
    reference, expected, pipeline3
):
    display = draw(
        pipeline3, rows(3), features=(2, 0), reference=reference, grid_resolution=4
    )
    points = np.tile(expected, (16, 1))
    points[:, 2], points[:, 0] = grid_rows(display).T
    scaler, matcher = pipeline3
    np.testing.assert_allclose(
        display.energy.ravel(), matcher.energy(scaler.transform(points))
    )


def test_a_slice_says_so(pipeline, pipeline3):
    def title(*args, **kwargs):
        return draw(*args, **kwargs).legend_.get_title().get_text()

    assert title(pipeline, X) == ""
    assert title(pipeline3, rows(3)) == "slice: 1 other at the median"
    wide = np.column_stack([rows(3), rows()])
    assert title(fitted_pipeline(wide), wide) == "slice: 3 others at the median"
    assert "mean" in title(pipeline3, rows(3), reference="mean")
    assert "given row" in title(pipeline3, rows(3), reference=rows(3)[0])


@pytest.mark.parametrize("features", [(2, 1), ("charge", "weight"), ["charge", 1]])
def test_features_by_number_or_name(features):
    X = frame(3)
    display = draw(fitted_pipeline(X), X, features=features)
    assert display.ax_.get_xlabel() == "charge"
    assert display.ax_.get_ylabel() == "weight"
    shown = np.concatenate([offsets(display.inliers_), offsets(display.outliers_)])
    expected = X[["charge", "weight"]].to_numpy()
    np.testing.assert_allclose(sorted_rows(shown), sorted_rows(expected))


# --- Levels ---


@given(st.floats(1e-6, 1e9))
def test_levels_are_close_where_the_energy_is_low(top):
    levels = energy_levels(np.array([0, top / 3, top]))
    assert levels[0] == 0
    assert levels[1] <= 0.5
    assert levels[1] >= min(0.5, top / 10)
    assert top / 2.6 <= levels[-1] < top
    ratios = levels[2:] / levels[1:-1]
    assert np.all((ratios > 1.9) & (ratios < 2.6))


def test_levels_are_round_numbers():
    np.testing.assert_allclose(
        energy_levels(np.array([0, 30])), [0, 0.5, 1, 2, 5, 10, 20]
    )


def test_a_flat_landscape_has_levels():
    assert list(energy_levels(np.zeros(3))) == [0, 1]


def test_infinite_energies_are_above_all_levels():
    heights = np.array([0, 30, np.inf])
    np.testing.assert_array_equal(energy_levels(heights), energy_levels(heights[:2]))


def test_contours_are_heights_above_the_lowest_energy(pipeline):
    display = draw(pipeline, X)
    height = display.energy - display.energy.min()
    np.testing.assert_array_equal(display.contour_.levels, energy_levels(height))
    assert display.contour_.zmin == 0
    assert display.contour_.zmax == pytest.approx(height.max())
    assert display.contour_.extend == "max"


def test_levels_can_be_chosen(pipeline):
    levels = [0, 1, 3, 9]
    for kw in ({"levels": levels}, {"contour_kw": {"levels": levels}}):
        assert list(draw(pipeline, X, **kw).contour_.levels) == levels


def test_low_energy_is_dark(pipeline):
    colors = draw(pipeline, X).contour_.get_facecolor()
    assert np.all(np.diff(colors[:, :3].sum(axis=1)) > 0)


@pytest.mark.parametrize("kw", [{"cmap": "cividis"}, {"colors": ["w", "k"]}])
def test_colors_can_be_chosen(kw, pipeline):
    contour = draw(pipeline, X, contour_kw=kw).contour_
    if "cmap" in kw:
        assert contour.get_cmap().name == "cividis"
        colors = contour.get_facecolor()
        # levels near the lowest are told apart as well as those far up
        distances = np.abs(np.diff(colors[:, :3], axis=0)).sum(axis=1)
        assert distances.min() > 0.3 * distances.max()
    else:
        assert tuple(contour.get_facecolor()[0]) == to_rgba("w")


def test_color_bar(pipeline):
    display = draw(pipeline, X)
    assert display.colorbar_.ax.get_ylabel() == "relative energy (nats)"
    assert display.colorbar_.mappable is display.contour_
    assert draw(pipeline, X, colorbar=False).colorbar_ is None


# --- The frontier ---


def test_the_decision_function_changes_sign_at_the_frontier(pipeline):
    display = draw(pipeline, X, grid_resolution=200)
    vertices = np.concatenate([p.vertices for p in display.frontier_.get_paths()])
    assert len(vertices) > 50
    scale = np.array([np.ptp(display.xx0), np.ptp(display.xx1)])
    # between neighbours on the grid, by linear interpolation
    at = pipeline.decision_function(vertices)
    assert np.abs(at).max() < 0.01 * np.ptp(display.decision)

    def slope(step):
        ahead = pipeline.decision_function(vertices + step * scale)
        return (ahead - pipeline.decision_function(vertices - step * scale)) / 2e-4

    gradient = np.column_stack([slope([1e-4, 0]), slope([0, 1e-4])])
    across = 0.01 * gradient / np.linalg.norm(gradient, axis=1, keepdims=True) * scale
    assert (pipeline.predict(vertices + across) == 1).all()
    assert (pipeline.predict(vertices - across) == -1).all()


def test_the_frontier_separates_inliers_from_outliers(pipeline):
    display = draw(pipeline, X)
    assert list(display.frontier_.levels) == [0]
    np.testing.assert_array_equal(
        sorted_rows(offsets(display.inliers_)), sorted_rows(X[pipeline.predict(X) == 1])
    )
    np.testing.assert_array_equal(
        sorted_rows(offsets(display.outliers_)),
        sorted_rows(X[pipeline.predict(X) == -1]),
    )


def test_no_frontier_where_all_is_on_one_side(pipeline):
    row = X[pipeline.predict(X) == 1][:1]
    near = row + 1e-3 * (X - X.mean(axis=0))
    assert (pipeline.predict(near) == 1).all()
    display = draw(pipeline, near)
    assert display.frontier_ is None
    assert display.outliers_ is None
    assert legend_texts(display) == ["inliers"]
    far = row + 1e3 + 1e-3 * X
    display = draw(pipeline, far)
    assert display.frontier_ is None
    assert display.inliers_ is None


def test_legend_names_what_there_is(pipeline):
    assert legend_texts(draw(pipeline, X)) == ["inliers", "outliers", "frontier"]


def test_rows_and_decision_may_be_left_out():
    xx0, xx1 = np.meshgrid([0.0, 1.0], [0.0, 1.0])
    display = EnergyDisplay(xx0=xx0, xx1=xx1, energy=xx0 + 2 * xx1).plot()
    assert display.frontier_ is display.inliers_ is display.outliers_ is None
    assert display.legend_ is None
    points = np.array([[0.5, 0.5]])
    display = EnergyDisplay(xx0=xx0, xx1=xx1, energy=xx0, points=points).plot()
    np.testing.assert_array_equal(offsets(display.inliers_), points)
    assert display.outliers_ is None


# --- Rows ---


def test_some_rows_are_drawn_if_there_are_many(pipeline):
    def drawn(**kwargs):
        display = draw(pipeline, X, **kwargs)
        parts = [display.inliers_, display.outliers_]
        return np.concatenate([offsets(part) for part in parts if part])

    assert len(drawn()) == len(X)
    assert len(drawn(subsample=None)) == len(X)
    chosen = drawn(subsample=7, random_state=0)
    assert len(np.unique(chosen, axis=0)) == 7
    assert {tuple(row) for row in chosen} <= {tuple(row) for row in X}
    np.testing.assert_array_equal(drawn(subsample=7, random_state=0), chosen)
    assert not np.array_equal(drawn(subsample=7, random_state=1), chosen)


def test_no_rows_are_drawn_if_none_are_wanted(pipeline):
    display = draw(pipeline, X, subsample=0)
    assert display.inliers_ is display.outliers_ is None
    assert display.frontier_ is not None


def test_many_rows_are_drawn_small(pipeline):
    few, many = draw(pipeline, X[:30]), draw(pipeline, np.tile(X, (20, 1)))
    assert many.inliers_.get_sizes()[0] < few.inliers_.get_sizes()[0]


@pytest.mark.parametrize(
    "kw", [{"color": "red"}, {"c": "red"}, {"facecolor": "red"}, {"fc": "red"}]
)
def test_dots_can_be_styled(kw, pipeline):
    display = draw(pipeline, X, scatter_kw={"s": 3, "alpha": 1, **kw})
    for dots in (display.inliers_, display.outliers_):
        assert tuple(dots.get_facecolor()[0]) == to_rgba("red")
        assert dots.get_sizes() == 3


def test_the_frontier_can_be_styled(pipeline):
    kw = {"colors": "red", "linewidths": 4}
    display = draw(pipeline, X, frontier_kw=kw)
    assert tuple(display.frontier_.get_edgecolor()[0]) == to_rgba("red")
    (handle,) = [
        handle
        for handle, text in zip(
            display.legend_.legend_handles, legend_texts(display), strict=True
        )
        if text == "frontier"
    ]
    assert to_rgba(handle.get_color()) == to_rgba("red")
    assert handle.get_linewidth() == 4


# --- Names ---


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_names_of_a_frame_are_shown(library):
    X = library(frame().to_dict("list"))
    pipeline = fitted_pipeline(X)
    display = draw(pipeline, X, grid_resolution=3)
    assert [display.ax_.get_xlabel(), display.ax_.get_ylabel()] == NAMES[:2]
    grid = library(dict(zip(NAMES, grid_rows(display).T, strict=False)))
    np.testing.assert_array_equal(
        display.decision.ravel(), pipeline.decision_function(grid)
    )


def test_names_of_the_fit_are_shown_for_rows_without():
    pipeline = fitted_pipeline(frame())
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        display = draw(pipeline, rows())
    assert [display.xlabel, display.ylabel] == NAMES[:2]


@pytest.mark.filterwarnings("ignore:X has feature names")
def test_names_of_a_frame_are_shown_if_the_fit_had_none(pipeline):
    display = draw(pipeline, frame())
    assert [display.xlabel, display.ylabel] == NAMES[:2]


def test_names_are_made_up_if_there_are_none(pipeline3):
    display = draw(pipeline3, rows(3), features=(2, 0))
    assert [display.xlabel, display.ylabel] == ["feature 2", "feature 0"]


def test_labels_that_are_there_stay_if_there_is_no_name():
    xx0, xx1 = np.meshgrid([0.0, 1.0], [0.0, 1.0])
    _, ax = plt.subplots()
    ax.set(xlabel="mine", ylabel="too")
    EnergyDisplay(xx0=xx0, xx1=xx1, energy=xx0).plot(ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("mine", "too")


def test_other_names_are_refused():
    pipeline = fitted_pipeline(frame())
    with pytest.raises(ValueError, match="Feature names"):
        draw(pipeline, frame().rename(columns={"weight": "mass"}))
    with pytest.raises(ValueError, match="same order"):
        draw(pipeline, frame()[["weight", "length"]])


# --- Pipelines ---


def test_steps_may_reduce_the_features():
    X = rows(3)
    pipeline = make_pipeline(PCA(2), quick()).fit(X)
    display = draw(pipeline, X, features=(1, 2), grid_resolution=3)
    points = np.tile(np.median(X, axis=0), (9, 1))
    points[:, 1:] = grid_rows(display)
    expected = pipeline[-1].energy(pipeline[0].transform(points))
    np.testing.assert_allclose(display.energy.ravel(), expected)


def test_steps_may_impute_missing_values():
    holes = rows()
    holes[::7, 1] = np.nan
    pipeline = make_pipeline(SimpleImputer(), quick()).fit(holes)
    display = draw(pipeline, holes)
    assert np.isfinite(display.xx1).all()
    assert np.isfinite(display.energy).all()


def test_steps_may_put_out_frames():
    X = frame()
    pipeline = fitted_pipeline(X)
    expected = draw(pipeline, X).energy
    pipeline = fitted_pipeline(X).set_output(transform="pandas").fit(X)
    np.testing.assert_array_equal(draw(pipeline, X).energy, expected)


# --- Bad input ---


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"features": (0, 0)}, "must differ"),
        ({"features": ("length", 0)}, "must differ"),
        ({"features": (0, 2)}, "numbers from 0 to 1, got 2"),
        ({"features": (0, -1)}, "numbers from 0 to 1, got -1"),
        ({"features": (0,)}, "must be a pair"),
        ({"features": (0, 1, 0)}, "must be a pair"),
        ({"features": "ab"}, "must be a pair"),
        ({"features": ("length", "mass")}, "no feature named 'mass'.*length, weight"),
        ({"reference": "mode"}, "'median', 'mean' or a row"),
        ({"reference": [1.0]}, "2 values"),
        ({"reference": [[1.0, 2.0]]}, "2 values"),
        ({"grid_resolution": 1}, "at least 2"),
        ({"margin": -0.1}, "must not be negative"),
        ({"subsample": -1}, "must not be negative"),
    ],
)
def test_bad_arguments_are_refused(kwargs, message, named_pipeline):
    with pytest.raises(ValueError, match=message):
        draw(named_pipeline, frame(), **kwargs)


def test_a_feature_is_no_fraction(pipeline):
    with pytest.raises(TypeError):
        draw(pipeline, X, features=(0, 0.5))


def test_a_model_that_was_fitted_on_a_device_is_drawn(monkeypatch):
    display = draw(fitted_on_a_device(X, monkeypatch), X)
    assert np.isfinite(display.energy).all()
