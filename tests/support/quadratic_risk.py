"""A convex risk with a known minimum, and variables to minimise it in."""

import numpy as np

from skdsm.training.preconditioner import ChangeOfVariables
from support.random_models import random_parameters, unpack_like

M, D = 4, 3
SIZE = M * D + M + D + M
START = random_parameters(0, M, D)
IDENTITY = ChangeOfVariables(
    np.eye(M), np.eye(M), np.eye(D), np.ones((M, D)), np.ones(M), np.ones(M)
)


def random_change(seed):
    """A change of variables with condition number 100 and more."""
    rng = np.random.default_rng(seed)
    Q, _ = np.linalg.qr(rng.standard_normal((M, M)))
    U, _ = np.linalg.qr(rng.standard_normal((D, D)))
    roots = np.geomspace(0.1, 10, M)
    return ChangeOfVariables(
        Q / roots,
        (Q * roots).T,
        U,
        rng.uniform(0.5, 2, (M, D)),
        rng.uniform(0.1, 10, M),
        rng.uniform(0.1, 10, M),
    )


CHANGES = [IDENTITY, random_change(1), random_change(2)]


class Quadratic:
    """A convex risk over all parameters, smallest (and -1) at a known place."""

    def __init__(self, seed, floor=-1.0):
        rng = np.random.default_rng(seed)
        factor = rng.standard_normal((SIZE, 2 * SIZE))
        self.curvature = factor @ factor.T / (2 * SIZE)
        self.minimum = rng.standard_normal(SIZE)
        self.floor = floor
        self.calls = 0

    def __call__(self, parameters):
        self.calls += 1
        offset = parameters.pack() - self.minimum
        gradient = self.curvature @ offset
        value = self.floor + 0.5 * offset @ gradient
        return value, unpack_like(gradient, parameters)
