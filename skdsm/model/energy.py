"""The energy-based model of a tied-weight denoising autoencoder.

Conventions
-----------
Rows of ``X`` are samples, ``d`` is their number of features, ``m`` the number of
hidden units. ``W`` (m, d) holds one unit a row, ``b`` (m,) and ``c`` (d,) are the
intercepts of the hidden and the visible layer, ``g`` (m,) the gains. With them::

    u    = W x + b                                     pre-activation
    h    = logistic(u)                                 hidden code
    r(x) = c + W' (g * h)                              reconstruction
    E(x) = [ |x - c|^2 / 2 - sum_j g_j softplus(u_j) ] / sigma^2      energy
    psi(x) = -grad E(x) = (r(x) - x) / sigma^2         score

``g = 1`` is the model of Vincent (2011). "score" always means the gradient of the
log-density here; the flat vector of parameters is ordered W (C order), b, c, g.
"""

from dataclasses import dataclass

import numpy as np

from skdsm.model.activations import logistic, softplus_sum
from skdsm.model.geometry import centre_rows
from skdsm.model.parameters import Parameters

__all__ = ["EnergyModel"]


@dataclass(frozen=True)
class EnergyModel:  # numpydoc ignore=PR02
    """Energy-based model of Vincent (2011), with a gain for each unit.

    Everything is evaluated in the frame whose origin is `intercept_visible`: the
    paper's ``|x|^2 / 2 - <c, x>`` loses all digits when the data lie far from zero.
    The energy is that of the paper plus the constant ``|c|^2 / (2 sigma^2)``.

    Evaluation happens in the floating-point type of the rows given, parameters being
    kept in double precision; energies and traces are double precision always.

    Parameters
    ----------
    parameters : Parameters
        W, b, c and g.
    sigma : float
        Noise level, in units of the data.

    References
    ----------
    .. [1] P. Vincent, "A Connection Between Score Matching and Denoising
       Autoencoders", Neural Computation 23(7), 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from skdsm.model.energy import EnergyModel
    >>> from skdsm.model.parameters import Parameters
    >>> unit = np.array([[2.0]]), np.array([-2.0]), np.zeros(1), np.ones(1)
    >>> two_modes = EnergyModel(Parameters(*unit), 1.0)  # N(0, 1) and N(2, 1)
    >>> two_modes.score(np.array([[1.0]]))
    array([[0.]])
    """

    parameters: Parameters
    sigma: float

    def centre(self, X):
        """Move rows to the frame centred at c.

        Coordinates so far out that a squared distance would overflow are put where it
        just does not: the energy there is astronomically high, and stays a number.

        Parameters
        ----------
        X : ndarray of shape (n_samples, d)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, d)
            ``x - c``, bounded.
        """
        return centre_rows(X, self.parameters.intercept_visible)

    def _preactivation(self, Z):
        """W z + (b + W c): u in the centred frame."""
        W, b, c, _ = self.parameters
        U = Z @ W.T.astype(Z.dtype)
        U += (b + W @ c).astype(Z.dtype)
        return U

    def hidden(self, X):
        """Hidden code h(x) = logistic(W x + b).

        Parameters
        ----------
        X : ndarray of shape (n_samples, d)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, m)
            Codes in [0, 1].
        """
        U = self._preactivation(self.centre(X))
        return logistic(U, out=U)

    def _residual(self, Z):
        """r(x) - x and h(x), from centred rows."""
        W, _, _, g = self.parameters
        H = self._preactivation(Z)
        logistic(H, out=H)
        return (H * g.astype(Z.dtype)) @ W.astype(Z.dtype) - Z, H

    def reconstruct(self, X):
        """Reconstruction r(x) = c + W'(g * h): the model's denoiser (Tweedie).

        Parameters
        ----------
        X : ndarray of shape (n_samples, d)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, d)
            Denoised rows, an estimate of E[clean row given noisy row].
        """
        W, _, c, g = self.parameters
        H = self.hidden(X)
        R = (H * g.astype(X.dtype)) @ W.astype(X.dtype)
        return np.add(R, c, out=R, casting="same_kind")

    def score(self, X):
        """Gradient of the log-density, psi(x) = (r(x) - x) / sigma^2.

        Parameters
        ----------
        X : ndarray of shape (n_samples, d)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, d)
            Score of each row, in inverse units of the data.
        """
        residual, _ = self._residual(self.centre(X))
        residual /= residual.dtype.type(self.sigma**2)
        return residual

    def feature_contributions(self, X):
        """Split ``sigma^2 |psi|^2 / 2`` among the features.

        Parameters
        ----------
        X : ndarray of shape (n_samples, d)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, d)
            ``sigma^2 psi_i^2 / 2`` for feature i; without unit.
        """
        psi = self.score(X)
        psi *= self.sigma / np.sqrt(2)
        with np.errstate(over="ignore"):  # to infinity, far from the data
            return np.square(psi, out=psi)

    def decode(self, H):
        """Decode hidden codes, ``c + W' (g * h)``.

        Parameters
        ----------
        H : ndarray of shape (n_samples, m)
            Hidden codes.

        Returns
        -------
        ndarray of shape (n_samples, d)
            Decoded rows, in the type of the codes.
        """
        return self.parameters.decode(H).astype(H.dtype, copy=False)

    def energy(self, X):
        """Energy E(x), minus the log-density up to a constant.

        Parameters
        ----------
        X : ndarray of shape (n_samples, d)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,), float64
            Energies, lower for more likely rows.
        """
        W, b, c, g = self.parameters
        Z = self.centre(X)
        # a row a unit, for sums over units of whole rows
        U = W.astype(Z.dtype) @ Z.T
        U += (b + W @ c).astype(Z.dtype)[:, None]
        units = softplus_sum(U, None if (g == 1).all() else g)
        quadratic = 0.5 * np.einsum("ij,ij->i", Z, Z, dtype=np.float64)
        with np.errstate(over="ignore"):  # to infinity, far from the data
            return (quadratic - units) / self.sigma**2

    def hessian_trace(self, X):
        """Divergence of the score, the trace of the Hessian of the log-density.

        Parameters
        ----------
        X : ndarray of shape (n_samples, d)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,), float64
            ``(sum_j g_j |W_j|^2 h_j (1 - h_j) - d) / sigma^2``.
        """
        W, _, _, g = self.parameters
        H = self.hidden(X).astype(np.float64, copy=False)
        H *= 1 - H
        return (H @ (g * np.einsum("ij,ij->i", W, W)) - W.shape[1]) / self.sigma**2

    def residual_square(self, X):
        """Squared distance to the reconstruction, ``|r(x) - x|^2``.

        Parameters
        ----------
        X : ndarray of shape (n_samples, d)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,), float64
            Squared distances, in squared units of the data.
        """
        residual, _ = self._residual(self.centre(X))
        return np.einsum("ij,ij->i", residual, residual, dtype=np.float64)

    def score_norm(self, X):
        """Length of the score, ``|psi(x)|``.

        Parameters
        ----------
        X : ndarray of shape (n_samples, d)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,), float64
            Norms, in inverse units of the data.
        """
        return np.sqrt(self.residual_square(X)) / self.sigma**2

    def implicit_loss(self, X):
        """Implicit score matching loss of each row, ``|psi|^2 / 2 + div psi``.

        Its mean estimates the Fisher divergence between the data's density and the
        model's, up to a constant that no model parameter enters (Hyvarinen 2005).

        Parameters
        ----------
        X : ndarray of shape (n_samples, d)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,), float64
            Losses, in inverse squared units of the data.
        """
        with np.errstate(over="ignore"):
            square = self.score_norm(X) ** 2
        return 0.5 * square + self.hessian_trace(X)
