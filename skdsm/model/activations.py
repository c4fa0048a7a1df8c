"""The elementwise functions of the model, in their fast and stable forms.

``scipy.special.expit``, ``numpy.logaddexp`` and ``numpy.log1p`` are several times
slower than these: NumPy's ``tanh``, ``exp`` and ``log`` are vectorised, they are not.
"""

import numpy as np

__all__ = ["logistic", "softplus", "softplus_sum", "tanh"]

# Terms of a sum over units that are added up before the rest is in double precision.
_GROUP = 16


def _has_wide_tanh():
    """Whether NumPy evaluates tanh in vectors of 512 bits on this processor."""
    try:
        targets = np.lib.introspect.opt_func_info("^tanh$", "float64")["tanh"]
    except (AttributeError, KeyError):  # before NumPy 2.1; not dispatched at all
        return False
    return any(
        target["current"].startswith(("AVX512", "X86_V4"))
        for target in targets.values()
    )


def _tanh_by_exp(x, out=None):
    """``2 / (1 + exp(-2 x)) - 1``."""
    with np.errstate(over="ignore"):  # to infinity, and the result to -1
        out = np.multiply(x, -2, out=out)
        np.exp(out, out=out)
    out += 1
    np.divide(2, out, out=out)
    out -= 1
    return out


# With narrower vectors NumPy looks coefficients up one by one: 13 ns a number in double
# precision, and twice the time of the longer formula.
_tanh = np.tanh if _has_wide_tanh() else _tanh_by_exp


def tanh(x, out=None):
    """Hyperbolic tangent, to two units of rounding of 1; `out` may be x itself."""
    return _tanh(x, out=out)


def logistic(u, out=None):
    """``(1 + tanh(u / 2)) / 2``, to one unit of rounding *of 1*; `out` may be u itself.

    Far below zero the absolute error stays small, the relative one does not.
    """
    out = np.multiply(u, 0.5, out=out)
    tanh(out, out=out)
    out *= 0.5
    out += 0.5
    return out


def _decay(u):
    """``exp(-|u|)``."""
    out = np.abs(u)
    np.negative(out, out=out)
    return np.exp(out, out=out)


def softplus(u):
    """``log(1 + exp(u))``, the integral of the logistic: accurate in both tails."""
    tail = _decay(u)
    # log1p(e) without numpy.log1p, which is not vectorised: log(w) for w = 1 + e, plus
    # what the rounding of w has lost, (e - (w - 1)) / w
    w = tail + 1
    lost = w - 1
    np.subtract(tail, lost, out=lost)
    lost /= w
    np.log(w, out=tail)
    tail += lost
    tail += np.maximum(u, 0)
    return tail


def softplus_sum(U, weight):
    """``sum_j weight_j softplus(u_j)`` over the first axis of U (m, n), in float64.

    The sum over units in the energy, accurate to the rounding of one per term. U is
    overwritten.
    """
    # log(1 + exp(u)) as it stands: three passes over U, where a form that no u can
    # overflow needs six. Columns where it would overflow take that form.
    limit = np.log(np.finfo(U.dtype).max) - 1
    far = []
    if not U.max(initial=0) <= limit:  # nor NaN
        far = np.flatnonzero(U.max(axis=0) > limit)
    far_terms = softplus(U[:, far])
    U[:, far] = 0
    np.exp(U, out=U)
    U += 1
    np.log(U, out=U)
    U[:, far] = far_terms
    return _weighted_sum(weight.astype(U.dtype, copy=False), U)


def _weighted_sum(weight, terms):
    """``weight @ terms``, at most `_GROUP` terms in their own type, then in float64."""
    m, n = terms.shape
    whole = m - m % _GROUP
    groups = terms[:whole].reshape(-1, _GROUP, n)
    parts = weight[:whole].reshape(-1, 1, _GROUP) @ groups
    total = parts.sum(axis=(0, 1), dtype=np.float64)
    total += weight[whole:] @ terms[whole:]
    return total
