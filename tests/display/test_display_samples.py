"""SamplesDisplay: pairs and histograms of samples and data."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.pictures import NAMES, Sampler, frame, legend_texts, offsets, rows
from support.quick_fits import normal_rows

from skdsm.display import SamplesDisplay

pytestmark = pytest.mark.usefixtures("figures")

X, SAMPLES = normal_rows(50, 3), normal_rows(80, 3, seed=1)


def histogram(values, edges):
    """Density in each bar, by counting."""
    width = edges[1] - edges[0]
    counts = [
        sum(low <= value < high for value in values)
        for low, high in zip(edges, edges[1:], strict=False)
    ]
    return np.array(counts) / (len(values) * width)


def test_a_panel_for_each_pair_and_each_feature():
    display = SamplesDisplay.from_samples(X, SAMPLES)
    assert display.axes_.shape == (3, 3)
    for j in range(3):
        for i in range(3):
            assert (display.axes_[j, i] is None) == (i > j)
    pairs = [(0, 1), (0, 2), (1, 2)]
    for (i, j), data, samples in zip(
        pairs, display.data_scatters_, display.sample_scatters_, strict=True
    ):
        assert data.axes is samples.axes is display.axes_[j, i]
        np.testing.assert_array_equal(offsets(data), X[:, [i, j]])
        np.testing.assert_array_equal(offsets(samples), SAMPLES[:, [i, j]])


def test_histograms_are_densities_on_common_bars():
    display = SamplesDisplay.from_samples(X, SAMPLES, bins=10)
    for j in range(3):
        data = display.data_bars_[j].get_data()
        samples = display.sample_bars_[j].get_data()
        assert display.data_bars_[j].axes is display.axes_[j, j]
        assert len(data.edges) == 11
        np.testing.assert_array_equal(data.edges, samples.edges)
        np.testing.assert_allclose(data.values, histogram(X[:, j], data.edges))
        np.testing.assert_allclose(samples.values, histogram(SAMPLES[:, j], data.edges))


def test_panels_of_a_feature_have_the_same_limits_and_hold_all():
    display = SamplesDisplay.from_samples(X, SAMPLES)
    for j in range(3):
        values = np.concatenate([X[:, j], SAMPLES[:, j]])
        column = [display.axes_[i, j].get_xlim() for i in range(j, 3)]
        row = [display.axes_[j, i].get_ylim() for i in range(j)]
        for low, high in column + row:
            assert (low, high) == pytest.approx(column[0])
            assert low < values.min() < values.max() < high


def test_panels_are_of_one_size_and_make_no_room_for_the_legend():
    display = SamplesDisplay.from_samples(X[:, :2], SAMPLES[:, :2])
    display.figure_.canvas.draw()
    panels = display.axes_[np.tril_indices(2)]
    first, left, right = (panel.get_window_extent() for panel in panels)
    np.testing.assert_allclose(first.size, left.size, rtol=1e-3)
    np.testing.assert_allclose(left.size, right.size, rtol=1e-3)
    assert right.x0 - left.x1 < 0.2 * left.width


def test_histograms_are_not_cut_off():
    display = SamplesDisplay.from_samples(X, SAMPLES)
    for j in range(3):
        for patch in (display.data_bars_[j], display.sample_bars_[j]):
            assert patch.get_data().values.max() < display.axes_[j, j].get_ylim()[1]


def test_names_are_on_the_outside_only():
    display = SamplesDisplay.from_samples(frame(3), SAMPLES)
    for j in range(3):
        for i in range(j + 1):
            panel = display.axes_[j, i]
            assert panel.get_xlabel() == (NAMES[i] if j == 2 else "")
            assert panel.get_ylabel() == (NAMES[j] if i == 0 < j else "")
    assert legend_texts(display) == ["data", "samples"]


@pytest.mark.parametrize(
    ("features", "expected"),
    [([2, 0], [2, 0]), (["charge"], [2]), ("weight", [1]), (("length", 2), [0, 2])],
)
def test_features_by_number_or_name(features, expected):
    X = frame(3)
    display = SamplesDisplay.from_samples(X, SAMPLES, features=features)
    assert display.feature_names == [NAMES[j] for j in expected]
    np.testing.assert_array_equal(display.X, X.to_numpy()[:, expected])
    np.testing.assert_array_equal(display.samples, SAMPLES[:, expected])


def test_four_features_unless_told_otherwise():
    wide = normal_rows(20, 7)
    display = SamplesDisplay.from_samples(wide, wide)
    assert display.axes_.shape == (4, 4)
    assert display.feature_names == [f"feature {j}" for j in range(4)]


def test_one_feature_is_a_histogram():
    display = SamplesDisplay.from_samples(X[:, :1], SAMPLES[:, :1])
    assert display.axes_.shape == (1, 1)
    assert display.data_scatters_ == []
    assert display.ax_ is display.axes_[0, 0]
    assert display.ax_.get_xlabel() == "feature 0"


def test_arrays_are_all_that_the_constructor_needs():
    display = SamplesDisplay(X=X[:, :2], samples=SAMPLES[:, :2]).plot()
    assert len(offsets(display.data_scatters_[0])) == len(X)
    assert display.axes_[1, 0].get_xlabel() == "feature 0"


def test_a_constant_feature_has_a_range_too():
    constant = np.column_stack([X[:, 0], np.ones(50)])
    display = SamplesDisplay.from_samples(constant, constant)
    assert display.axes_[1, 1].get_xlim() == (0.5, 1.5)


# --- Rows drawn ---


def test_some_rows_are_dots_but_all_are_counted():
    display = SamplesDisplay.from_samples(X, SAMPLES, subsample=9, random_state=0)
    dots = offsets(display.data_scatters_[0])
    assert len(np.unique(dots, axis=0)) == 9
    assert {tuple(dot) for dot in dots} <= {tuple(row) for row in X[:, :2]}
    data = display.data_bars_[0].get_data()
    np.testing.assert_allclose(data.values, histogram(X[:, 0], data.edges))
    again = SamplesDisplay.from_samples(X, SAMPLES, subsample=9, random_state=0)
    np.testing.assert_array_equal(dots, offsets(again.data_scatters_[0]))


def test_data_are_wider_and_paler_than_samples():
    display = SamplesDisplay.from_samples(X, SAMPLES)
    for data, samples in zip(
        display.data_scatters_, display.sample_scatters_, strict=True
    ):
        assert data.get_sizes()[0] > samples.get_sizes()[0]
        assert data.get_alpha() < samples.get_alpha()


# --- From an estimator ---


def test_samples_are_drawn_and_brought_into_the_units_of_the_data():
    X = frame(3)
    pipeline = make_pipeline(StandardScaler(), Sampler(4, random_state=0)).fit(X)
    display = SamplesDisplay.from_estimator(
        pipeline, X, n_samples=70, features=[2, 1], random_state=5
    )
    scaled = pipeline[-1].sample(70, random_state=np.random.RandomState(5))
    expected = pipeline[0].inverse_transform(scaled)[:, [2, 1]]
    np.testing.assert_allclose(display.samples, expected)
    assert display.feature_names == ["charge", "weight"]


def test_as_many_samples_as_dots():
    X = rows()
    matcher = Sampler(4, random_state=0).fit(X / 100)
    for kwargs, expected in (({}, 60), ({"subsample": 20}, 20)):
        display = SamplesDisplay.from_estimator(matcher, X / 100, **kwargs)
        assert len(display.samples) == expected
        assert len(offsets(display.data_scatters_[0])) == expected


def test_a_seed_decides_everything():
    X = rows() / 100
    matcher = Sampler(4, random_state=0).fit(X)

    def drawn(seed):
        display = SamplesDisplay.from_estimator(
            matcher, X, subsample=20, random_state=seed
        )
        return display.drawn, display.samples

    for first, second in zip(drawn(0), drawn(0), strict=True):
        np.testing.assert_array_equal(first, second)
    for first, other in zip(drawn(0), drawn(1), strict=True):
        assert not np.array_equal(first, other)


# --- Axes and styles ---


def test_panels_fill_the_axes_that_are_given():
    figure, (left, right) = plt.subplots(ncols=2)
    place = right.get_position()
    display = SamplesDisplay.from_samples(X, SAMPLES, ax=right)
    assert display.figure_ is figure
    for panel in display.axes_[np.tril_indices(3)]:
        x0, y0, x1, y1 = panel.get_position().extents
        assert place.x0 - 1e-9 <= x0 < x1 <= place.x1 + 1e-9
        assert place.y0 - 1e-9 <= y0 < y1 <= place.y1 + 1e-9
    assert not right.axison
    assert left.axison


def test_axes_outside_of_a_grid_are_refused():
    ax = plt.figure().add_axes([0.1, 0.1, 0.8, 0.8])
    with pytest.raises(ValueError, match="part of a grid"):
        SamplesDisplay.from_samples(X, SAMPLES, ax=ax)


def test_a_figure_grows_with_the_panels():
    two, three = (
        SamplesDisplay.from_samples(X[:, :n], SAMPLES[:, :n]).figure_ for n in (2, 3)
    )
    assert np.all(three.get_size_inches() > two.get_size_inches())


def test_artists_can_be_styled():
    display = SamplesDisplay.from_samples(
        X,
        SAMPLES,
        data_scatter_kw={"c": "red"},
        sample_scatter_kw={"marker": "x", "s": 3},
        data_bar_kw={"fc": "red"},
        sample_bar_kw={"color": "green"},
    )
    assert tuple(display.data_scatters_[0].get_facecolor()[0][:3]) == to_rgba("red")[:3]
    assert display.sample_scatters_[0].get_sizes()[0] == 3
    assert display.data_bars_[0].get_facecolor() == to_rgba("red")
    assert display.sample_bars_[0].get_edgecolor() == to_rgba("green")


# --- Bad input ---


@pytest.mark.parametrize(
    ("samples", "kwargs", "message"),
    [
        (SAMPLES[:, :2], {}, "X has 3 features, but the samples have 2"),
        (SAMPLES[0], {}, "2D array"),
        (SAMPLES * np.nan, {}, "NaN"),
        (SAMPLES, {"features": [0, 0]}, "must differ"),
        (SAMPLES, {"features": [3]}, "numbers from 0 to 2"),
        (SAMPLES, {"features": "mass"}, "no feature named"),
        (SAMPLES, {"features": []}, "at least one"),
        (SAMPLES, {"subsample": -1}, "must not be negative"),
    ],
)
def test_bad_input_is_refused(samples, kwargs, message):
    with pytest.raises(ValueError, match=message):
        SamplesDisplay.from_samples(X, samples, **kwargs)
