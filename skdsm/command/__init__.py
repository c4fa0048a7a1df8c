"""The command ``skdsm``: from a CSV to a ranking of its rows."""

__all__ = ["TRUSTED"]

# All that a saved model holds beside scikit-learn's own classes and arrays.
TRUSTED = [
    "numpy.dtype",
    "skdsm.calibration.ConformalOutlierDetector",
    "skdsm.estimator.DenoisingScoreMatcher",
    "skdsm.tables.encoder.TableEncoder",
    "skdsm.tables.steps.AmountScaler",
    "skdsm.tables.steps.DateEncoder",
    "skdsm.tables.steps.TextEncoder",
]
