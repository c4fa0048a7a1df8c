"""Vincent (2011), one sample at a time, in the paper's notation.

``theta = (W, b, c, g)`` as nested lists or arrays; row ``W[j]`` belongs to hidden unit
j, the gains ``g`` are the generalisation, all ones in the paper. Nothing here is fast,
and nothing is imported from skdsm: this is what skdsm is compared with.
"""

import math
from itertools import product


def dot(v, w):
    return math.fsum(v_i * w_i for v_i, w_i in zip(v, w, strict=True))


def square_norm(v):
    return dot(v, v)


def subtract(v, w):
    return [v_i - w_i for v_i, w_i in zip(v, w, strict=True)]


def divide(v, s):
    return [v_i / s for v_i in v]


def mean(values):
    values = list(values)
    return math.fsum(values) / len(values)


def sigmoid(s):
    return 1 / (1 + math.exp(-s))


def softplus(s):
    return math.log(1 + math.exp(s))


def encode(x, theta):
    """h = sigmoid(W x + b)."""
    W, b, _, _ = theta
    return [sigmoid(dot(W_j, x) + b_j) for W_j, b_j in zip(W, b, strict=True)]


def decode(h, theta):
    """r = c + W' (g * h)."""
    W, _, c, g = theta
    m, d = len(h), len(c)
    return [c[i] + math.fsum(g[j] * h[j] * W[j][i] for j in range(m)) for i in range(d)]


def E(x, theta, sigma):
    """Energy; with g = 1, equation 13 of the paper."""
    W, b, c, g = theta
    units = [
        g_j * softplus(dot(W_j, x) + b_j) for W_j, b_j, g_j in zip(W, b, g, strict=True)
    ]
    return -(dot(c, x) - square_norm(x) / 2 + math.fsum(units)) / sigma**2


def psi(x, theta, sigma):
    """Score, -dE/dx = (r(x) - x) / sigma^2."""
    return divide(subtract(decode(encode(x, theta), theta), x), sigma**2)


def hessian(x, theta, sigma):
    """Second derivatives of the log-density, d psi_i / d x_k."""
    W, _, _, g = theta
    h = encode(x, theta)
    m, d = len(h), len(x)
    return [
        [
            math.fsum(
                [g[j] * W[j][i] * W[j][k] * h[j] * (1 - h[j]) for j in range(m)]
                + [-1.0 if i == k else 0.0]
            )
            / sigma**2
            for k in range(d)
        ]
        for i in range(d)
    ]


def hessian_trace(x, theta, sigma):
    H = hessian(x, theta, sigma)
    return math.fsum(H[i][i] for i in range(len(x)))


def J_ESM(rows, scores, theta, sigma):
    """Explicit score matching: the score of q is known at each row."""
    return mean(
        square_norm(subtract(psi(x, theta, sigma), score)) / 2
        for x, score in zip(rows, scores, strict=True)
    )


def J_ISM(rows, theta, sigma):
    """Implicit score matching."""
    return mean(
        square_norm(psi(x, theta, sigma)) / 2 + hessian_trace(x, theta, sigma)
        for x in rows
    )


def J_DSM(pairs, theta, sigma):
    """Denoising score matching on pairs (x, x_tilde)."""
    return mean(
        square_norm(
            subtract(psi(x_tilde, theta, sigma), divide(subtract(x, x_tilde), sigma**2))
        )
        / 2
        for x, x_tilde in pairs
    )


def J_DAE(pairs, theta, sigma):
    """Denoising autoencoder, with the factor that makes it equal J_DSM."""
    return mean(
        square_norm(subtract(decode(encode(x_tilde, theta), theta), x))
        for x, x_tilde in pairs
    ) / (2 * sigma**4)


def q_sigma(x_tilde, data, sigma):
    """Parzen density: the mean over training rows of N(x_tilde; x, sigma^2 I)."""
    normaliser = (2 * math.pi * sigma**2) ** (len(x_tilde) / 2)
    return mean(kernel(x_tilde, x, sigma) for x in data) / normaliser


def q_sigma_score(x_tilde, data, sigma):
    """Gradient of log q_sigma."""
    total = math.fsum(kernel(x_tilde, x, sigma) for x in data)
    return [
        math.fsum(kernel(x_tilde, x, sigma) * (x[i] - x_tilde[i]) for x in data)
        / (total * sigma**2)
        for i in range(len(x_tilde))
    ]


def kernel(x_tilde, x, sigma):
    return math.exp(-square_norm(subtract(x_tilde, x)) / (2 * sigma**2))


def gaussian_mixture(theta, sigma):
    """Log-weights and means of exp(-E) where each n_j = g_j / sigma^2 is an integer.

    Expanding ``prod_j (1 + exp(u_j))^n_j`` by the binomial theorem leaves a Gaussian of
    covariance sigma^2 I for each ``k in prod_j {0, ..., n_j}``; the weights are of
    ``exp(-|x - mean|^2 / (2 sigma^2))``, not normalised.
    """
    W, b, c, g = theta
    m, d = len(b), len(c)
    n = [round(g_j / sigma**2) for g_j in g]
    log_weights, means = [], []
    for k in product(*(range(n_j + 1) for n_j in n)):
        mu = [
            c[i] + sigma**2 * math.fsum(k[j] * W[j][i] for j in range(m))
            for i in range(d)
        ]
        means.append(mu)
        log_weights.append(
            math.fsum(math.log(math.comb(n[j], k[j])) + k[j] * b[j] for j in range(m))
            + square_norm(mu) / (2 * sigma**2)
        )
    return log_weights, means
