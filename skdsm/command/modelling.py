"""The model of the command: built, fitted, saved, loaded, asked."""

import warnings
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline

from skdsm import DenoisingScoreMatcher
from skdsm.calibration import ConformalOutlierDetector
from skdsm.command import TRUSTED
from skdsm.command.exceptions import CommandError
from skdsm.exceptions import SentinelWarning
from skdsm.tables import TableEncoder, column_contributions

__all__ = [
    "Ranked",
    "build_model",
    "fit_model",
    "load_model",
    "matched",
    "notes_of",
    "pipeline_of",
    "rank_rows",
    "save_model",
]

# Attributes of an encoder that was fitted to a table with names.
_OF_A_TABLE = ["kinds_", "dropped_", "sentinels_", "typical_", "feature_names_in_"]


class Ranked(NamedTuple):
    """What a model says of rows.

    order (n,) has the positions of the rows, the most unusual first. anomaly_score (n,)
    is high for unusual rows, and zero at the threshold. contributions is the DataFrame
    of `column_contributions` for the first rows of the order.
    """

    order: np.ndarray
    anomaly_score: np.ndarray
    p_values: np.ndarray | None
    contributions: Any

    @property
    def is_unusual(self):
        """Whether each row (n,) is beyond the threshold."""
        return self.anomaly_score > 0


def build_model(rows_are_normal, false_alarms, seed):
    """Unfitted model for a table; false_alarms is a rate, or None."""
    matcher = DenoisingScoreMatcher(
        ranking="combined" if rows_are_normal else "energy",
        contamination="auto",
        n_jobs=-1,
        random_state=seed,
    )
    model = make_pipeline(TableEncoder(), matcher)
    if false_alarms is None:
        return model
    return ConformalOutlierDetector(model, alpha=false_alarms, random_state=seed)


def fit_model(model, table, callback, notes):
    """Fit a model to a DataFrame; its warnings become notes."""
    unfitted = getattr(model, "estimator", model)
    unfitted[-1].set_callbacks(callback)
    with _errors_in_one_line(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", SentinelWarning)  # see notes_of
        model.fit(table)
    notes += dict.fromkeys(" ".join(str(w.message).split()) for w in caught)
    for pipeline in (unfitted, pipeline_of(model)):
        pipeline[-1].set_callbacks()  # not a part of what is saved
    return model


def pipeline_of(model):
    """The fitted pipeline from encoder to DenoisingScoreMatcher."""
    return getattr(model, "estimator_", model)


def notes_of(encoder):
    """What the encoder decided about columns, in lines."""
    by_reason = {}
    for name, reason in encoder.dropped_.items():
        by_reason.setdefault(reason, []).append(name)
    return [
        *[f"left out, {reason}: {', '.join(n)}" for reason, n in by_reason.items()],
        *[
            f"column {name!r}: {', '.join(map(str, codes))} taken for a code, and read "
            "as missing"
            for name, codes in encoder.sentinels_.items()
        ],
    ]


def matched(model, table, path):
    """The columns of a DataFrame that a model was fitted to, in its order."""
    encoder = pipeline_of(model)[0]
    missing = [name for name in encoder.kinds_ if name not in table]
    if missing:
        raise CommandError(f"{path} lacks columns of the model: {', '.join(missing)}")
    return table.reindex(columns=list(encoder.feature_names_in_))


def rank_rows(model, table, n_explained):
    """Rank the rows of a DataFrame."""
    with _errors_in_one_line(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the model's version: said once, on loading
        scores = -np.asarray(model.decision_function(table), dtype=np.float64)
        p_values = model.p_values(table) if hasattr(model, "p_values") else None
        order = np.argsort(-scores, kind="stable")
        blamed = column_contributions(model, table.iloc[order[:n_explained]])
    return Ranked(order, scores, p_values, blamed)


def save_model(model, path):
    """Write a model by skops."""
    import skops.io

    skops.io.dump(model, path)


def load_model(path, false_alarms, notes):
    """Read a model by skops, which makes objects of known types only."""
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = skops.io.load(path, trusted=TRUSTED)
    except UntrustedTypesFoundException as error:
        raise CommandError(f"{path} is not loaded: {error}".split("\n")[0]) from None
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception:  # a file of another kind fails in many ways
        raise CommandError(f"{path} is not a model saved by --save") from None
    notes += dict.fromkeys(" ".join(str(w.message).split()) for w in caught)
    pipeline = pipeline_of(model)
    if not (
        isinstance(model, Pipeline | ConformalOutlierDetector)
        and isinstance(pipeline, Pipeline)
        and isinstance(pipeline[0], TableEncoder)
        and isinstance(pipeline[-1], DenoisingScoreMatcher)
        and all(hasattr(pipeline[0], name) for name in _OF_A_TABLE)
    ):
        raise CommandError(f"{path} is not a model saved by --save")
    if false_alarms is not None:
        if not isinstance(model, ConformalOutlierDetector):
            raise CommandError(
                f"{path} was saved without --false-alarms, and has no calibration rows"
            )
        model.set_params(alpha=false_alarms)
    return model


@contextmanager
def _errors_in_one_line():
    try:
        yield
    except (ValueError, TypeError, MemoryError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        text = text.replace("alpha=", "--false-alarms ")
        raise CommandError(text) from error
