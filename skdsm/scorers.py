"""Scorers for model selection: labelled outliers, whatever their label."""

from numbers import Number

import numpy as np
from sklearn.metrics import average_precision_score, make_scorer, roc_auc_score
from sklearn.utils import column_or_1d
from sklearn.utils._array_api import array_api_compat

from skdsm._blocks import default_float_errors
from skdsm._sklearn.array_backend import to_numpy

__all__ = ["make_outlier_scorer"]

_METRICS = {"roc_auc": roc_auc_score, "average_precision": average_precision_score}


def make_outlier_scorer(metric="roc_auc", *, outlier_label):
    """Make a scorer that compares outlier detectors with labels.

    Use it in place of ``scoring="roc_auc"``, which expects high scores for the larger
    of two labels. Detectors give high scores to normal rows. If outliers are labelled 1
    and normal rows 0, as is usual in data sets, ``scoring="roc_auc"`` returns one minus
    the ROC AUC without a warning, and a search selects the worst model. This scorer
    takes the label of the outliers as an argument.

    Parameters
    ----------
    metric : {"roc_auc", "average_precision"} or callable, default="roc_auc"
        What to compute. A callable is called as ``metric(is_outlier, outlier_score)``,
        with a boolean array and scores that are high for outliers, and with
        `sample_weight` if there is one.

    outlier_label : object
        Label of outliers in y, such as 1, -1 or "fraud". The other label marks normal
        rows. There is no default, because a wrong one would invert the metric. Labels
        may be numbers, text or dates, in any container that NumPy can read: lists,
        arrays, and columns of pandas, polars or pyarrow.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y)``, higher for better detectors: a `scoring` for
        :class:`~sklearn.model_selection.GridSearchCV`,
        :func:`~sklearn.model_selection.cross_val_score` and similar functions. The
        estimator needs `score_samples`, as outlier detectors and densities of
        scikit-learn have it, and pipelines that end in one. Calls raise ValueError if y
        does not contain outliers and exactly one other label, if labels are missing, or
        if they mix types, such as numbers and text.

    Raises
    ------
    ValueError
        If the metric is not known, or if `outlier_label` is None or not a number, as
        missing labels are.

    Notes
    -----
    Pass :class:`~sklearn.model_selection.StratifiedKFold` as `cv`, so that every fold
    has outliers. A whole number makes folds of neighbouring rows, because detectors are
    not classifiers. Fits ignore y, so they see the outliers of the training folds.

    Detectors of PyOD are refused: they have no `score_samples`, and their
    `decision_function` is high for outliers.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import IsolationForest
    >>> from skdsm.scorers import make_outlier_scorer
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(size=(90, 2)), rng.normal(6, 1, (10, 2))])
    >>> y = np.repeat([0, 1], [90, 10])
    >>> scorer = make_outlier_scorer("roc_auc", outlier_label=1)
    >>> scorer(IsolationForest(random_state=0).fit(X), X, y) > 0.9
    True
    """
    if not callable(metric) and metric not in _METRICS:
        raise ValueError(
            f"metric must be callable or one of {list(_METRICS)}, got {metric!r}."
        )
    if _is_missing(outlier_label):
        raise ValueError(
            f"outlier_label={outlier_label!r} is what missing labels are. Please label "
            "outliers by a number or by text."
        )
    return make_scorer(
        _evaluate,
        response_method=["score_samples"],
        metric=metric,
        outlier_label=outlier_label,
    )


def _evaluate(y_true, y_score, *, metric, outlier_label, sample_weight=None):
    is_outlier = _is_outlier(y_true, outlier_label)
    kw = {} if sample_weight is None else {"sample_weight": sample_weight}
    with default_float_errors():
        outlier_score = -np.asarray(to_numpy(y_score))
        return float(_METRICS.get(metric, metric)(is_outlier, outlier_score, **kw))


def _is_outlier(y, outlier_label):
    """Whether each label marks outliers. Labels are compared, but never sorted."""
    values, codes = _distinct(_one_array(y))
    if any(_is_missing(value) for value in values):
        raise ValueError(
            "y has missing labels (NaN, None or NA). Please label these rows, or leave "
            "them out."
        )
    shown = ", ".join(map(repr, values[:5])) + ", ..." * (len(values) > 5)
    kinds = sorted({_kind(value) for value in values})
    if len(kinds) > 1:
        raise ValueError(
            f"y mixes labels of several types, {' and '.join(kinds)}: {shown}. Please "
            "give all labels one type."
        )
    are_outliers = np.array([bool(value == outlier_label) for value in values])
    if not are_outliers.any():
        raise ValueError(
            f"y holds no row with outlier_label={outlier_label!r}, only {shown}. In "
            "cross-validation, StratifiedKFold puts outliers into every fold."
        )
    if len(values) != 2:
        raise ValueError(
            f"y must hold outlier_label={outlier_label!r} and one other label, for "
            f"normal rows, got {shown}."
        )
    return are_outliers[codes]


def _one_array(y):
    """Labels of any container as an array of one dimension, without conversion."""
    if isinstance(y, list | tuple):  # NumPy would turn numbers among words into words
        y = np.array(y, dtype=object)
    elif array_api_compat.is_array_api_obj(y):
        y = to_numpy(y)
    y = column_or_1d(np.asarray(y))
    return y.astype(object) if y.dtype.kind == "T" else y  # text of variable width


def _distinct(y):
    """Distinct labels, a list, and the place of each label in it."""
    if y.dtype != object:
        values, codes = np.unique(y, return_inverse=True)
        return list(values) if y.dtype.kind in "mM" else values.tolist(), codes
    places = {}
    try:
        codes = [places.setdefault(label, len(places)) for label in y]
    except TypeError as error:
        raise ValueError(f"y holds labels that cannot be compared: {error}.") from None
    values = [v.item() if isinstance(v, np.generic) else v for v in places]
    return values, np.array(codes)


def _is_missing(label):
    if label is None or type(label).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(label, Number | np.generic) and bool(label != label)


def _kind(label):
    if isinstance(label, Number):
        return "numbers"
    return "text" if isinstance(label, str) else type(label).__name__
