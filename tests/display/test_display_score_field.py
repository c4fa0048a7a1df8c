"""ScoreFieldDisplay: the denoiser's move, in the units of the data."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.pictures import (
    fitted,
    fitted_pipeline,
    frame,
    grid_rows,
    legend_texts,
    offsets,
    rows,
)
from support.quick_fits import quick, two_clusters

from skdsm.display import ScoreFieldDisplay
from skdsm.model.parzen import parzen_log_density, parzen_score

pytestmark = pytest.mark.usefixtures("figures")

X = rows()
BARE = two_clusters(60)
draw = ScoreFieldDisplay.from_estimator


@pytest.fixture(scope="module")
def pipeline():
    return fitted_pipeline(X)


@pytest.fixture(scope="module")
def matcher():
    return fitted(BARE)


def moves(display):
    return np.column_stack([display.move0.ravel(), display.move1.ravel()])


# --- The field ---


def test_the_move_is_the_score_times_the_squared_noise_level(matcher):
    display = draw(matcher, BARE, grid_resolution=5)
    psi = matcher.score_function(grid_rows(display))
    np.testing.assert_allclose(moves(display), matcher.sigma_**2 * psi, atol=1e-12)


def test_behind_a_pipeline_the_move_leads_to_the_denoised_row(pipeline):
    display = draw(pipeline, X, grid_resolution=5)
    scaler, matcher = pipeline
    for point, move in zip(grid_rows(display), moves(display), strict=True):
        denoised = scaler.inverse_transform(
            matcher.reconstruct(scaler.transform([point]))
        )
        np.testing.assert_allclose(point + move, denoised[0])


def test_the_move_is_led_back_through_all_steps():
    nested = make_pipeline(StandardScaler(), make_pipeline(PCA(), quick())).fit(X)
    display = draw(nested, X, grid_resolution=3)
    scaler, (pca, matcher) = nested[0], nested[1]
    points = grid_rows(display)
    codes = matcher.reconstruct(pca.transform(scaler.transform(points)))
    denoised = scaler.inverse_transform(pca.inverse_transform(codes))
    np.testing.assert_allclose(points + moves(display), denoised)


def test_a_step_that_loses_something_does_not_move_rows():
    X = two_clusters(60, 3)
    pipeline = make_pipeline(PCA(2), quick()).fit(X)
    display = draw(pipeline, X, grid_resolution=3, features=(0, 2))
    pca, matcher = pipeline
    points = np.tile(np.median(X, axis=0), (9, 1))
    points[:, [0, 2]] = grid_rows(display)
    codes = pca.transform(points)
    expected = (matcher.reconstruct(codes) - codes) @ pca.components_
    np.testing.assert_allclose(moves(display), expected[:, [0, 2]], atol=1e-12)


def test_in_a_slice_the_move_has_the_components_of_its_features():
    X = rows(3)
    pipeline = fitted_pipeline(X)
    display = draw(
        pipeline, X, features=(2, 0), reference=X[4], grid_resolution=3, background=None
    )
    scaler, matcher = pipeline
    points = np.tile(X[4], (9, 1))
    points[:, [2, 0]] = grid_rows(display)
    denoised = scaler.inverse_transform(matcher.reconstruct(scaler.transform(points)))
    expected = (denoised - points)[:, [2, 0]]
    np.testing.assert_allclose(moves(display), expected, atol=1e-9)
    assert "slice" in display.legend_.get_title().get_text()


def test_the_field_of_the_parzen_density():
    display = ScoreFieldDisplay.from_parzen(BARE, 0.4, grid_resolution=5)
    grid = grid_rows(display)
    expected = 0.4**2 * parzen_score(grid, BARE, 0.4)
    np.testing.assert_allclose(moves(display), expected, atol=1e-12)
    expected = -parzen_log_density(grid, BARE, 0.4)
    np.testing.assert_allclose(display.energy.ravel(), expected)
    assert display.colorbar_.ax.get_ylabel() == "relative Parzen energy (nats)"


def test_the_field_of_the_parzen_density_in_a_slice():
    X = frame(3) * [100, 1, 1e4]
    display = ScoreFieldDisplay.from_parzen(
        X, 30.0, features=("charge", "length"), reference="mean", grid_resolution=3
    )
    points = np.tile(X.to_numpy().mean(axis=0), (9, 1))
    points[:, [2, 0]] = grid_rows(display)
    expected = 30**2 * parzen_score(points, X, 30.0)
    np.testing.assert_allclose(moves(display), expected[:, [2, 0]], atol=1e-8)
    assert (display.xlabel, display.ylabel) == ("charge", "length")


# --- The background ---


def test_the_background_is_the_parzen_density_in_the_frame_of_the_model(pipeline):
    display = draw(pipeline, X, grid_resolution=5)
    scaler, matcher = pipeline
    grid, data = scaler.transform(grid_rows(display)), scaler.transform(X)
    expected = -parzen_log_density(grid, data, matcher.sigma_)
    np.testing.assert_allclose(display.energy.ravel(), expected)
    assert display.colorbar_.ax.get_ylabel() == "relative Parzen energy (nats)"


def test_all_rows_are_in_the_background_even_if_few_are_drawn(pipeline):
    few = draw(pipeline, X, grid_resolution=5, subsample=3)
    assert len(offsets(few.scatter_)) == 3
    np.testing.assert_array_equal(
        few.energy, draw(pipeline, X, grid_resolution=5).energy
    )


def test_the_background_can_be_the_energy(matcher):
    display = draw(matcher, BARE, background="energy", grid_resolution=5)
    expected = matcher.energy(grid_rows(display))
    np.testing.assert_allclose(display.energy.ravel(), expected)
    assert display.colorbar_.ax.get_ylabel() == "relative energy (nats)"
    assert display.contour_.zmin == 0


def test_there_may_be_no_background(matcher):
    display = draw(matcher, BARE, background=None, grid_resolution=5)
    assert display.energy is display.contour_ is display.colorbar_ is None
    assert draw(matcher, BARE, grid_resolution=5, colorbar=False).colorbar_ is None


def test_a_range_of_noise_levels_has_a_background_too():
    matcher = fitted(BARE, sigma=(0.1, 1.0))
    display = draw(matcher, BARE, grid_resolution=5)
    expected = -parzen_log_density(grid_rows(display), BARE, matcher.sigma_)
    np.testing.assert_allclose(display.energy.ravel(), expected)


# --- Arrows ---


@pytest.mark.parametrize(("n_arrows", "expected"), [(1, 1), (4, 4), (10, 10), (50, 20)])
def test_arrows_are_the_field_at_some_grid_points(n_arrows, expected, matcher):
    display = draw(matcher, BARE, grid_resolution=20, n_arrows=n_arrows)
    arrows = display.field_
    assert expected**2 == arrows.N
    field = {
        tuple(point): tuple(move)
        for point, move in zip(grid_rows(display), moves(display), strict=True)
    }
    for point, u, v in zip(arrows.XY, arrows.U, arrows.V, strict=True):
        assert field[tuple(point)] == (u, v)
    # equally spaced, and with as much room on the left as on the right
    steps = np.unique(arrows.XY[:, 0])
    left, right = steps[0] - display.xx0[0, 0], display.xx0[0, -1] - steps[-1]
    assert abs(left - right) <= 1.001 * (display.xx0[0, 1] - display.xx0[0, 0])


def test_arrows_are_in_the_units_of_the_axes(pipeline):
    arrows = draw(pipeline, X).field_
    assert arrows.angles == arrows.scale_units == "xy"


def test_arrows_are_shortened_as_far_as_they_would_cover_each_other(pipeline):
    display = draw(pipeline, X, n_arrows=10)
    spacing = [np.diff(np.unique(display.field_.XY[:, j]))[0] for j in (0, 1)]
    moves = np.column_stack([display.field_.U, display.field_.V])
    lengths = np.linalg.norm(moves / spacing, axis=1) / display.field_.scale
    assert display.field_.scale > 1
    assert 0.85 < np.mean(lengths <= 1.2) < 0.95
    (text,) = [t for t in legend_texts(display) if "move" in t]
    factor = float(text.removeprefix("denoiser's move × "))
    assert factor == pytest.approx(1 / display.field_.scale, rel=0.05)


def test_short_arrows_are_left_alone():
    xx0, xx1 = np.meshgrid(np.arange(5.0), np.arange(5.0))
    short = np.full((5, 5), 0.1)
    kwargs = {"xx0": xx0, "xx1": xx1, "move0": short, "move1": short}
    display = ScoreFieldDisplay(**kwargs).plot()
    assert display.field_.scale == 1
    assert legend_texts(display) == ["denoiser's move"]
    assert display.scatter_ is display.contour_ is None


def test_arrows_can_be_styled(matcher):
    kw = {"color": "red", "scale": 1, "width": 0.01}
    display = draw(matcher, BARE, arrow_kw=kw)
    assert display.field_.scale == 1
    assert display.field_.width == 0.01
    assert tuple(display.field_.get_facecolor()[0]) == to_rgba("red")
    assert "denoiser's move" in legend_texts(display)
    free = draw(matcher, BARE, arrow_kw={"scale": None})
    assert "denoiser's move" in legend_texts(free)


# --- Streamlines ---


def test_streamlines_follow_the_field():
    matcher = fitted(BARE, sigma=0.5)  # a smooth field: Matplotlib cuts sharp corners
    display = draw(matcher, BARE, kind="stream", n_arrows=6)
    lines = display.field_.lines.get_segments()
    middle = np.concatenate([(line[1:] + line[:-1]) / 2 for line in lines])
    step = np.concatenate([np.diff(line, axis=0) for line in lines])
    move = matcher.reconstruct(middle) - middle
    norms = np.linalg.norm(step, axis=1) * np.linalg.norm(move, axis=1)
    # where the pull is weak, interpolation between grid points changes its direction
    strong = (np.linalg.norm(move, axis=1) > 0.1) & (norms > 0)
    cosine = np.abs((step * move).sum(axis=1)[strong] / norms[strong])
    assert strong.sum() > 100
    assert cosine.min() > 0.98
    assert "denoiser's direction" in legend_texts(display)


def test_more_streamlines_if_more_are_wanted(matcher):
    few, many = (
        len(draw(matcher, BARE, kind="stream", n_arrows=n).field_.lines.get_segments())
        for n in (4, 20)
    )
    assert few < many


def test_streamlines_can_be_styled(matcher):
    display = draw(matcher, BARE, kind="stream", arrow_kw={"color": "red"})
    assert tuple(display.field_.lines.get_edgecolor()[0]) == to_rgba("red")


# --- Rows, names, limits ---


def test_rows_are_drawn(pipeline):
    display = draw(pipeline, X)
    np.testing.assert_array_equal(offsets(display.scatter_), X)
    assert legend_texts(display)[0] == "rows"
    assert draw(pipeline, X, subsample=0).scatter_ is None


def test_names_rows_and_limits_are_those_of_the_features():
    X = frame(3)
    display = draw(
        fitted_pipeline(X), X, features=("charge", 0), background=None, legend=False
    )
    ax = display.ax_
    shown = X[["charge", "length"]].to_numpy()
    np.testing.assert_array_equal(offsets(display.scatter_), shown)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("charge", "length")
    assert ax.get_xlim() == pytest.approx(display.xx0[0, [0, -1]])
    assert ax.get_ylim() == pytest.approx(display.xx1[[0, -1], 0])


# --- Bad input ---


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"background": "density"}, "background must be"),
        ({"kind": "quiver"}, "kind must be"),
        ({"n_arrows": 0}, "n_arrows must be at least 1"),
        ({"features": (0, 5)}, "numbers from 0 to 1"),
        ({"reference": "none"}, "reference must be"),
    ],
)
def test_bad_arguments_are_refused(kwargs, message, pipeline):
    with pytest.raises(ValueError, match=message):
        draw(pipeline, X, **kwargs)


@pytest.mark.parametrize("sigma", [0, -1, np.nan])
def test_a_bandwidth_is_positive(sigma):
    with pytest.raises(ValueError, match="sigma must be positive"):
        ScoreFieldDisplay.from_parzen(BARE, sigma)


def test_other_names_are_refused():
    with pytest.raises(ValueError, match="Feature names"):
        draw(fitted_pipeline(frame()), frame().rename(columns={"weight": "mass"}))


def test_missing_values_that_no_step_imputes_are_refused(pipeline):
    holes = X.copy()
    holes[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        draw(pipeline, holes)
    with pytest.raises(ValueError, match="NaN"):
        ScoreFieldDisplay.from_parzen(holes, 1.0)


def test_steps_must_lead_back():
    class OneWay(StandardScaler):
        inverse_transform = None

    pipeline = make_pipeline(OneWay(), quick()).fit(X)
    with pytest.raises((AttributeError, TypeError)):
        draw(pipeline, X)
