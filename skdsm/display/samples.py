"""Rows drawn from a model, beside the data."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._optional_dependencies import check_matplotlib_support

from skdsm._typing import ArrayLike, Floats, Options, Randomness
from skdsm.display._model import PreparedModel, Table
from skdsm.display._style import (
    BLUE,
    ORANGE,
    dot_size,
    draw_rows,
    legend_above,
    subsample_rows,
    with_defaults,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["SamplesDisplay"]

_MOST_FEATURES = 4  # unless told otherwise: panels shrink
_PANEL = 2.0  # inches


class SamplesDisplay:
    """Samples over data: a panel for each pair of features, and a histogram for each.

    Use `from_estimator` or `from_samples` to make one. If the model is good, samples
    and data look the same in every panel. The reverse does not hold, because a panel
    shows two features only.

    Read more in the :ref:`User Guide <displays>`.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_shown)
        The data: the features to show.

    samples : ndarray of shape (n_samples, n_shown)
        The samples: the same features.

    feature_names : sequence of str of length n_shown, default=None
        Names of the features.

    drawn : ndarray of int, default=None
        Rows of X to draw as dots; histograms count all. None means all.

    Attributes
    ----------
    axes_ : ndarray of Axes of shape (n_shown, n_shown)
        Panels: histograms on the diagonal, pairs below it, None above.

    data_bars_, sample_bars_ : list of matplotlib StepPatch
        Histograms, one per feature.

    data_scatters_, sample_scatters_ : list of matplotlib PathCollection
        Dots, one collection per pair, row by row.

    legend_ : matplotlib Legend or None
        Legend.

    ax_ : matplotlib Axes
        Axes that the panels are in, or the first panel if they fill a figure.

    figure_ : matplotlib Figure
        Figure that they are in.

    Examples
    --------
    >>> import numpy as np
    >>> from skdsm.display import SamplesDisplay
    >>> rng = np.random.default_rng(0)
    >>> X, samples = rng.normal(size=(2, 200, 3))
    >>> display = SamplesDisplay.from_samples(X, samples)
    >>> display.axes_.shape
    (3, 3)
    """

    def __init__(
        self,
        *,
        X: Floats,
        samples: Floats,
        feature_names: Sequence[str] | None = None,
        drawn: NDArray[np.integer[Any]] | None = None,
    ) -> None:
        self.X = X
        self.samples = samples
        self.feature_names = feature_names
        self.drawn = drawn

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike,
        *,
        n_samples: int | None = None,
        features: Sequence[int | str] | None = None,
        subsample: int | None = 1000,
        random_state: Randomness = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Draw samples from a fitted estimator, and show them over data.

        Parameters
        ----------
        estimator : DenoisingScoreMatcher or Pipeline
            Fitted model, or pipeline that ends in one and whose other steps have an
            ``inverse_transform``: samples are brought into the units of the data.

        X : array-like of shape (n_rows, n_features)
            Rows to compare with.

        n_samples : int, default=None
            Number of samples; None means as many as there are dots.

        features : sequence of int or str, default=None
            Features to show; None means the first four.

        subsample : int or None, default=1000
            Largest number of rows of X to draw as dots, chosen at random; None means
            all.

        random_state : int, RandomState instance or None, default=None
            Determines the samples, and which rows are drawn.

        ax : matplotlib Axes, default=None
            Axes to put the panels in; None makes a new figure.

        **kwargs : dict
            Further arguments of `plot`.

        Returns
        -------
        SamplesDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If X is not like the rows of the fit, or an argument is not valid.
        TypeError
            If the estimator is not a `DenoisingScoreMatcher`, nor ends in one.
        NotFittedError
            If it is not fitted.

        Examples
        --------
        >>> from skdsm import DenoisingScoreMatcher
        >>> from skdsm.display import SamplesDisplay
        >>> X = [[0, 0], [1, 2], [2, 1]]
        >>> matcher = DenoisingScoreMatcher(2, random_state=0).fit(X)
        >>> SamplesDisplay.from_estimator(matcher, X, random_state=0).axes_.shape
        (2, 2)
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        model = PreparedModel.of(estimator)
        table = Table.of(X, model)
        random_state = check_random_state(random_state)
        drawn = subsample_rows(len(table.rows), subsample, random_state)
        n_samples = len(drawn) if n_samples is None else n_samples
        samples = model.matcher.sample(n_samples, random_state=random_state)
        display = cls._of(table, model.restore(samples), features, drawn)
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def from_samples(
        cls,
        X: ArrayLike,
        samples: ArrayLike,
        *,
        features: Sequence[int | str] | None = None,
        subsample: int | None = 1000,
        random_state: Randomness = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Show given samples over data.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows to compare with. They give the features their names, if they have some.

        samples : array-like of shape (n_samples, n_features)
            Samples.

        features : sequence of int or str, default=None
            Features to show; None means the first four.

        subsample : int or None, default=1000
            Largest number of rows of X to draw as dots, chosen at random; None means
            all.

        random_state : int, RandomState instance or None, default=None
            Determines which rows are drawn.

        ax : matplotlib Axes, default=None
            Axes to put the panels in; None makes a new figure.

        **kwargs : dict
            Further arguments of `plot`.

        Returns
        -------
        SamplesDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the two do not have the same features, or an argument is not valid.
        """
        check_matplotlib_support(f"{cls.__name__}.from_samples")
        table, drawn_rows = Table.of(X), Table.of(samples).rows
        if drawn_rows.shape[1] != len(table.names):
            raise ValueError(
                f"X has {len(table.names)} features, but the samples have "
                f"{drawn_rows.shape[1]}."
            )
        drawn = subsample_rows(len(table.rows), subsample, random_state)
        return cls._of(table, drawn_rows, features, drawn).plot(ax=ax, **kwargs)

    @classmethod
    def _of(cls, table, samples, features, drawn):
        if features is None:
            features = range(min(_MOST_FEATURES, len(table.names)))
        elif isinstance(features, str):
            features = [features]
        shown = table.feature_indices(features)
        if not shown:
            raise ValueError("features must name at least one.")
        return cls(
            X=table.rows[:, shown],
            samples=samples[:, shown],
            feature_names=[table.names[j] for j in shown],
            drawn=drawn,
        )

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        bins: int = 20,
        data_scatter_kw: Options | None = None,
        sample_scatter_kw: Options | None = None,
        data_bar_kw: Options | None = None,
        sample_bar_kw: Options | None = None,
        legend: bool = True,
    ) -> Self:
        """Draw the panels.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to put the panels in, made by :func:`~matplotlib.pyplot.subplots` or
            otherwise part of a grid; None makes a new figure.

        bins : int, default=20
            Number of bars of each histogram.

        data_scatter_kw, sample_scatter_kw : dict, default=None
            Keyword arguments of :meth:`~matplotlib.axes.Axes.scatter`.

        data_bar_kw, sample_bar_kw : dict, default=None
            Keyword arguments of :meth:`~matplotlib.axes.Axes.stairs`.

        legend : bool, default=True
            Whether to add a legend.

        Returns
        -------
        SamplesDisplay
            The display.

        Raises
        ------
        ValueError
            If `ax` is not part of a grid.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        self._make_panels(ax)
        n_shown = self.X.shape[1]
        names = self.feature_names or [f"feature {j}" for j in range(n_shown)]
        ends = [_ends(self.X[:, j], self.samples[:, j]) for j in range(n_shown)]
        self.data_bars_: list[Any] = []
        self.sample_bars_: list[Any] = []
        self.data_scatters_: list[Any] = []
        self.sample_scatters_: list[Any] = []
        for j in range(n_shown):
            low, high = ends[j]
            edges = np.linspace(low, high, bins + 1)
            self._draw_histogram(j, edges, data_bar_kw, sample_bar_kw)
            for i in range(j):
                self._draw_pair(j, i, data_scatter_kw, sample_scatter_kw)
                self.axes_[j, i].set(xlim=ends[i], ylim=ends[j])
        self._label(names)
        self.legend_ = self._draw_legend() if legend else None
        return self

    def _make_panels(self, ax):
        n_shown = self.X.shape[1]
        if ax is None:
            import matplotlib.pyplot as plt

            side = _PANEL * n_shown + 0.6
            self.figure_ = plt.figure(figsize=(side, side), layout="constrained")
            grid = self.figure_.add_gridspec(n_shown, n_shown)
        else:
            if ax.get_subplotspec() is None:
                raise ValueError(
                    "ax must be part of a grid, such as plt.subplots makes, to be "
                    "divided into panels."
                )
            ax.set_axis_off()
            self.figure_ = ax.figure
            grid = ax.get_subplotspec().subgridspec(n_shown, n_shown)
        self.axes_ = np.full((n_shown, n_shown), None)
        for j, i in zip(*np.tril_indices(n_shown), strict=True):
            self.axes_[j, i] = self.figure_.add_subplot(grid[j, i])
        self.ax_ = self.axes_[0, 0] if ax is None else ax

    def _draw_histogram(self, j, edges, data_kw, sample_kw):
        from matplotlib.patches import StepPatch

        panel = self.axes_[j, j]
        data, samples = (
            np.histogram(_finite(rows[:, j]), edges, density=True)[0]
            for rows in (self.X, self.samples)
        )
        defaults = {"fill": True, "facecolor": (BLUE, 0.35), "label": "data"}
        kw = with_defaults(defaults, data_kw, StepPatch)
        self.data_bars_.append(panel.stairs(data, edges, **kw))
        defaults = {"edgecolor": ORANGE, "linewidth": 1.5, "label": "samples"}
        kw = with_defaults(defaults, sample_kw, StepPatch)
        self.sample_bars_.append(panel.stairs(samples, edges, **kw))
        panel.set(xlim=edges[[0, -1]], yticks=[])
        panel.spines[["top", "left", "right"]].set_visible(False)

    def _draw_pair(self, j, i, data_kw, sample_kw):
        panel = self.axes_[j, i]
        drawn = slice(None) if self.drawn is None else self.drawn
        data, samples = self.X[drawn][:, [i, j]], self.samples[:, [i, j]]
        # wide and pale below, small and full above: both can be seen where both are
        size = dot_size(max(len(data), len(samples)))
        self.data_scatters_.append(
            draw_rows(panel, data, data_kw, color=BLUE, s=3 * size, alpha=0.35)
        )
        self.sample_scatters_.append(
            draw_rows(panel, samples, sample_kw, color=ORANGE, s=size)
        )

    def _label(self, names):
        from matplotlib.ticker import MaxNLocator

        last = len(names) - 1
        for (j, i), panel in np.ndenumerate(self.axes_):
            if panel is None:
                continue
            panel.xaxis.set_major_locator(MaxNLocator(3))
            if j == last:
                panel.set_xlabel(names[i])
            else:
                panel.tick_params(labelbottom=False)
            if i < j:
                panel.yaxis.set_major_locator(MaxNLocator(3))
                if i == 0:
                    panel.set_ylabel(names[j])
                else:
                    panel.tick_params(labelleft=False)

    def _draw_legend(self):
        # there is no panel beside the first histogram
        last = self.axes_.shape[1] - 1
        panel, handles = self.axes_[0, 0], [self.data_bars_[0], self.sample_bars_[0]]
        if not last:
            return legend_above(panel, handles)
        legend = panel.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(1.05, 1), frameon=False
        )
        legend.set_in_layout(False)  # or panels would make room for it
        return legend


def _finite(values):
    return values[np.isfinite(values)]


def _ends(data, samples):
    values = _finite(np.concatenate([data, samples]))
    low, high = values.min(), values.max()
    margin = 0.03 * (high - low) or 0.5
    return low - margin, high + margin
