"""The loss during training, stage by stage."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._optional_dependencies import check_matplotlib_support

from skdsm._typing import ArrayLike, Floats, Options
from skdsm.display._model import PreparedModel
from skdsm.display._style import BLUE, ORANGE, legend_above, new_axes, with_defaults

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LossCurveDisplay"]

_LOG_RATIO = 3.0  # of the largest to the smallest loss, from which on a log scale helps


class LossCurveDisplay:
    """Loss after each iteration, with the stages of training.

    Use `from_estimator` to make one. The noise is drawn anew for each stage, and the
    first stages see a sample of the rows only: the curve may jump between stages.
    Compare losses of the same stage only. The validation loss is computed on noise that
    training never uses.

    Read more in the :ref:`User Guide <displays>`.

    Parameters
    ----------
    loss_curve : array-like of shape (n_iter,)
        Loss after each iteration.

    stage_ends : array-like of shape (n_stages,), default=None
        Number of iterations done at the end of each stage; None means one stage.

    validation_loss : float or ndarray of shape (n_stages,), default=None
        Validation loss at the end, or after each stage; None leaves it out.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The curve, one line per stage.

    stage_lines_ : list of matplotlib Line2D
        Where a stage ends and the next one begins.

    validation_ : matplotlib Line2D or None
        The validation loss.

    legend_ : matplotlib Legend or None
        Legend, above the axes.

    ax_ : matplotlib Axes
        Axes that were drawn on.

    figure_ : matplotlib Figure
        Figure that they are in.

    See Also
    --------
    sklearn.callback.ScoringMonitor : Records scores while a fit is under way.

    Examples
    --------
    >>> import numpy as np
    >>> from skdsm import DenoisingScoreMatcher
    >>> from skdsm.display import LossCurveDisplay
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> matcher = DenoisingScoreMatcher(n_components=16, random_state=0).fit(X)
    >>> display = LossCurveDisplay.from_estimator(matcher)
    >>> len(display.lines_) == len(matcher.stage_ends_)
    True
    """

    def __init__(
        self,
        *,
        loss_curve: ArrayLike,
        stage_ends: ArrayLike | None = None,
        validation_loss: float | Floats | None = None,
    ) -> None:
        self.loss_curve = loss_curve
        self.stage_ends = stage_ends
        self.validation_loss = validation_loss

    @classmethod
    def from_estimator(
        cls, estimator: BaseEstimator, *, ax: "Axes | None" = None, **kwargs: Any
    ) -> Self:
        """Draw the loss curve of a fitted estimator.

        Parameters
        ----------
        estimator : DenoisingScoreMatcher or Pipeline
            Fitted model, or pipeline that ends in one.

        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.

        **kwargs : dict
            Further arguments of `plot`.

        Returns
        -------
        LossCurveDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator is not a `DenoisingScoreMatcher`, nor ends in one.
        NotFittedError
            If it is not fitted.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        matcher = PreparedModel.of(estimator).matcher
        display = cls(
            loss_curve=matcher.loss_curve_,
            stage_ends=matcher.stage_ends_,
            validation_loss=matcher.loss_,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        yscale: str = "auto",
        line_kw: Options | None = None,
        stage_kw: Options | None = None,
        validation_kw: Options | None = None,
        legend: bool = True,
    ) -> Self:
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.

        yscale : str, default="auto"
            Scale of the loss, such as "log" or "linear"; "auto" is "log" if the largest
            loss is three times the smallest or more, and the smallest is positive.

        line_kw : dict, default=None
            Keyword arguments of :meth:`~matplotlib.axes.Axes.plot`, for the curve.

        stage_kw : dict, default=None
            Keyword arguments of :meth:`~matplotlib.axes.Axes.axvline`, for the stages.

        validation_kw : dict, default=None
            Keyword arguments of :meth:`~matplotlib.axes.Axes.plot`, for the validation
            loss.

        legend : bool, default=True
            Whether to add a legend.

        Returns
        -------
        LossCurveDisplay
            The display.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        from matplotlib.lines import Line2D
        from matplotlib.ticker import LogLocator, NullFormatter

        self.ax_ = ax = new_axes(ax)
        self.figure_ = ax.figure
        loss = np.asarray(self.loss_curve)
        ends = np.array([len(loss)] if self.stage_ends is None else self.stage_ends)
        if yscale == "auto":
            wide = loss.min() > 0 and loss.max() >= _LOG_RATIO * loss.min()
            yscale = "log" if wide else "linear"

        stage_kw = with_defaults({"color": "0.8", "linewidth": 0.8}, stage_kw, Line2D)
        self.stage_lines_ = [ax.axvline(end + 0.5, **stage_kw) for end in ends[:-1]]
        for line in self.stage_lines_[:1]:
            line.set_label("new stage")
        line_kw = with_defaults({"color": BLUE}, line_kw, Line2D)
        iterations = np.split(np.arange(1, len(loss) + 1), ends[:-1])
        self.lines_ = [ax.plot(i, loss[i - 1], **line_kw)[0] for i in iterations]
        self.lines_[0].set_label("training")
        self.validation_ = self.legend_ = None
        if self.validation_loss is not None:
            validation = np.atleast_1d(self.validation_loss)
            defaults = {"color": ORANGE, "marker": "o", "linestyle": "", "zorder": 3}
            kw = with_defaults(defaults, validation_kw, Line2D)
            (self.validation_,) = ax.plot(
                ends[-len(validation) :], validation, label="validation", **kw
            )
        ax.set(xlabel="L-BFGS iteration", ylabel="loss (squared units of X)")
        if yscale != "linear":
            ax.set_yscale(yscale)
        if yscale == "log":  # by default there is often one tick only
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_formatter(NullFormatter())
        if legend:
            handles = [self.lines_[0], self.validation_, *self.stage_lines_[:1]]
            self.legend_ = legend_above(ax, [h for h in handles if h is not None])
        return self
