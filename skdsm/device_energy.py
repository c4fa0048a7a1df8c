"""The energy-based model and its rankings on a device: the formulas in its namespace.

`skdsm.energy`, `skdsm.landmarks` and `skdsm.rankings` say what the formulas are. There
they are written for NumPy, with scratch memory that is used again; here for any library
that follows the array API standard.
"""

from functools import partial

import numpy as np

from skdsm.devices import block_rows
from skdsm.energy import EnergyModel
from skdsm.landmarks import ROUNDING
from skdsm.rankings import minus_combined

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

    def centre(self, X, origin=None):
        """Move rows to the frame of c, or of another origin, and bound them.

        Parameters
        ----------
        X : array of shape (n_samples, d)
            Rows.
        origin : array of shape (d,), optional
            The origin, in the wide type.

        Returns
        -------
        array of shape (n_samples, d)
            ``x - origin``.
        """
        xp, host = self.device.xp, self.device.numpy_dtype(self._dtype)
        limit = float(np.sqrt(np.finfo(host).max / (4 * X.shape[1])))
        Z = self.device.subtract(X, self._c if origin is None else origin)
        return xp.clip(Z, -limit, limit)

    def _preactivation(self, Z):
        return Z @ self._W.T + self._bias

    def _residual(self, X):
        """r(x) - x."""
        Z = self.centre(X)
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
        return self._logistic(self.centre(X))

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
        xp, Z = self.device.xp, self.centre(X)
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
        landmarks : Landmarks
            The training rows that were kept.
        scales : pair of float
            Typical distances.

        Returns
        -------
        array of shape (n_samples,)
            Scores, in the wide type.
        """
        log = self.device.xp.log
        distances = self.residual_square(X), self._landmark_distance(X, landmarks)
        a, b = (
            float(np.log(scale)) - log(float(scale) + distance)
            for distance, scale in zip(distances, scales, strict=True)
        )
        return a + b

    def _landmark_distance(self, X, landmarks):
        """Soft minimum of squared distances: see `Landmarks.squared_distance`."""
        device, xp = self.device, self.device.xp
        rate = 0.5 / landmarks.bandwidth**2
        origin = device.put(landmarks.origin)
        Z = self.centre(X, origin)
        L = self.centre(device.put(landmarks.X, self._dtype), origin)
        z, length = xp.sum(Z * Z, axis=1), xp.sum(L * L, axis=1)
        distance = z[:, None] - 2 * (Z @ L.T) + length
        distance = xp.maximum(distance, xp.zeros_like(distance))
        weight = device.put(landmarks.weight)
        total = xp.sum(weight)
        if len(landmarks.X) > 1:
            rest = landmarks.weight_without_one()
            with np.errstate(divide="ignore"):
                further = -np.log(rest / landmarks.weight) / rate
            eps = float(np.finfo(device.numpy_dtype(self._dtype)).eps)
            spread = float(landmarks.origin @ landmarks.origin)
            limit = ROUNDING * eps * (2 * z + eps * spread)
            known = xp.min(distance, axis=1) <= limit
            nearest = xp.argmin(distance, axis=1)
            number = xp.arange(len(rest), device=device.device)
            itself = known[:, None] & (nearest[:, None] == number)
            further = device.put(further, self._dtype)
            distance = xp.where(itself, distance + further, distance)
            less = xp.take(device.put(rest - landmarks.weight), nearest)
            total = total + xp.where(known, less, xp.zeros_like(less))
        least = xp.min(distance, axis=1)
        kernels = xp.exp(-rate * (distance - least[:, None]))
        share = device.widen(kernels @ xp.astype(weight, self._dtype)) / total
        tiny = float(np.finfo(device.numpy_dtype(self._dtype)).tiny)
        return device.widen(least) - xp.log(xp.clip(share, tiny, 1.0)) / rate


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
        function, options = function.func, function.keywords
        width = max(width, len(options["landmarks"].X))
    function = _COUNTERPARTS.get(function, function)
    model = DeviceModel(model, device, X.dtype)
    with np.errstate(over="ignore"):  # to infinity, far from the data
        parts = [
            function(model, X[rows, :], **options)
            for rows in block_rows(X.shape[0], width)
        ]
    return parts[0] if len(parts) == 1 else device.xp.concat(parts)
