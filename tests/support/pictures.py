"""Fitted models for pictures, and what to read off a picture."""

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdsm import DenoisingScoreMatcher
from support.quick_fits import quick, two_clusters

# Rows in units of their own for each feature: a picture in scaled units would show.
STRETCH, SHIFT = np.array([1.0, 100.0, 0.01]), np.array([5.0, -300.0, 0.0])
NAMES = ["length", "weight", "charge"]


def rows(n_features=2, n_samples=60):
    rows = two_clusters(n_samples, n_features)
    return rows * STRETCH[:n_features] + SHIFT[:n_features]


def frame(n_features=2, n_samples=60):
    return pd.DataFrame(rows(n_features, n_samples), columns=NAMES[:n_features])


def fitted_pipeline(X, **parameters):
    return make_pipeline(StandardScaler(), quick(**parameters)).fit(X)


def fitted(X=None, **parameters):
    return quick(**parameters).fit(two_clusters(60) if X is None else X)


class Sampler(DenoisingScoreMatcher):
    """Samples are noise around the origin of the model's frame."""

    def sample(self, n_samples=1, random_state=None):
        shape = (n_samples, self.n_features_in_)
        return 0.1 * random_state.standard_normal(shape)


def grid_rows(display):
    """Coordinates of the grid points, in the order of the flattened grid."""
    return np.column_stack([display.xx0.ravel(), display.xx1.ravel()])


def legend_texts(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def offsets(collection):
    return np.asarray(collection.get_offsets())


def sorted_rows(rows):
    rows = np.asarray(rows)
    return rows[np.lexsort(rows.T)]
