"""The score, as arrows or streamlines on a plane of two features."""

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils._optional_dependencies import check_matplotlib_support

from skdsm._typing import ArrayLike, Floats, Options, Randomness
from skdsm.display._model import PreparedModel, Table
from skdsm.display._plane import Plane
from skdsm.display._style import (
    BLACK,
    ORANGE,
    draw_heights,
    draw_rows,
    legend_above,
    name_axes,
    new_axes,
    subsample_rows,
    with_defaults,
)
from skdsm.model.parzen import parzen_log_density, parzen_posterior_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ScoreFieldDisplay"]


class ScoreFieldDisplay:
    """Score field over two features: where the denoiser moves rows.

    Use `from_estimator` or `from_parzen` to make one. It shows how the denoiser moves
    rows, ``r(x) - x``: the score times ``sigma_ ** 2``, in the units of the data. In a
    pipeline, rows are prepared, denoised, and brought back by the
    ``inverse_transform`` of the steps. This is not the gradient of the log-density in
    the units of the data if features have different scales: the gradient has inverse
    units, and does not point to the denoised row.

    With more than two features the picture is a slice, on which the others have the
    values of a reference row; the arrows show the two components in the slice.

    Read more in the :ref:`User Guide <displays>`.

    Parameters
    ----------
    xx0, xx1 : ndarray of shape (grid_resolution, grid_resolution)
        Grid over the two features, in the units of the data.

    move0, move1 : ndarray of shape (grid_resolution, grid_resolution)
        Components of the move at the grid points, in the units of the data.

    energy : ndarray of shape (grid_resolution, grid_resolution), default=None
        Energy at the grid points, for the background; None leaves it white.

    points : ndarray of shape (n_points, 2), default=None
        The two features of the rows to draw; None means no rows.

    xlabel, ylabel : str, default=None
        Labels of the axes.

    energy_name : str, default="energy"
        What `energy` is, for the label of the colour bar.

    note : str, default=None
        Title of the legend.

    Attributes
    ----------
    field_ : matplotlib Quiver or StreamplotSet
        Arrows or streamlines.

    contour_ : matplotlib QuadContourSet or None
        Filled contours of the background.

    scatter_ : matplotlib PathCollection or None
        The rows.

    colorbar_ : matplotlib Colorbar or None
        Colour bar of the background.

    legend_ : matplotlib Legend or None
        Legend, above the axes.

    ax_ : matplotlib Axes
        Axes that were drawn on.

    figure_ : matplotlib Figure
        Figure that they are in.

    See Also
    --------
    EnergyDisplay : The landscape of which this is the slope.

    Examples
    --------
    >>> import numpy as np
    >>> from skdsm import DenoisingScoreMatcher
    >>> from skdsm.display import ScoreFieldDisplay
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> matcher = DenoisingScoreMatcher(n_components=16, random_state=0).fit(X)
    >>> display = ScoreFieldDisplay.from_estimator(matcher, X)
    >>> display.move0.shape
    (100, 100)
    """

    def __init__(
        self,
        *,
        xx0: Floats,
        xx1: Floats,
        move0: Floats,
        move1: Floats,
        energy: Floats | None = None,
        points: Floats | None = None,
        xlabel: str | None = None,
        ylabel: str | None = None,
        energy_name: str = "energy",
        note: str | None = None,
    ) -> None:
        self.xx0 = xx0
        self.xx1 = xx1
        self.move0 = move0
        self.move1 = move1
        self.energy = energy
        self.points = points
        self.xlabel = xlabel
        self.ylabel = ylabel
        self.energy_name = energy_name
        self.note = note

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike,
        *,
        background: Literal["parzen", "energy"] | None = "parzen",
        features: tuple[int | str, int | str] = (0, 1),
        reference: Literal["median", "mean"] | ArrayLike = "median",
        grid_resolution: int = 100,
        margin: float = 0.1,
        subsample: int | None = 2000,
        random_state: Randomness = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Compute the field of a fitted estimator, and draw it.

        Parameters
        ----------
        estimator : DenoisingScoreMatcher or Pipeline
            Fitted model, or pipeline that ends in one and whose other steps have an
            ``inverse_transform``.

        X : array-like of shape (n_samples, n_features)
            Rows to draw, and the Parzen density of which is the background: the rows
            of the fit. The grid covers them, and they give the features their names, if
            they have some.

        background : {"parzen", "energy"} or None, default="parzen"
            What the arrows should climb: the Parzen density of X with bandwidth
            ``sigma_``, in the frame of the model, which the model was fitted to; or
            what they do climb, the energy of the model. The Parzen density takes a
            distance for each grid point and row.

        features : pair of int or str, default=(0, 1)
            Features on the axes.

        reference : {"median", "mean"} or array-like of shape (n_features,), \
                default="median"
            Row that gives the other features their values: the median or the mean of X,
            or one in the units of X.

        grid_resolution : int, default=100
            Number of grid points along each axis.

        margin : float, default=0.1
            How far the grid reaches beyond the rows, as a share of their range.

        subsample : int or None, default=2000
            Largest number of rows to draw, chosen at random; None means all.

        random_state : int, RandomState instance or None, default=None
            Determines which rows are drawn.

        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.

        **kwargs : dict
            Further arguments of `plot`.

        Returns
        -------
        ScoreFieldDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If X is not like the rows of the fit, or an argument is not valid.
        TypeError
            If the estimator is not a `DenoisingScoreMatcher`, nor ends in one.
        NotFittedError
            If it is not fitted.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        if background not in ("parzen", "energy", None):
            raise ValueError(
                f"background must be 'parzen', 'energy' or None, got {background!r}."
            )
        model = PreparedModel.of(estimator)
        table = Table.of(X, model)
        plane = Plane.through(table, features, reference, grid_resolution, margin)
        grid = plane.grid()
        energy = None
        if background == "energy":
            energy = model.energy(grid)
        elif background == "parzen":
            rows = check_array(model.prepare(table.like(table.rows)))
            sigma = model.matcher.sigma_
            energy = -parzen_log_density(model.prepare(grid), rows, sigma)
        display = cls._on(
            plane,
            model.move(grid),
            energy,
            subsample_rows(len(table.rows), subsample, random_state),
            "Parzen energy" if background == "parzen" else "energy",
        )
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def from_parzen(
        cls,
        X: ArrayLike,
        sigma: float,
        *,
        features: tuple[int | str, int | str] = (0, 1),
        reference: Literal["median", "mean"] | ArrayLike = "median",
        grid_resolution: int = 100,
        margin: float = 0.1,
        subsample: int | None = 2000,
        random_state: Randomness = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Compute the field that training aims at, and draw it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, scaled like the rows of the fit.

        sigma : float
            Bandwidth of their Parzen density, in the units of X.

        features : pair of int or str, default=(0, 1)
            Features on the axes.

        reference : {"median", "mean"} or array-like of shape (n_features,), \
                default="median"
            Row that gives the other features their values: the median or the mean of X,
            or one in the units of X.

        grid_resolution : int, default=100
            Number of grid points along each axis.

        margin : float, default=0.1
            How far the grid reaches beyond the rows, as a share of their range.

        subsample : int or None, default=2000
            Largest number of rows to draw, chosen at random; None means all.

        random_state : int, RandomState instance or None, default=None
            Determines which rows are drawn.

        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.

        **kwargs : dict
            Further arguments of `plot`.

        Returns
        -------
        ScoreFieldDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If an argument is not valid.

        Examples
        --------
        >>> from skdsm.display import ScoreFieldDisplay
        >>> display = ScoreFieldDisplay.from_parzen([[0, 0], [1, 2], [2, 1]], sigma=0.5)
        >>> display.move0.shape
        (100, 100)
        """
        check_matplotlib_support(f"{cls.__name__}.from_parzen")
        if not sigma > 0:
            raise ValueError(f"sigma must be positive, got {sigma!r}.")
        table = Table.of(X)
        plane = Plane.through(table, features, reference, grid_resolution, margin)
        grid = np.asarray(plane.grid())
        display = cls._on(
            plane,
            parzen_posterior_mean(grid, table.rows, sigma) - grid,
            -parzen_log_density(grid, table.rows, sigma),
            subsample_rows(len(table.rows), subsample, random_state),
            "Parzen energy",
        )
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def _on(cls, plane, move, energy, drawn, energy_name):
        shape = plane.xx0.shape
        move0, move1 = (move[:, j].reshape(shape) for j in plane.pair)
        xlabel, ylabel = plane.labels
        return cls(
            xx0=plane.xx0,
            xx1=plane.xx1,
            move0=move0,
            move1=move1,
            energy=None if energy is None else energy.reshape(shape),
            points=plane.table.rows[np.ix_(drawn, plane.pair)] if len(drawn) else None,
            xlabel=xlabel,
            ylabel=ylabel,
            energy_name=energy_name,
            note=plane.note,
        )

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        kind: Literal["arrows", "stream"] = "arrows",
        n_arrows: int = 16,
        levels: ArrayLike | None = None,
        contour_kw: Options | None = None,
        arrow_kw: Options | None = None,
        scatter_kw: Options | None = None,
        colorbar: bool = True,
        legend: bool = True,
    ) -> Self:
        """Draw the field.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.

        kind : {"arrows", "stream"}, default="arrows"
            Arrows as long as the move, all shortened alike as far as they would cover
            each other; or streamlines, which show the direction only.

        n_arrows : int, default=16
            About how many arrows along each axis.

        levels : array-like of shape (n_levels,), default=None
            Heights above the lowest energy, ascending; None is 0, 0.5, 1, 2, 5, 10, 20
            and so on.

        contour_kw : dict, default=None
            Keyword arguments of :meth:`~matplotlib.axes.Axes.contourf`.

        arrow_kw : dict, default=None
            Keyword arguments of :meth:`~matplotlib.axes.Axes.quiver` or
            :meth:`~matplotlib.axes.Axes.streamplot`. With ``{"scale": 1}`` arrows end
            where the denoiser puts the row.

        scatter_kw : dict, default=None
            Keyword arguments of :meth:`~matplotlib.axes.Axes.scatter`.

        colorbar : bool, default=True
            Whether to add a colour bar.

        legend : bool, default=True
            Whether to add a legend.

        Returns
        -------
        ScoreFieldDisplay
            The display.

        Raises
        ------
        ValueError
            If `kind` or `n_arrows` is not valid.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        if kind not in ("arrows", "stream"):
            raise ValueError(f"kind must be 'arrows' or 'stream', got {kind!r}.")
        if n_arrows < 1:
            raise ValueError(f"n_arrows must be at least 1, got {n_arrows!r}.")
        self.ax_ = ax = new_axes(ax)
        self.figure_ = ax.figure
        self.contour_ = self.scatter_ = self.colorbar_ = self.legend_ = None
        handles = []
        if self.energy is not None:
            self.contour_ = draw_heights(
                ax, self.xx0, self.xx1, self.energy, levels, contour_kw
            )
        if self.points is not None:
            self.scatter_ = draw_rows(
                ax, self.points, scatter_kw, color=BLACK, label="rows", alpha=0.4
            )
            handles.append(self.scatter_)
        draw = self._draw_arrows if kind == "arrows" else self._draw_streamlines
        handles.append(draw(n_arrows, arrow_kw))
        name_axes(ax, self.xx0, self.xx1, self.xlabel, self.ylabel)
        if colorbar and self.contour_ is not None:
            label = f"relative {self.energy_name} (nats)"
            self.colorbar_ = self.figure_.colorbar(
                self.contour_, ax=ax, label=label, format="%g"
            )
        if legend:
            self.legend_ = legend_above(ax, handles, self.note)
        return self

    def _draw_arrows(self, n_arrows, kw):
        from matplotlib.quiver import Quiver

        n_grid = len(self.xx0)
        stride = max(1, n_grid // n_arrows)
        chosen = np.arange((n_grid - 1) % stride // 2, n_grid, stride)
        at = np.ix_(chosen, chosen)
        x, y, u, v = (a[at] for a in (self.xx0, self.xx1, self.move0, self.move1))
        # in steps from one arrow to the next, nine in ten are no longer than 1.2
        step0, step1 = self.xx0[0, 1] - self.xx0[0, 0], self.xx1[1, 0] - self.xx1[0, 0]
        length = np.hypot(u / step0, v / step1) / stride
        scale = max(1.0, np.quantile(length, 0.9) / 1.2)
        defaults = {
            "color": ORANGE,
            "angles": "xy",
            "scale_units": "xy",
            "scale": scale,
            "width": 0.004,
        }
        kw = with_defaults(defaults, kw, Quiver)
        self.field_ = self.ax_.quiver(x, y, u, v, **kw)
        label = "denoiser's move"
        if kw["scale"] not in (None, 1):
            label += f" × {1 / kw['scale']:.2g}"
        return _arrow_handle(self.field_.get_facecolor()[0], label)

    def _draw_streamlines(self, n_arrows, kw):
        defaults = {
            "color": ORANGE,
            "density": n_arrows / 16,
            "linewidth": 0.8,
            "arrowsize": 0.8,
        }
        self.field_ = self.ax_.streamplot(
            self.xx0, self.xx1, self.move0, self.move1, **defaults | (kw or {})
        )
        color = self.field_.lines.get_edgecolor()[0]
        return _arrow_handle(color, "denoiser's direction")


def _arrow_handle(color, label):
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], color=color, linestyle="", marker=r"$\rightarrow$", ms=10, label=label
    )
