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
    """

    components: np.ndarray
    intercept_hidden: np.ndarray
    intercept_visible: np.ndarray
    gains: np.ndarray

    def pack(self):
        """Concatenate the blocks into one vector.

        Returns
        -------
        ndarray of shape (m * d + m + d + m,)
            W in C order, then b, c and g.
        """
        return np.concatenate([np.ravel(block) for block in self])

    @classmethod
    def unpack(cls, vector, n_components, n_features):
        """Split a packed vector into its blocks.

        Parameters
        ----------
        vector : ndarray of shape (m * d + m + d + m,)
            What `pack` returned.
        n_components : int
            Number of hidden units, m.
        n_features : int
            Number of features, d.

        Returns
        -------
        Parameters
            Views of `vector`.

        Raises
        ------
        ValueError
            If the vector's length does not fit.
        """
        m, d = n_components, n_features
        if vector.shape != (m * d + m + d + m,):
            raise ValueError(
                f"A packed vector for {m} components and {d} features has "
                f"{m * d + m + d + m} entries, got shape {vector.shape}."
            )
        W, rest = vector[: m * d], vector[m * d :]
        return cls(W.reshape(m, d), rest[:m], rest[m : m + d], rest[m + d :])

    def translate(self, offset):
        """Move the model along with data that are moved by an offset.

        Parameters
        ----------
        offset : ndarray of shape (d,)
            What is added to the rows.

        Returns
        -------
        Parameters
            The parameters under which a moved row has the code that it had.
        """
        W, b, c, g = self
        return Parameters(W, b - W @ offset, c + offset, g)

    def preactivation(self, X):
        """Evaluate ``u = W x + b`` for rows near the origin.

        Parameters
        ----------
        X : ndarray of shape (n_samples, d)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, m), float64
            Pre-activations.
        """
        return X @ self.components.T + self.intercept_hidden

    def hidden(self, X):
        """Encode rows near the origin, ``h(x) = logistic(W x + b)``.

        Parameters
        ----------
        X : ndarray of shape (n_samples, d)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, m), float64
            Hidden codes.
        """
        return logistic(self.preactivation(X))

    def decode(self, H):
        """Decode hidden codes, ``c + W' (g * h)``.

        Parameters
        ----------
        H : ndarray of shape (n_samples, m)
            Hidden codes.

        Returns
        -------
        ndarray of shape (n_samples, d)
            Decoded rows.
        """
        return (H * self.gains) @ self.components + self.intercept_visible
