"""The two elementwise functions of the model, in their fast and stable forms.

``scipy.special.expit`` and ``numpy.logaddexp`` are several times slower than these:
NumPy's ``tanh`` and ``exp`` are vectorised, they are not.
"""

import numpy as np

__all__ = ["logistic", "softplus"]


def logistic(u, out=None):
    """Logistic function, in the form ``(1 + tanh(u / 2)) / 2``.

    Parameters
    ----------
    u : ndarray
        Floating-point argument.
    out : ndarray, optional
        Where to put the result; may be `u` itself.

    Returns
    -------
    ndarray
        Values in [0, 1], accurate to one unit of rounding *of 1*: far below zero the
        absolute error stays small, the relative one does not.
    """
    out = np.multiply(u, 0.5, out=out)
    np.tanh(out, out=out)
    out *= 0.5
    out += 0.5
    return out


def softplus(u):
    """Antiderivative of the logistic function, ``log(1 + exp(u))``.

    Parameters
    ----------
    u : ndarray
        Floating-point argument.

    Returns
    -------
    ndarray
        ``max(u, 0) + log1p(exp(-|u|))``: no overflow, and exact in both tails.
    """
    tail = np.abs(u)
    np.negative(tail, out=tail)
    np.exp(tail, out=tail)
    np.log1p(tail, out=tail)
    tail += np.maximum(u, 0)
    return tail
