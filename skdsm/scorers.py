"""Scorers for model selection: labelled outliers, whatever their label."""

import numpy as np
from sklearn.metrics import average_precision_score, make_scorer, roc_auc_score
from sklearn.utils import assert_all_finite, column_or_1d

__all__ = ["make_outlier_scorer"]

_METRICS = {"roc_auc": roc_auc_score, "average_precision": average_precision_score}


def make_outlier_scorer(metric="roc_auc", *, outlier_label):
    """Make a scorer of outlier detectors against labels.

    ``scoring="roc_auc"`` takes the larger of two labels for that of high scores. Scores
    are high for normal rows; where outliers are labelled 1 and normal rows 0, as is
    usual in data sets, it returns one minus the ROC AUC without a word, and a search
    selects the worst model. This scorer is told which label is that of the outliers.

    Parameters
    ----------
    metric : {"roc_auc", "average_precision"} or callable, default="roc_auc"
        What to compute. A callable is called as ``metric(is_outlier, outlier_score)``,
        with a boolean array and scores that are high for outliers, and with
        `sample_weight` if there is one.

    outlier_label : object
        Label of outliers in y, such as 1, -1 or "fraud". The other label is that of
        normal rows. There is no default: a wrong one would invert the metric.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y)``, higher for better detectors: a `scoring` for
        :class:`~sklearn.model_selection.GridSearchCV`,
        :func:`~sklearn.model_selection.cross_val_score` and their like. The estimator
        needs `score_samples`, which all outlier detectors and densities of scikit-learn
        have, and pipelines that end in one. Calls raise ValueError if y does not hold
        outliers and one other label.

    Raises
    ------
    ValueError
        If the metric is not known.

    Notes
    -----
    Detectors fit rows and ignore labels, but y is needed to score them. With y given,
    fits still see the outliers of the training folds. A whole number as `cv` makes
    folds of neighbouring rows, as detectors are no classifiers: pass
    :class:`~sklearn.model_selection.StratifiedKFold`, so that no fold is without
    outliers.

    PyOD's `decision_function` is high for outliers. Its detectors have no
    `score_samples`, and are refused.

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
