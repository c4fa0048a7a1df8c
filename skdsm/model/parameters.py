"""The free parameters of the model, in blocks and as one vector."""

from typing import NamedTuple

import numpy as np

from skdsm.model.activations import logistic

__all__ = ["Parameters"]


class Parameters(NamedTuple):
    """The free parameters of the model, or a gradient with respect to them.

    Attributes
    ----------
    components : ndarray of shape (m, d)
        Tied weights W: encoder and, transposed, decoder.
    intercept_hidden : ndarray of shape (m,)
        Bias b of the hidden units.
    intercept_visible : ndarray of shape (d,)
        Bias c of the reconstruction.
    gains : ndarray of shape (m,)
        Gain g of each unit in the decoder; all ones in the paper.

    Examples
    --------
    >>> import numpy as np
    >>> from skdsm.model.parameters import Parameters
    >>> p = Parameters(np.eye(2), np.zeros(2), np.zeros(2), np.ones(2))
    >>> p.pack()
    array([1., 0., 0., 1., 0., 0., 0., 0., 1., 1.])
    >>> Parameters.unpack(p.pack(), n_components=2, n_features=2).components
    array([[1., 0.],
           [0., 1.]])
    """

    components: np.ndarray
    intercept_hidden: np.ndarray
    intercept_visible: np.ndarray
    gains: np.ndarray

    def pack(self):
        """One vector of length ``m d + m + d + m``: W in C order, then b, c and g."""
        return np.concatenate([np.ravel(block) for block in self])

    @classmethod
    def unpack(cls, vector, n_components, n_features):
        """The blocks of a packed vector, as views of it."""
        m, d = n_components, n_features
        if vector.shape != (m * d + m + d + m,):
            raise ValueError(
                f"A packed vector for {m} components and {d} features has "
                f"{m * d + m + d + m} entries, got shape {vector.shape}."
            )
        W, rest = vector[: m * d], vector[m * d :]
        return cls(W.reshape(m, d), rest[:m], rest[m : m + d], rest[m + d :])

    def translate(self, offset):
        """The model of data that are moved by an offset of shape (d,)."""
        W, b, c, g = self
        return Parameters(W, b - W @ offset, c + offset, g)

    def scale(self, unit):
        """The model of data that are multiplied by a unit."""
        W, b, c, g = self
        return Parameters(W / unit, b, c * unit, g * unit**2)

    def preactivation(self, X):
        """``u = W x + b`` for rows near the origin, (n_samples, m) in float64."""
        return X @ self.components.T + self.intercept_hidden

    def hidden(self, X):
        """``h(x) = logistic(W x + b)`` for rows near the origin, (n_samples, m)."""
        return logistic(self.preactivation(X))
