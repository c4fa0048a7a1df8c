"""One result: a detector fitted and evaluated on one split of one data set."""

import time
import warnings

import numpy as np
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, roc_auc_score
from threadpoolctl import threadpool_limits

from ranking.protocols import PROTOCOLS, standardised

__all__ = ["evaluate", "measure"]


def evaluate(y, scores):
    """ROC AUC and average precision of finding y = 1 by the lowest scores.

    Raises
    ------
    ValueError
        If a score is NaN. Infinite scores rank as they should.
    """
    if np.isnan(scores).any():
        raise ValueError("a score is NaN")
    anomaly = rankdata(-scores)  # both measures depend on nothing but ranks
    return float(roc_auc_score(y, anomaly)), float(average_precision_score(y, anomaly))


def measure(detector, X, y, protocol, seed, max_rows):
    """Fit on one core and evaluate.

    Parameters
    ----------
    detector : object
        Has ``fit`` and ``score_samples``; ``training_scores``, if it has it, ranks the
        rows that were fitted to.
    X, y : ndarray
        The data set; y = 1 marks an anomaly.
    protocol : {"one-class", "unsupervised"}
        See :mod:`ranking.protocols`.
    seed, max_rows : int
        Of the split.

    Returns
    -------
    dict
        Sizes, ROC AUC, average precision, and processor time: of the fit, and of the
        scores per row. With one thread that is the wall time of an idle machine.
    """
    train, test = PROTOCOLS[protocol](y, seed, max_rows)
    X_train, X_test = standardised(X, train, test)
    with threadpool_limits(1), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = time.process_time()
        detector.fit(X_train)
        fitted = time.process_time()
        if test is train and hasattr(detector, "training_scores"):
            scores = detector.training_scores()
        else:
            scores = detector.score_samples(X_test)
        scored = time.process_time()
    roc_auc, average_precision = evaluate(y[test], np.asarray(scores))
    return {
        "n_train": len(train),
        "n_test": len(test),
        "n_features": X.shape[1],
        "share": float(y[test].mean()),
        "roc_auc": roc_auc,
        "average_precision": average_precision,
        "fit_seconds": fitted - start,
        "score_microseconds": 1e6 * (scored - fitted) / len(test),
        "warnings": sorted({warning.category.__name__ for warning in caught}),
    }
