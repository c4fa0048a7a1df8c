"""Partition functions by brute force, in the paper's notation.

Sums over Gaussians written out one at a time, and SciPy's adaptive quadrature of the
paper's energy. Nothing is imported from skdsm. E here is the paper's: the energy of
`EnergyModel` minus ``|c|^2 / (2 sigma^2)``.
"""

import math

from scipy.integrate import dblquad, quad

from support.reference import E, gaussian_mixture, square_norm


def model_constant(theta, sigma):
    """What `EnergyModel` adds to the paper's energy, and so takes off log Z."""
    _, _, c, _ = theta
    return square_norm(c) / (2 * sigma**2)


def log_sum_exp(values):
    top = max(values)
    return top + math.log(math.fsum(math.exp(v - top) for v in values))


def mixture_log_Z(theta, sigma):
    """log of the integral of exp(-E), where n_j = g_j / sigma^2 is whole."""
    log_weights, means = gaussian_mixture(theta, sigma)
    d = len(means[0])
    return log_sum_exp(log_weights) + d / 2 * math.log(2 * math.pi * sigma**2)


def components(theta, sigma):
    """Probability and mean of each Gaussian of the mixture."""
    log_weights, means = gaussian_mixture(theta, sigma)
    total = log_sum_exp(log_weights)
    return [math.exp(w - total) for w in log_weights], means


def draw(theta, sigma, n_samples, rng):
    """Choose a component, then a point of its Gaussian, again and again."""
    weights, means = components(theta, sigma)
    return [
        [
            mu_i + sigma * rng.standard_normal()
            for mu_i in means[rng.choice(len(weights), p=weights)]
        ]
        for _ in range(n_samples)
    ]


def mixture_moments(theta, sigma):
    """Mean and covariance of the density proportional to exp(-E)."""
    weights, means = components(theta, sigma)
    d = len(means[0])

    def expect(values):
        return math.fsum(p * v for p, v in zip(weights, values, strict=True))

    mean = [expect(mu[i] for mu in means) for i in range(d)]
    covariance = [
        [
            expect((mu[i] - mean[i]) * (mu[k] - mean[k]) for mu in means)
            + (sigma**2 if i == k else 0.0)
            for k in range(d)
        ]
        for i in range(d)
    ]
    return mean, covariance


def integrated_log_Z(theta, sigma, radius):
    """log of the integral of exp(-E) over a box around c, in one or two dimensions."""
    c = theta[2]
    floor = E(c, theta, sigma)
    box = [(c_i - radius, c_i + radius) for c_i in c]
    if len(c) == 1:
        Z, _ = quad(
            lambda x: math.exp(floor - E([x], theta, sigma)),
            *box[0],
            epsabs=0,
            epsrel=1e-10,
            limit=500,
        )
    else:
        Z, _ = dblquad(
            lambda y, x: math.exp(floor - E([x, y], theta, sigma)),
            *box[0],
            *box[1],
            epsabs=0,
            epsrel=1e-7,
        )
    return math.log(Z) - floor
