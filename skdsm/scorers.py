"""Scorers for model selection: labelled outliers, whatever their label."""

import numpy as np
from sklearn.metrics import average_precision_score, make_scorer, roc_auc_score
from sklearn.utils import assert_all_finite, column_or_1d

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
        rows. There is no default, because a wrong one would invert the metric.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y)``, higher for better detectors: a `scoring` for
        :class:`~sklearn.model_selection.GridSearchCV`,
        :func:`~sklearn.model_selection.cross_val_score` and similar functions. The
        estimator needs `score_samples`, as outlier detectors and densities of
        scikit-learn have it, and pipelines that end in one. Calls raise ValueError if y
        does not contain outliers and exactly one other label.

    Raises
    ------
    ValueError
        If the metric is not known.

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
    return make_scorer(
        _evaluate,
        response_method=["score_samples"],
        metric=metric,
        outlier_label=outlier_label,
    )


def _evaluate(y_true, y_score, *, metric, outlier_label, sample_weight=None):
    is_outlier = _is_outlier(y_true, outlier_label)
    kw = {} if sample_weight is None else {"sample_weight": sample_weight}
    return float(_METRICS.get(metric, metric)(is_outlier, -y_score, **kw))


def _is_outlier(y, outlier_label):
    y = column_or_1d(y)
    assert_all_finite(y, input_name="y")
    labels = np.unique(y)
    others = [label for label in labels if label != outlier_label]
    shown = ", ".join(map(repr, labels[:5].tolist())) + ", ..." * (len(labels) > 5)
    if len(others) == len(labels):
        raise ValueError(
            f"y holds no row with outlier_label={outlier_label!r}, only {shown}. In "
            "cross-validation, StratifiedKFold puts outliers into every fold."
        )
    if len(others) != 1:
        raise ValueError(
            f"y must hold outlier_label={outlier_label!r} and one other label, that of "
            f"normal rows, got {shown}."
        )
    return y != others[0]
