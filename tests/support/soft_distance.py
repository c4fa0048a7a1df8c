"""The Parzen density of rows, as a squared distance to them."""

import numpy as np

from skdsm.model.parzen import parzen_log_density


def soft_distance(rows, X, bandwidth, sample_weight=None):
    """-2 tau^2 log of the mean kernel, of height one, on the rows of X."""
    log_density = parzen_log_density(rows, X, bandwidth, sample_weight)
    height = -0.5 * X.shape[1] * np.log(2 * np.pi * bandwidth**2)
    return -2 * bandwidth**2 * (log_density - height)
