"""The four training objectives of Vincent (2011), each with its gradient.

All four are one function. With the residual r(x~) - y of a corrupted row x~ against a
target y, and a weight tau on the trace of the reconstruction's Jacobian ::

    loss = |r(x~) - y|^2 / 2 + tau * sum_j g_j |W_j|^2 h_j (1 - h_j)

=========  =============================  ===========  =======================
objective  target y                       tau          constant
=========  =============================  ===========  =======================
explicit   x~ + sigma^2 grad log q(x~)    0            0
implicit   x~                             sigma^2      -d sigma^2
denoising  x (the clean row)              0            0
=========  =============================  ===========  =======================

is sigma^4 times the objective: ``psi = (r - x~) / sigma^2`` has the divergence
``(sum_j g_j |W_j|^2 h_j (1 - h_j) - d) / sigma^2``. Keeping the factor sigma^4 on the
left gives losses in squared units of the data, which stay comparable when each row has
a noise level of its own.
"""

import numpy as np

from skdsm.training.loss_kernel import LossKernel

__all__ = [
    "denoising_autoencoder",
    "denoising_score_matching",
    "explicit_score_matching",
    "implicit_score_matching",
    "residual_loss",
]


def residual_loss(parameters, X_noisy, target, trace_weight=None, sample_weight=None):
    """Weighted sum over rows of the common loss, and its gradient.

    Parameters
    ----------
    parameters : Parameters
        W, b, c and g; the arithmetic is in the floating-point type of the rows.
    X_noisy : ndarray of shape (n_samples, d)
        Corrupted rows x~.
    target : ndarray of shape (n_samples, d)
        Row y that the reconstruction is compared with.
    trace_weight : ndarray of shape (n_samples,), optional
        Weight tau of each row; None leaves the trace term out.
    sample_weight : ndarray of shape (n_samples,), optional
        Weight of each row; None is one each.

    Returns
    -------
    value : float
        ``sum_i w_i loss_i``.
    gradient : Parameters
        Its derivatives, in double precision.

    Examples
    --------
    >>> import numpy as np
    >>> from skdsm.model.parameters import Parameters
    >>> from skdsm.training.objectives import residual_loss
    >>> zero = Parameters(np.zeros((1, 1)), np.zeros(1), np.zeros(1), np.ones(1))
    >>> clean, noisy = np.array([[2.0], [4.0]]), np.array([[2.5], [3.5]])
    >>> value, gradient = residual_loss(zero, noisy, clean)  # reconstructs zero
    >>> float(value)  # (4 + 16) / 2
    10.0
    """
    kernel = LossKernel(len(X_noisy), *parameters.components.shape, X_noisy.dtype)
    kernel.begin(parameters)
    kernel.add(X_noisy, target, trace_weight, sample_weight)
    return kernel.end()


def explicit_score_matching(model, X, target_score, sample_weight=None):
    """Explicit score matching, J_ESM: regression of the score on a known score.

    Parameters
    ----------
    model : EnergyModel
        The model.
    X : ndarray of shape (n_samples, d)
        Where the scores are compared, drawn from q.
    target_score : ndarray of shape (n_samples, d)
        ``grad log q(x)`` at those rows.
    sample_weight : ndarray of shape (n_samples,), optional
        Weight of each row.

    Returns
    -------
    value : float
        Mean of ``|psi(x) - grad log q(x)|^2 / 2``.
    gradient : Parameters
        Its derivatives with respect to W, b, c and g.

    Examples
    --------
    >>> import numpy as np
    >>> from skdsm.model.energy import EnergyModel
    >>> from skdsm.model.parameters import Parameters
    >>> from skdsm.training.objectives import explicit_score_matching
    >>> unit = np.zeros((1, 1)), np.zeros(1), np.zeros(1), np.ones(1)
    >>> normal = EnergyModel(Parameters(*unit), 1.0)
    >>> X = np.array([[2.0], [-1.0]])
    >>> value, gradient = explicit_score_matching(normal, X, -X)
    >>> float(value)
    0.0
    """
    target = X + model.sigma**2 * target_score
    return _mean_over_sigma4(model, X, target, None, sample_weight)


def implicit_score_matching(model, X, sample_weight=None):
    """Implicit score matching, J_ISM: needs neither density nor clean rows.

    Parameters
    ----------
    model : EnergyModel
        The model.
    X : ndarray of shape (n_samples, d)
        Rows drawn from q: corrupted rows for q_sigma, or clean ones.
    sample_weight : ndarray of shape (n_samples,), optional
        Weight of each row.

    Returns
    -------
    value : float
        Mean of ``|psi(x)|^2 / 2 + div psi(x)``.
    gradient : Parameters
        Its derivatives with respect to W, b, c and g.

    Examples
    --------
    >>> import numpy as np
    >>> from skdsm.model.energy import EnergyModel
    >>> from skdsm.model.parameters import Parameters
    >>> from skdsm.training.objectives import implicit_score_matching
    >>> unit = np.zeros((1, 1)), np.zeros(1), np.zeros(1), np.ones(1)
    >>> normal = EnergyModel(Parameters(*unit), 1.0)
    >>> value, gradient = implicit_score_matching(normal, np.array([[2.0]]))
    >>> float(value)  # |-2|^2 / 2 - 1
    1.0
    """
    tau = np.full(len(X), model.sigma**2)
    value, gradient = _mean_over_sigma4(model, X, X, tau, sample_weight)
    return value - X.shape[1] / model.sigma**2, gradient


def denoising_score_matching(model, X, X_noisy, sample_weight=None):
    """Denoising score matching, J_DSM: the score points back to the clean row.

    Parameters
    ----------
    model : EnergyModel
        The model.
    X : ndarray of shape (n_samples, d)
        Clean rows.
    X_noisy : ndarray of shape (n_samples, d)
        The same rows corrupted by N(0, sigma^2 I) noise.
    sample_weight : ndarray of shape (n_samples,), optional
        Weight of each row.

    Returns
    -------
    value : float
        Mean of ``|psi(x~) - (x - x~) / sigma^2|^2 / 2``.
    gradient : Parameters
        Its derivatives with respect to W, b, c and g.

    Examples
    --------
    >>> import numpy as np
    >>> from skdsm.model.energy import EnergyModel
    >>> from skdsm.model.parameters import Parameters
    >>> from skdsm.training.objectives import denoising_score_matching
    >>> unit = np.zeros((1, 1)), np.zeros(1), np.zeros(1), np.ones(1)
    >>> normal = EnergyModel(Parameters(*unit), 1.0)
    >>> X, X_noisy = np.array([[1.0]]), np.array([[3.0]])
    >>> value, gradient = denoising_score_matching(normal, X, X_noisy)
    >>> float(value)  # |-3 - (1 - 3)|^2 / 2
    0.5
    """
    score_of_corruption = (X - X_noisy) / model.sigma**2
    return explicit_score_matching(model, X_noisy, score_of_corruption, sample_weight)


def denoising_autoencoder(model, X, X_noisy, sample_weight=None):
    """Denoising autoencoder, J_DAE: squared reconstruction error of the clean row.

    Parameters
    ----------
    model : EnergyModel
        The model.
    X : ndarray of shape (n_samples, d)
        Clean rows.
    X_noisy : ndarray of shape (n_samples, d)
        Corrupted rows.
    sample_weight : ndarray of shape (n_samples,), optional
        Weight of each row.

    Returns
    -------
    value : float
        Mean of ``|r(x~) - x|^2 / (2 sigma^4)``, which equals J_DSM.
    gradient : Parameters
        Its derivatives with respect to W, b, c and g.

    Examples
    --------
    >>> import numpy as np
    >>> from skdsm.model.energy import EnergyModel
    >>> from skdsm.model.parameters import Parameters
    >>> from skdsm.training.objectives import denoising_autoencoder
    >>> unit = np.zeros((1, 1)), np.zeros(1), np.zeros(1), np.ones(1)
    >>> normal = EnergyModel(Parameters(*unit), 1.0)
    >>> X, X_noisy = np.array([[1.0]]), np.array([[3.0]])
    >>> value, gradient = denoising_autoencoder(normal, X, X_noisy)
    >>> float(value)  # |0 - 1|^2 / 2
    0.5
    """
    return _mean_over_sigma4(model, X_noisy, X, None, sample_weight)


def _mean_over_sigma4(model, X_noisy, target, trace_weight, sample_weight):
    if sample_weight is None:
        sample_weight = np.ones(len(X_noisy))
    share = sample_weight / (sample_weight.sum() * model.sigma**4)
    return residual_loss(model.parameters, X_noisy, target, trace_weight, share)
