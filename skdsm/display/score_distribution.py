"""Histograms of scores by label, against the threshold."""

from itertools import cycle
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils._optional_dependencies import check_matplotlib_support

from skdsm._typing import ArrayLike, Floats, Options
from skdsm.display._model import PreparedModel
from skdsm.display._style import (
    BLACK,
    PALETTE,
    legend_above,
    new_axes,
    with_defaults,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ScoreDistributionDisplay"]

# in widths of the bulk of the scores: a range for which the axis is bent
_WIDE = 20.0
_FINEST = 1e-6  # the least that the bulk is taken to be, as a share of the range


class ScoreDistributionDisplay:
    """Histograms of the scores of rows, by label, with the threshold.

    Use `from_estimator` or `from_predictions` to make one. Scores are shown relative to
    the threshold, if there is one: this is the decision function, and rows on its
    negative side, which is shaded, are predicted to be outliers. The bars of each label
    add up to one, however few rows have it.

    If some scores are so far out that all others would be squeezed together, the axis
    is logarithmic beyond the bulk of the scores.

    Read more in the :ref:`User Guide <displays>`.

    Parameters
    ----------
    y_score : ndarray of shape (n_samples,)
        Scores, higher for more normal rows.

    y_true : ndarray of shape (n_samples,), default=None
        Label of each row; None draws all rows as one.

    threshold : float, default=None
        Score below which rows are outliers; None if unknown.

    name : str, default="score"
        What the score is, for the label of the axis.

    Attributes
    ----------
    bars_ : list of matplotlib StepPatch
        Histograms, one per label, labels in ascending order.

    threshold_ : matplotlib Line2D or None
        The threshold.

    outlier_side_ : matplotlib Patch or None
        Shade over the scores of rows that are predicted to be outliers.

    legend_ : matplotlib Legend or None
        Legend, above the axes.

    ax_ : matplotlib Axes
        Axes that were drawn on.

    figure_ : matplotlib Figure
        Figure that they are in.

    See Also
    --------
    sklearn.metrics.RocCurveDisplay : True and false alarms, for all thresholds.

    Examples
    --------
    >>> from skdsm.display import ScoreDistributionDisplay
    >>> display = ScoreDistributionDisplay.from_predictions(
    ...     ["odd", "normal", "normal"], [-7.0, 0.5, 1.0], threshold=-1.0
    ... )
    >>> len(display.bars_)
    2
    """

    def __init__(
        self,
        *,
        y_score: Floats,
        y_true: NDArray[Any] | None = None,
        threshold: float | None = None,
        name: str = "score",
    ) -> None:
        self.y_score = y_score
        self.y_true = y_true
        self.threshold = threshold
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Score rows by a fitted estimator, and draw the distribution.

        Parameters
        ----------
        estimator : DenoisingScoreMatcher or Pipeline
            Fitted model, or pipeline that ends in one.

        X : array-like of shape (n_samples, n_features)
            Rows, preferably not the rows of the fit.

        y : array-like of shape (n_samples,), default=None
            Label of each row: any values, such as names. None draws all rows as one.

        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.

        **kwargs : dict
            Further arguments of `plot`.

        Returns
        -------
        ScoreDistributionDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If X is not like the rows of the fit, or y does not have as many.
        TypeError
            If the estimator is not a `DenoisingScoreMatcher`, nor ends in one.
        NotFittedError
            If it is not fitted.

        Examples
        --------
        >>> from skdsm import DenoisingScoreMatcher
        >>> from skdsm.display import ScoreDistributionDisplay
        >>> matcher = DenoisingScoreMatcher(2, random_state=0).fit([[0], [1], [3]])
        >>> display = ScoreDistributionDisplay.from_estimator(matcher, [[1], [2], [9]])
        >>> len(display.y_score)
        3
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        model = PreparedModel.of(estimator)
        return cls.from_predictions(
            y,
            estimator.score_samples(X),
            threshold=model.matcher.offset_,
            name="score_samples",
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike | None,
        y_score: ArrayLike,
        *,
        threshold: float | None = None,
        name: str = "score",
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the distribution of given scores.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,) or None
            Label of each row: any values, such as names. None draws all rows as one.

        y_score : array-like of shape (n_samples,)
            Scores, higher for more normal rows.

        threshold : float, default=None
            Score below which rows are outliers; None if unknown.

        name : str, default="score"
            What the score is, for the label of the axis.

        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.

        **kwargs : dict
            Further arguments of `plot`.

        Returns
        -------
        ScoreDistributionDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the scores are not finite, or not as many as the labels.
        """
        check_matplotlib_support(f"{cls.__name__}.from_predictions")
        scores = check_array(
            column_or_1d(y_score), ensure_2d=False, dtype=np.float64, input_name="score"
        )
        labels = None if y_true is None else column_or_1d(y_true)
        if labels is not None:
            check_consistent_length(labels, scores)
        display = cls(y_score=scores, y_true=labels, threshold=threshold, name=name)
        return display.plot(ax=ax, **kwargs)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        bins: int = 40,
        xscale: Literal["auto", "linear", "symlog"] = "auto",
        bar_kw: Options | None = None,
        threshold_kw: Options | None = None,
        shade_kw: Options | None = None,
        legend: bool = True,
    ) -> Self:
        """Draw the distribution.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.

        bins : int, default=40
            Number of bars, of equal width on the axis.

        xscale : {"auto", "linear", "symlog"}, default="auto"
            Scale of the scores. "symlog" is linear near the threshold, or the median if
            there is none, and logarithmic far from it; "auto" is this if some scores
            are very far out.

        bar_kw : dict, default=None
            Keyword arguments of :meth:`~matplotlib.axes.Axes.stairs`, for all labels.

        threshold_kw : dict, default=None
            Keyword arguments of :meth:`~matplotlib.axes.Axes.axvline`.

        shade_kw : dict, default=None
            Keyword arguments of :meth:`~matplotlib.axes.Axes.axvspan`.

        legend : bool, default=True
            Whether to add a legend.

        Returns
        -------
        ScoreDistributionDisplay
            The display.

        Raises
        ------
        ValueError
            If `xscale` is not known.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        if xscale not in ("auto", "linear", "symlog"):
            raise ValueError(
                f"xscale must be 'auto', 'linear' or 'symlog', got {xscale!r}."
            )
        self.ax_ = ax = new_axes(ax)
        self.figure_ = ax.figure
        origin, linear_width = self._axis(xscale)
        values = self.y_score - origin
        shown = values if self.threshold is None else np.append(values, 0)
        edges = _edges(shown, bins, linear_width)
        self.bars_ = self._draw_bars(values, edges, bar_kw)
        handles = [*self.bars_, *self._draw_threshold(edges[0], threshold_kw, shade_kw)]
        of = "all rows" if self.y_true is None else "the label's rows"
        ax.set(xlim=edges[[0, -1]], ylabel=f"share of {of}")
        if linear_width is not None:
            ax.set_xscale("symlog", linthresh=linear_width)
        self.legend_ = legend_above(ax, handles) if legend else None
        return self

    def _axis(self, xscale):
        """Give the score at the origin, and the width of the linear part if any."""
        # outliers are at the other end, so this is the width of the bulk
        bulk = self.y_score.max() - np.quantile(self.y_score, 0.75)
        spread = np.ptp(self.y_score)
        linear_width = 10 ** np.round(np.log10(max(bulk, _FINEST * spread) or 1.0))
        if xscale == "auto":
            wide = spread > _WIDE * linear_width
            xscale = "symlog" if wide else "linear"
        if self.threshold is not None:
            origin, label = self.threshold, f"{self.name} relative to threshold"
        elif xscale == "symlog":
            origin, label = np.median(self.y_score), f"{self.name} relative to median"
        else:
            origin, label = 0.0, self.name
        self.ax_.set_xlabel(label)
        return origin, linear_width if xscale == "symlog" else None

    def _draw_bars(self, values, edges, kw):
        from matplotlib.patches import StepPatch

        y = self.y_true
        labels = [None] if y is None else np.unique(y)
        bars = []
        for label, color in zip(labels, cycle(PALETTE), strict=False):
            chosen = values if y is None else values[y == label]
            share = np.histogram(chosen, edges)[0] / len(chosen)
            name = "all rows" if y is None else label
            defaults = {
                "fill": True,
                "facecolor": (color, 0.4),
                "edgecolor": color,
                "linewidth": 1.2,
                "label": f"{name} ({len(chosen)})",
            }
            bars.append(
                self.ax_.stairs(share, edges, **with_defaults(defaults, kw, StepPatch))
            )
        return bars

    def _draw_threshold(self, left, line_kw, shade_kw):
        from matplotlib.lines import Line2D
        from matplotlib.patches import Rectangle

        self.threshold_ = self.outlier_side_ = None
        if self.threshold is None:
            return []
        defaults = {"color": BLACK, "linestyle": "--", "linewidth": 1.2}
        kw = with_defaults(defaults, line_kw, Line2D)
        self.threshold_ = self.ax_.axvline(0, **kw)
        defaults = {"facecolor": "0.9", "zorder": 0, "label": "outlier side"}
        kw = with_defaults(defaults, shade_kw, Rectangle)
        self.outlier_side_ = self.ax_.axvspan(left, 0, **kw)
        return [self.outlier_side_]


def _edges(values, bins, linear_width):
    """Edges of bars that have equal width on the axis; the origin is one of them."""
    from matplotlib.scale import SymmetricalLogTransform

    low, high = values.min(), values.max()
    ends = np.array([low, high])
    if linear_width is not None:
        bend = SymmetricalLogTransform(10, linear_width, 1)
        ends = bend.transform(ends)
    step = np.ptp(ends) / bins or 1.0
    # one more on the right, as bars are open on that side
    edges = np.arange(np.floor(ends[0] / step), np.floor(ends[1] / step) + 2) * step
    if linear_width is not None:
        edges = bend.inverted().transform(edges)
    # rounding must not leave out the extremes
    edges[0], edges[-1] = min(edges[0], low), max(edges[-1], high)
    return edges
