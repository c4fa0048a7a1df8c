"""The energy on a plane of two features."""

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
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
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["EnergyDisplay"]


class EnergyDisplay:
    """Energy landscape over two features, with the rows and the outlier frontier.

    Use `from_estimator` to make one. Energies are shown as heights above the lowest on
    the grid: the energy is minus the log-density, so that one more means a density
    lower by a factor of e. Levels are close together where the energy is low, which is
    where the rows are.

    With more than two features the picture is a slice, on which the others have the
    values of a reference row. Rows lie before or behind it, and are
    coloured by the prediction of the estimator, which may differ from the side of the
    frontier that they appear on.

    Read more in the :ref:`User Guide <displays>`.

    Parameters
    ----------
    xx0, xx1 : ndarray of shape (grid_resolution, grid_resolution)
        Grid over the two features, in the units of the data.

    energy : ndarray of shape (grid_resolution, grid_resolution)
        Energy at the grid points.

    decision : ndarray of shape (grid_resolution, grid_resolution), default=None
        Decision function at the grid points, negative for outliers; None draws no
        frontier.

    points : ndarray of shape (n_points, 2), default=None
        The two features of the rows to draw; None means no rows.

    is_outlier : ndarray of bool of shape (n_points,), default=None
        Which of these rows are outliers; None means no row.

    xlabel, ylabel : str, default=None
        Labels of the axes.

    note : str, default=None
        Title of the legend.

    Attributes
    ----------
    contour_ : matplotlib QuadContourSet
        Filled contours of the energy.

    frontier_ : matplotlib QuadContourSet or None
        Line on which the decision function is zero; None if it is not on the grid.

    inliers_, outliers_ : matplotlib PathCollection or None
        The rows; None if there are no such rows.

    colorbar_ : matplotlib Colorbar or None
        Colour bar of the energy.

    legend_ : matplotlib Legend or None
        Legend, above the axes.

    ax_ : matplotlib Axes
        Axes that were drawn on.

    figure_ : matplotlib Figure
        Figure that they are in.

    See Also
    --------
    ScoreFieldDisplay : The gradient of this landscape.
    sklearn.inspection.DecisionBoundaryDisplay : For other detectors, two features only.

    Examples
    --------
    >>> import numpy as np
    >>> from skdsm import DenoisingScoreMatcher
    >>> from skdsm.display import EnergyDisplay
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> detector = DenoisingScoreMatcher(n_components=16, random_state=0).fit(X)
    >>> display = EnergyDisplay.from_estimator(detector, X)
    >>> display.energy.shape
    (100, 100)
    """

    def __init__(
        self,
        *,
        xx0: Floats,
        xx1: Floats,
        energy: Floats,
        decision: Floats | None = None,
        points: Floats | None = None,
        is_outlier: NDArray[np.bool_] | None = None,
        xlabel: str | None = None,
        ylabel: str | None = None,
        note: str | None = None,
    ) -> None:
        self.xx0 = xx0
        self.xx1 = xx1
        self.energy = energy
        self.decision = decision
        self.points = points
        self.is_outlier = is_outlier
        self.xlabel = xlabel
        self.ylabel = ylabel
        self.note = note

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike,
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
        """Compute the landscape of a fitted estimator, and draw it.

        Parameters
        ----------
        estimator : DenoisingScoreMatcher or Pipeline
            Fitted model, or pipeline that ends in one. The energy
            is computed for the prepared rows, and drawn at the original ones; after
            scaling, the two energies differ by a constant.

        X : array-like of shape (n_samples, n_features)
            Rows to draw. The grid covers them, and they give the features their names,
            if they have some.

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
        EnergyDisplay
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
        model = PreparedModel.of(estimator)
        table = Table.of(X, model)
        plane = Plane.through(table, features, reference, grid_resolution, margin)
        grid = plane.grid()
        drawn = table.rows[subsample_rows(len(table.rows), subsample, random_state)]
        xlabel, ylabel = plane.labels
        display = cls(
            xx0=plane.xx0,
            xx1=plane.xx1,
            energy=model.energy(grid).reshape(plane.xx0.shape),
            decision=estimator.decision_function(grid).reshape(plane.xx0.shape),
            points=drawn[:, plane.pair] if len(drawn) else None,
            is_outlier=estimator.predict(table.like(drawn)) < 0 if len(drawn) else None,
            xlabel=xlabel,
            ylabel=ylabel,
            note=plane.note,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        levels: ArrayLike | None = None,
        contour_kw: Options | None = None,
        frontier_kw: Options | None = None,
        scatter_kw: Options | None = None,
        colorbar: bool = True,
        legend: bool = True,
    ) -> Self:
        """Draw the landscape.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.

        levels : array-like of shape (n_levels,), default=None
            Heights above the lowest energy, ascending; None is 0, 0.5, 1, 2, 5, 10, 20
            and so on.

        contour_kw : dict, default=None
            Keyword arguments of :meth:`~matplotlib.axes.Axes.contourf`.

        frontier_kw : dict, default=None
            Keyword arguments of :meth:`~matplotlib.axes.Axes.contour`: the frontier.

        scatter_kw : dict, default=None
            Keyword arguments of :meth:`~matplotlib.axes.Axes.scatter`, for all rows.

        colorbar : bool, default=True
            Whether to add a colour bar.

        legend : bool, default=True
            Whether to add a legend.

        Returns
        -------
        EnergyDisplay
            The display.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        self.ax_ = ax = new_axes(ax)
        self.figure_ = ax.figure
        self.contour_ = draw_heights(
            ax, self.xx0, self.xx1, self.energy, levels, contour_kw
        )
        handles = [*self._draw_points(scatter_kw), *self._draw_frontier(frontier_kw)]
        name_axes(ax, self.xx0, self.xx1, self.xlabel, self.ylabel)
        self.colorbar_ = self.legend_ = None
        if colorbar:
            label = "relative energy (nats)"
            self.colorbar_ = self.figure_.colorbar(
                self.contour_, ax=ax, label=label, format="%g"
            )
        if legend and handles:
            self.legend_ = legend_above(ax, handles, self.note)
        return self

    def _draw_points(self, kw):
        self.inliers_ = self.outliers_ = None
        if self.points is None:
            return []
        is_outlier = self.is_outlier
        if is_outlier is None:
            is_outlier = np.zeros(len(self.points), dtype=bool)
        if not is_outlier.all():
            self.inliers_ = draw_rows(
                self.ax_, self.points[~is_outlier], kw, color=BLACK, label="inliers"
            )
        if is_outlier.any():
            self.outliers_ = draw_rows(
                self.ax_, self.points[is_outlier], kw, color=ORANGE, label="outliers"
            )
        return [artist for artist in (self.inliers_, self.outliers_) if artist]

    def _draw_frontier(self, kw):
        from matplotlib.lines import Line2D

        self.frontier_ = None
        if self.decision is None or not self.decision.min() < 0 < self.decision.max():
            return []  # contour would warn
        kw = {"levels": [0], "colors": ORANGE, "linewidths": 1.5} | (kw or {})
        self.frontier_ = self.ax_.contour(self.xx0, self.xx1, self.decision, **kw)
        return [
            Line2D(
                [],
                [],
                color=self.frontier_.get_edgecolor()[0],
                linewidth=self.frontier_.get_linewidth()[0],
                label="frontier",
            )
        ]
