"""Random parameters for tests, and numerical derivatives to hold them against."""

import numpy as np

from skdsm.model.energy import EnergyModel
from skdsm.model.parameters import Parameters

GAINS = ["unit", "positive", "mixed"]  # mixed: of either sign


def random_parameters(seed, m=4, d=3, gains="unit"):
    """Parameters whose units are far from linear on rows of order one."""
    rng = np.random.default_rng(seed)
    if gains == "unit":
        g = np.ones(m)
    else:
        g = rng.uniform(0.3, 2.0, m)
        if gains == "mixed":
            g[::2] *= -1
    return Parameters(
        1.5 * rng.standard_normal((m, d)),
        rng.standard_normal(m),
        rng.standard_normal(d),
        g,
    )


def random_model(seed, m=4, d=3, gains="unit", sigma=0.7):
    return EnergyModel(random_parameters(seed, m, d, gains), sigma)


def unpack_like(vector, parameters):
    return Parameters.unpack(vector, *parameters.components.shape)


def numerical_gradient(function, x, step=1e-3):
    """Derivatives of a function (of a vector) whose values may be arrays.

    Central differences at `step` and twice that, extrapolated to fourth order
    (Richardson). The first axis of the result runs over x.
    """
    x = np.asarray(x, dtype=np.float64)

    def central(direction, size):
        return (function(x + size * direction) - function(x - size * direction)) / (
            2 * size
        )

    return np.array(
        [
            (4 * central(direction, step) - central(direction, 2 * step)) / 3
            for direction in np.eye(len(x))
        ]
    )
