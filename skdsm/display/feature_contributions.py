"""What each feature contributes to the anomaly of rows."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._optional_dependencies import check_matplotlib_support

from skdsm._typing import ArrayLike, Floats, Options
from skdsm.display._model import PreparedModel, Table
from skdsm.display._style import BLUE, new_axes, with_defaults

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FeatureContributionsDisplay"]

_MOST_NAMES = 40  # of rows, for which there is room


class FeatureContributionsDisplay:
    """Contributions of features to the anomaly of one row, or of many.

    Use `from_estimator` to make one. One row is drawn as bars, the largest on top. Many
    are drawn as a heat map with a line for each row; its colours are shares of the sum
    of the row, so that mild and strong anomalies can be compared.

    In a pipeline, contributions belong to the features that the model sees. Behind a
    scaler these have the names of the columns. Steps that make new features, such as
    PCA, name them.

    Read more in the :ref:`User Guide <displays>`.

    Parameters
    ----------
    contributions : ndarray of shape (n_rows, n_features)
        Non-negative contributions.

    feature_names : list of str
        Names of the features.

    row_names : list of str, default=None
        Names of the rows; None numbers them.

    Attributes
    ----------
    bars_ : matplotlib BarContainer or None
        Bars, of one row.

    image_ : matplotlib AxesImage or None
        Heat map, of many rows.

    colorbar_ : matplotlib Colorbar or None
        Colour bar of the heat map.

    ax_ : matplotlib Axes
        Axes that were drawn on.

    figure_ : matplotlib Figure
        Figure that they are in.

    See Also
    --------
    skdsm.DenoisingScoreMatcher.feature_contributions : The numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from skdsm import DenoisingScoreMatcher
    >>> from skdsm.display import FeatureContributionsDisplay
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> matcher = DenoisingScoreMatcher(n_components=16, random_state=0).fit(X)
    >>> odd = [[0.0, 0.0, 6.0]]
    >>> display = FeatureContributionsDisplay.from_estimator(matcher, odd)
    >>> display.ax_.get_yticklabels()[0].get_text()
    'feature 2'
    """

    def __init__(
        self,
        *,
        contributions: Floats,
        feature_names: Sequence[str],
        row_names: Sequence[str] | None = None,
    ) -> None:
        self.contributions = contributions
        self.feature_names = feature_names
        self.row_names = row_names

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike,
        *,
        row_names: Sequence[Any] | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> Self:
        """Evaluate the contributions to rows, and draw them.

        Parameters
        ----------
        estimator : DenoisingScoreMatcher or Pipeline
            Fitted model, or pipeline that ends in one.

        X : array-like of shape (n_rows, n_features)
            Rows in the units of the data.

        row_names : sequence, default=None
            Names of the rows; None takes the index of a pandas table, or numbers.

        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.

        **kwargs : dict
            Further arguments of `plot`.

        Returns
        -------
        FeatureContributionsDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If X is not like the rows of the fit, or does not have as many rows as there
            are names.
        TypeError
            If the estimator is not a `DenoisingScoreMatcher`, nor ends in one.
        NotFittedError
            If it is not fitted.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        model = PreparedModel.of(estimator)
        table = Table.of(X, model, missing=True)
        contributions = model.matcher.feature_contributions(model.prepare(X))
        names: Iterable[Any] = range(len(contributions))
        if row_names is not None:
            names = row_names
        elif hasattr(X, "iloc"):
            names = getattr(X, "index")  # noqa: B009  # mypy knows no pandas
        display = cls(
            contributions=contributions,
            feature_names=model.prepared_names(table.names),
            row_names=[str(name) for name in names],
        )
        return display.plot(ax=ax, **kwargs)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        max_features: int = 12,
        bar_kw: Options | None = None,
        image_kw: Options | None = None,
    ) -> Self:
        """Draw the contributions.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.

        max_features : int, default=12
            Number of features to draw, those with the largest contributions, or shares
            on average; what the others add up to is drawn after them. Features of a
            heat map stay in their order.

        bar_kw : dict, default=None
            Keyword arguments of :meth:`~matplotlib.axes.Axes.barh`, for one row.

        image_kw : dict, default=None
            Keyword arguments of :meth:`~matplotlib.axes.Axes.imshow`, for many.

        Returns
        -------
        FeatureContributionsDisplay
            The display.

        Raises
        ------
        ValueError
            If `max_features` is less than one, or there are not as many rows as names.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        values = np.asarray(self.contributions, dtype=np.float64)
        if max_features < 1:
            raise ValueError(f"max_features must be at least 1, got {max_features!r}.")
        if self.row_names is not None and len(self.row_names) != len(values):
            raise ValueError(
                f"There are {len(values)} rows, but {len(self.row_names)} row_names."
            )
        self.ax_ = ax = new_axes(ax)
        self.figure_ = ax.figure
        self.bars_ = self.image_ = self.colorbar_ = None
        if len(values) == 1:
            self._draw_bars(values, max_features, bar_kw)
        else:
            self._draw_image(_shares(values), max_features, image_kw)
        return self

    def _names(self, chosen, n_features):
        names = [self.feature_names[j] for j in chosen]
        n_others = n_features - len(chosen)
        return [*names, f"{n_others} others"] if n_others else names

    def _draw_bars(self, values, max_features, kw):
        from matplotlib.patches import Rectangle

        chosen = np.argsort(-values[0], kind="stable")[:max_features]
        names, (lengths,) = self._names(chosen, values.shape[1]), _merge(values, chosen)
        kw = with_defaults({"color": BLUE}, kw, Rectangle)
        places = np.arange(len(lengths))
        self.bars_ = self.ax_.barh(places, lengths, **kw)
        self.ax_.set_yticks(places, names)
        self.ax_.set(
            ylim=(len(lengths) - 0.5, -0.5),
            xlabel=r"contribution, $\sigma^2\psi_i^2/2$",
        )
        if self.row_names is not None:
            self.ax_.set_title(f"row {self.row_names[0]}", fontsize="medium")

    def _draw_image(self, shares, max_features, kw):
        # of the largest; a heat map reads best if features stay where they are
        largest = np.argsort(-shares.mean(axis=0), kind="stable")[:max_features]
        chosen = np.sort(largest)
        names, cells = self._names(chosen, shares.shape[1]), _merge(shares, chosen)
        defaults = {"cmap": "Blues", "vmin": 0, "aspect": "auto"}
        if kw and "norm" in kw:  # which has limits of its own
            del defaults["vmin"]
        self.image_ = self.ax_.imshow(cells, **defaults | (kw or {}))
        rows = self.row_names or [str(i) for i in range(len(cells))]
        if len(rows) <= _MOST_NAMES:
            self.ax_.set_yticks(np.arange(len(rows)), rows)
        self.ax_.set_xticks(
            np.arange(len(names)),
            names,
            rotation=45,
            ha="right",
            rotation_mode="anchor",
        )
        self.ax_.set_ylabel("row")
        self.colorbar_ = self.figure_.colorbar(self.image_, ax=self.ax_)
        self.colorbar_.set_label("share of the row's anomaly")


def _merge(values, chosen):
    """Columns in the order chosen, and the sum of the others if there are any."""
    others = np.setdiff1d(np.arange(values.shape[1]), chosen)
    if not len(others):
        return values[:, chosen]
    rest = values[:, others].sum(axis=1, keepdims=True)
    return np.hstack([values[:, chosen], rest])


def _shares(values):
    """Divide by the sum of each row, which may overflow, or be zero."""
    largest = values.max(axis=1, keepdims=True)
    scaled = values / np.where(largest > 0, largest, 1)
    total = scaled.sum(axis=1, keepdims=True)
    return scaled / np.where(total > 0, total, 1)
