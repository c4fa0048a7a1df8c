"""Independent draws and moments of models that are mixtures of Gaussians.

In the paper's notation and one sample at a time, from the components that
`reference.gaussian_mixture` writes out; nothing is imported from skdsm.
"""

import math

from reference import gaussian_mixture


def components(theta, sigma):
    """Probability and mean of each component."""
    log_weights, means = gaussian_mixture(theta, sigma)
    top = max(log_weights)
    weights = [math.exp(w - top) for w in log_weights]
    total = math.fsum(weights)
    return [w / total for w in weights], means


def draw(theta, sigma, n_samples, rng):
    """Choose a component, then a point of its Gaussian, again and again."""
    p, means = components(theta, sigma)
    return [
        [
            mu_i + sigma * rng.standard_normal()
            for mu_i in means[rng.choice(len(p), p=p)]
        ]
        for _ in range(n_samples)
    ]


def first_and_second_moments(theta, sigma):
    """E[x] and E[x x'] under the density proportional to exp(-E)."""
    p, means = components(theta, sigma)
    d = len(means[0])

    def expect(values):
        return math.fsum(p_k * v for p_k, v in zip(p, values, strict=True))

    first = [expect(mu[i] for mu in means) for i in range(d)]
    second = [
        [
            expect(mu[i] * mu[j] for mu in means) + (sigma**2 if i == j else 0.0)
            for j in range(d)
        ]
        for i in range(d)
    ]
    return first, second
