"""The elementwise functions of the model, in their fast and stable forms.

``scipy.special.expit``, ``numpy.logaddexp`` and ``numpy.log1p`` are several times
slower than these: NumPy's ``tanh``, ``exp`` and ``log`` are vectorised, they are not.
"""

import numpy as np

__all__ = ["logistic", "softplus", "softplus_sum", "tanh"]

# Terms of a sum over units that are put together before they are added up in double
# precision. Of so many numbers in [1, 2], whose logarithm is taken once, the product
# neither overflows nor loses a digit that the sum of logarithms would keep.
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


def softplus_sum(U, weight=None):
    """``sum_j weight_j softplus(u_j)`` over the first axis of U (m, n), in float64.

    The sum over units in the energy, accurate to the rounding of one per term. Without
    weights (None), most logarithms are of products.
    """
    terms = _decay(U)
    terms += 1
    # with a row of zeros, for a scalar takes three times as long in single precision
    positive = np.maximum(U, np.zeros(U.shape[1:], U.dtype))
    if weight is None:
        terms, positive = _folded(np.multiply, terms), _folded(np.add, positive)
        np.log(terms, out=terms)
        terms += positive
        return terms.sum(axis=0, dtype=np.float64)
    np.log(terms, out=terms)
    terms += positive
    # a few at a time: no copy of them all in double precision
    weight = weight.astype(U.dtype, copy=False)
    total = np.zeros(U.shape[1])
    for start in range(0, len(U), _GROUP):
        few = slice(start, start + _GROUP)
        total += weight[few] @ terms[few]
    return total


def _folded(ufunc, rows):
    """Combine each `_GROUP` rows of an array into one, in place; return these."""
    m = len(rows)
    for _ in range(_GROUP.bit_length() - 1):
        half = (m + 1) // 2
        ufunc(rows[: m - half], rows[half:m], out=rows[: m - half])
        m = half
    return rows[:m]
