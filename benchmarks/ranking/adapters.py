"""Detectors that scikit-learn, PyOD and PyTorch do not offer in scikit-learn's form.

Each has ``fit(X)`` and ``score_samples(X)``, higher for the more normal. Where a row
that was fitted to must not meet itself, ``training_scores()`` ranks the training rows.
"""

import numpy as np
from scipy.special import log_expit
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.neural_network import BernoulliRBM
from sklearn.preprocessing import MinMaxScaler

__all__ = [
    "Contraction",
    "ExtendedForest",
    "FreeEnergy",
    "KernelContraction",
    "LocalFactor",
    "Mixture",
    "Neighbours",
    "PyodDetector",
    "Reconstruction",
    "TiedAutoencoder",
]


class Neighbours(BaseEstimator):
    """Minus the mean distance to the k nearest training rows."""

    def __init__(self, k=5):
        self.k = k

    def fit(self, X):
        self.index_ = NearestNeighbors(n_neighbors=self.k).fit(X)
        return self

    def score_samples(self, X):
        return -self.index_.kneighbors(X)[0].mean(axis=1)

    def training_scores(self):
        return -self.index_.kneighbors()[0].mean(axis=1)


class LocalFactor(LocalOutlierFactor):
    """LocalOutlierFactor that ranks both new rows and those it was fitted to."""

    def training_scores(self):
        return self.negative_outlier_factor_


class Mixture(BaseEstimator):
    """Gaussian mixture with more rows than features to each component."""

    def __init__(self, n_components=8, reg_covar=1e-2, random_state=None):
        self.n_components = n_components
        self.reg_covar = reg_covar
        self.random_state = random_state

    def fit(self, X):
        most = max(1, X.shape[0] // (X.shape[1] + 1))
        self.mixture_ = GaussianMixture(
            min(self.n_components, most),
            reg_covar=self.reg_covar,
            random_state=self.random_state,
        ).fit(X)
        return self

    def score_samples(self, X):
        return self.mixture_.score_samples(X)


class Reconstruction(BaseEstimator):
    """Minus the squared distance to the leading principal subspace."""

    def __init__(self, explained=0.95):
        self.explained = explained

    def fit(self, X):
        self.pca_ = PCA(self.explained, svd_solver="full").fit(X)
        return self

    def score_samples(self, X):
        residual = X - self.pca_.inverse_transform(self.pca_.transform(X))
        return -np.einsum("ij,ij->i", residual, residual)


class FreeEnergy(BaseEstimator):
    """Minus the free energy of a BernoulliRBM on features scaled to [0, 1].

    The scaling is that of the training rows; what lies outside is clipped.
    """

    def __init__(self, n_components=128, learning_rate=0.01, n_iter=30, random_state=0):
        self.n_components = n_components
        self.learning_rate = learning_rate
        self.n_iter = n_iter
        self.random_state = random_state

    def fit(self, X):
        self.scaler_ = MinMaxScaler(clip=True).fit(X)
        self.rbm_ = BernoulliRBM(
            self.n_components,
            learning_rate=self.learning_rate,
            n_iter=self.n_iter,
            random_state=self.random_state,
        ).fit(self.scaler_.transform(X))
        return self

    def score_samples(self, X):
        V, rbm = self.scaler_.transform(X), self.rbm_
        hidden = V @ rbm.components_.T + rbm.intercept_hidden_
        # softplus(u) = -log_expit(-u)
        return V @ rbm.intercept_visible_ - log_expit(-hidden).sum(axis=1)


class PyodDetector(BaseEstimator):
    """A detector of PyOD, whose scores are higher for the more anomalous."""

    def __init__(self, model):
        self.model = model

    def fit(self, X):
        self.model.fit(X)
        return self

    def score_samples(self, X):
        return -self.model.decision_function(X)

    def training_scores(self):
        return -self.model.decision_scores_


class ExtendedForest(BaseEstimator):
    """isotree's forest, with its defaults, on one core."""

    def __init__(self, random_state=0):
        self.random_state = random_state

    def fit(self, X):
        from isotree import IsolationForest

        self.forest_ = IsolationForest(random_seed=self.random_state, nthreads=1)
        self.forest_.fit(X)
        return self

    def score_samples(self, X):
        return -self.forest_.predict(X)


class KernelContraction(BaseEstimator):
    """KCM: the residual of the Parzen density's own denoiser.

    All training rows are its references, so that a row that was fitted to can be left
    out of its own denoiser, which is what KCM has for ranking training rows.
    """

    def __init__(self, random_state=0):
        self.random_state = random_state

    def fit(self, X):
        from karkcm.estimator import KCM

        self.kcm_ = KCM(
            random_state=self.random_state, assume_scaled=True, max_reference=None
        ).fit(X)
        return self

    def score_samples(self, X):
        return self.kcm_.score_samples(X)

    def training_scores(self):
        return self.kcm_.loo_score_samples_


class Contraction(BaseEstimator):
    """Time-conditioned contraction matching (Li et al., 2025), in PyTorch.

    A network f(x, t) with two hidden layers of 256 units learns -x from training rows;
    a row is unusual by ``|f(x, 1) + x|``. One setting for all data sets: the paper's
    code has a number of epochs for each.
    """

    def __init__(
        self, n_epochs=200, batch_size=512, learning_rate=5e-3, random_state=0
    ):
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state

    def fit(self, X):
        import torch
        from torch import nn

        torch.manual_seed(self.random_state)
        data = torch.from_numpy(X.astype(np.float32))
        half = 64
        self.frequencies_ = 10_000.0 ** (-torch.arange(half) / half)
        self.network_ = nn.Sequential(
            nn.Linear(X.shape[1] + 2 * half, 256),
            nn.ReLU(),
            nn.Linear(256, 256),
            nn.ReLU(),
            nn.Linear(256, X.shape[1]),
        )
        optimiser = torch.optim.Adam(self.network_.parameters(), lr=self.learning_rate)
        for _ in range(self.n_epochs):
            for batch in torch.randperm(len(data)).split(self.batch_size):
                clean = data[batch]
                residual = self._contraction(clean, torch.rand(len(clean), 1)) + clean
                optimiser.zero_grad()
                (residual**2).mean().backward()
                optimiser.step()
        return self

    def score_samples(self, X):
        import torch

        with torch.no_grad():
            clean = torch.from_numpy(X.astype(np.float32))
            residual = self._contraction(clean, torch.ones(len(clean), 1)) + clean
        return -np.linalg.norm(residual.numpy().astype(np.float64), axis=1)

    def _contraction(self, X, t):
        import torch

        angle = t * self.frequencies_
        return self.network_(torch.cat([X, angle.sin(), angle.cos()], dim=1))


class TiedAutoencoder(BaseEstimator):
    """The paper's denoising autoencoder trained by Adam in PyTorch.

    Ranks by minus the squared reconstruction error of the clean row.
    """

    def __init__(
        self,
        n_components=128,
        sigma=0.5,
        n_epochs=200,
        batch_size=128,
        learning_rate=1e-3,
        random_state=0,
    ):
        self.n_components = n_components
        self.sigma = sigma
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state

    def fit(self, X):
        import torch

        generator = torch.Generator().manual_seed(self.random_state)
        data = torch.from_numpy(X.astype(np.float32))
        m, d = self.n_components, X.shape[1]
        W = torch.randn(m, d, generator=generator) / np.sqrt(d)
        self.weights_ = [W, torch.zeros(m), torch.zeros(d)]
        for weight in self.weights_:
            weight.requires_grad_()
        optimiser = torch.optim.Adam(self.weights_, lr=self.learning_rate)
        for _ in range(self.n_epochs):
            order = torch.randperm(len(data), generator=generator)
            for batch in order.split(self.batch_size):
                clean = data[batch]
                noise = torch.randn(clean.shape, generator=generator)
                residual = self._reconstruct(clean + self.sigma * noise) - clean
                optimiser.zero_grad()
                (0.5 * (residual**2).sum(1).mean()).backward()
                optimiser.step()
        return self

    def score_samples(self, X):
        import torch

        with torch.no_grad():
            clean = torch.from_numpy(X.astype(np.float32))
            residual = (self._reconstruct(clean) - clean).numpy().astype(np.float64)
        return -np.einsum("ij,ij->i", residual, residual)

    def _reconstruct(self, X):
        W, b, c = self.weights_
        return (X @ W.T + b).sigmoid() @ W + c
