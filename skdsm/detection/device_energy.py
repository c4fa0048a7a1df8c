"""The energy-based model and its rankings on a device: the formulas in its namespace.

`skdsm.model.energy` and `skdsm.detection.ranking` say what the formulas are. There
they are written for NumPy, with scratch memory that is used again; here for any library
that follows the array API standard.
"""

from functools import partial

import numpy as np

from skdsm.detection.device_landmarks import DeviceLandmarks
from skdsm.detection.ranking import minus_combined
from skdsm.model.array_ops import block_rows
from skdsm.model.energy import EnergyModel

__all__ = ["DeviceModel", "evaluate_on_device"]


class DeviceModel:
    """An `EnergyModel` whose rows are on a device; its methods have the same names.

    Parameters
    ----------
    model : EnergyModel
        The model.
    device : Device
        Where the rows are.
    dtype : dtype
        Type of the rows.
    """

    def __init__(self, model, device, dtype):
        W, b, c, g = model.parameters
        self.device, self.sigma = device, model.sigma
        self._dtype = dtype
        self._W, self._g = device.put(W, dtype), device.put(g, dtype)
        self._bias = device.put(b + W @ c, dtype)
        self._c, self._wide_g = device.put(c), device.put(g)
        self._trace = device.put(g * np.einsum("ij,ij->i", W, W))

    def _centre(self, X):
        return self.device.centre(X, self._c)

    def _preactivation(self, Z):
        return Z @ self._W.T + self._bias

    def _residual(self, X):
        """r(x) - x."""
        Z = self._centre(X)
        return (self._logistic(Z) * self._g) @ self._W - Z

    def _logistic(self, Z):
        return 0.5 + 0.5 * self.device.xp.tanh(0.5 * self._preactivation(Z))

    def hidden(self, X):
        """Hidden code h(x).

        Parameters
        ----------
        X : array of shape (n_samples, d)
            Rows.

        Returns
        -------
        array of shape (n_samples, m)
            Codes in [0, 1].
        """
        return self._logistic(self._centre(X))

    def decode(self, H):
        """Decode hidden codes, ``c + W' (g * h)``.

        Parameters
        ----------
        H : array of shape (n_samples, m)
            Codes.

        Returns
        -------
        array of shape (n_samples, d)
            Decoded rows.
        """
        return self.device.subtract((H * self._g) @ self._W, -self._c)

    def reconstruct(self, X):
        """Reconstruction r(x).

        Parameters
        ----------
        X : array of shape (n_samples, d)
            Rows.

        Returns
        -------
        array of shape (n_samples, d)
            Denoised rows.
        """
        return self.decode(self.hidden(X))

    def score(self, X):
        """Gradient of the log-density, psi(x).

        Parameters
        ----------
        X : array of shape (n_samples, d)
            Rows.

        Returns
        -------
        array of shape (n_samples, d)
            Score of each row.
        """
        return self._residual(X) / self.sigma**2

    def feature_contributions(self, X):
        """Split ``sigma^2 |psi|^2 / 2`` among the features.

        Parameters
        ----------
        X : array of shape (n_samples, d)
            Rows.

        Returns
        -------
        array of shape (n_samples, d)
            ``sigma^2 psi_i^2 / 2`` for feature i.
        """
        return (self._residual(X) / (self.sigma * 2**0.5)) ** 2

    def energy(self, X):
        """Energy E(x).

        Parameters
        ----------
        X : array of shape (n_samples, d)
            Rows.

        Returns
        -------
        array of shape (n_samples,)
            Energies, in the wide type.
        """
        xp, Z = self.device.xp, self._centre(X)
        U = self._preactivation(Z)
        units = xp.maximum(U, xp.zeros_like(U)) + xp.log1p(xp.exp(-xp.abs(U)))
        quadratic = 0.5 * xp.sum(Z * Z, axis=1, dtype=self.device.wide)
        return (quadratic - self.device.widen(units) @ self._wide_g) / self.sigma**2

    def hessian_trace(self, X):
        """Divergence of the score.

        Parameters
        ----------
        X : array of shape (n_samples, d)
            Rows.

        Returns
        -------
        array of shape (n_samples,)
            Traces, in the wide type.
        """
        H = self.device.widen(self.hidden(X))
        return ((H * (1 - H)) @ self._trace - X.shape[1]) / self.sigma**2

    def residual_square(self, X):
        """Squared distance to the reconstruction.

        Parameters
        ----------
        X : array of shape (n_samples, d)
            Rows.

        Returns
        -------
        array of shape (n_samples,)
            Squared distances, in the wide type.
        """
        residual = self._residual(X)
        return self.device.xp.sum(residual * residual, axis=1, dtype=self.device.wide)

    def score_norm(self, X):
        """Length of the score.

        Parameters
        ----------
        X : array of shape (n_samples, d)
            Rows.

        Returns
        -------
        array of shape (n_samples,)
            Norms, in the wide type.
        """
        return self.device.xp.sqrt(self.residual_square(X)) / self.sigma**2

    def implicit_loss(self, X):
        """Implicit score matching loss of each row.

        Parameters
        ----------
        X : array of shape (n_samples, d)
            Rows.

        Returns
        -------
        array of shape (n_samples,)
            Losses, in the wide type.
        """
        return 0.5 * self.score_norm(X) ** 2 + self.hessian_trace(X)

    def minus_combined(self, X, *, landmarks, scales):
        """Rank by two distances: see `combined_ranking`.

        Parameters
        ----------
        X : array of shape (n_samples, d)
            Rows.
        landmarks : DeviceLandmarks
            The training rows that were kept.
        scales : pair of float
            Typical distances.

        Returns
        -------
        array of shape (n_samples,)
            Scores, in the wide type.
        """
        log = self.device.xp.log
        distances = self.residual_square(X), landmarks.squared_distance(X)
        a, b = (
            float(np.log(scale)) - log(float(scale) + distance)
            for distance, scale in zip(distances, scales, strict=True)
        )
        return a + b


# What the estimator asks an EnergyModel for. Rankings by one of its methods ask
# whatever model they are given.
_COUNTERPARTS = {
    getattr(EnergyModel, name): getattr(DeviceModel, name)
    for name in (
        "hidden",
        "decode",
        "reconstruct",
        "score",
        "feature_contributions",
        "energy",
        "implicit_loss",
    )
} | {minus_combined: DeviceModel.minus_combined}


def evaluate_on_device(function, model, X, device):
    """Apply a function of a model and rows to rows on a device, block by block.

    Parameters
    ----------
    function : callable
        A method of `EnergyModel`, or a ranking.
    model : EnergyModel
        The model.
    X : array of shape (n_samples, n_columns)
        Rows or codes.
    device : Device
        Where they are.

    Returns
    -------
    array of shape (n_samples, ...)
        The function's values, on the device.
    """
    options, width = {}, max(model.parameters.components.shape)
    if isinstance(function, partial):
        function, options = function.func, dict(function.keywords)
        kept = options["landmarks"]
        width = max(width, len(kept.X))
        options["landmarks"] = DeviceLandmarks(kept, device, X.dtype)
    function = _COUNTERPARTS.get(function, function)
    model = DeviceModel(model, device, X.dtype)
    with np.errstate(over="ignore"):  # to infinity, far from the data
        parts = [
            function(model, X[rows, :], **options)
            for rows in block_rows(X.shape[0], width)
        ]
    return parts[0] if len(parts) == 1 else device.xp.concat(parts)
