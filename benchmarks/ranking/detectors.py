"""What is compared: named detectors, each made from a seed."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import KernelDensity
from sklearn.svm import OneClassSVM

from ranking import adapters
from skdsm import DenoisingScoreMatcher

__all__ = ["CONFIGURATIONS", "DETECTORS", "Detector"]

# Arguments of DenoisingScoreMatcher: its defaults, what is for training rows that are
# normal, noise levels that were the default before, and the model of Vincent (2011).
CONFIGURATIONS = {
    "skdsm": {},
    "combined": {"ranking": "combined"},
    "fixed": {"sigma": (0.5, 1.0)},
    "paper": {"sigma": 0.5, "gains": "unit"},
}


class Detector(NamedTuple):
    """How to make a detector, and what to say of it."""

    make: Callable  # from a seed
    about: str
    needs: tuple = ()  # packages that are not skdsm's own requirements
    slow: bool = False

    def missing(self):
        """Names of the needed packages that are not installed."""
        return [name for name in self.needs if find_spec(name) is None]


def _pyod(module, name, **parameters):
    def make(seed):
        from importlib import import_module

        model = getattr(import_module(f"pyod.models.{module}"), name)
        if "random_state" in parameters:
            return adapters.PyodDetector(model(**parameters | {"random_state": seed}))
        return adapters.PyodDetector(model(**parameters))

    return make


def _aderh(seed):
    from aderh import ADERH

    return ADERH(random_state=seed)


def _skdsm(arguments):
    described = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    return Detector(
        lambda seed: DenoisingScoreMatcher(**arguments, random_state=seed),
        f"DenoisingScoreMatcher({described})",
    )


DETECTORS = {name: _skdsm(arguments) for name, arguments in CONFIGURATIONS.items()} | {
    "kNN": Detector(
        lambda seed: adapters.Neighbours(),
        "mean distance to the 5 nearest training rows",
    ),
    "LOF": Detector(
        lambda seed: adapters.LocalFactor(novelty=True),
        "LocalOutlierFactor, 20 neighbours",
    ),
    "IForest": Detector(
        lambda seed: IsolationForest(random_state=seed), "IsolationForest, 100 trees"
    ),
    "OCSVM": Detector(lambda seed: OneClassSVM(), "OneClassSVM, RBF kernel, nu=0.5"),
    "KDE": Detector(
        lambda seed: KernelDensity(bandwidth=0.5), "KernelDensity, bandwidth 0.5"
    ),
    # Bounds that the tree adds and takes away again drown small densities in rounding.
    "leaf KDE": Detector(
        lambda seed: KernelDensity(bandwidth=0.5, leaf_size=10**6),
        "the same density, summed in one leaf: the tree loses the digits of rows far "
        "from the data",
    ),
    "GMM": Detector(
        lambda seed: adapters.Mixture(random_state=seed),
        "GaussianMixture, 8 full covariances, reg_covar=0.01; fewer where a component "
        "would have no more rows than features",
    ),
    "MCD": Detector(
        lambda seed: EllipticEnvelope(random_state=seed),
        "EllipticEnvelope: distance in the robust covariance",
    ),
    "PCA": Detector(
        lambda seed: adapters.Reconstruction(),
        "reconstruction error, components for 95 % of the variance",
    ),
    "RBM": Detector(
        lambda seed: adapters.FreeEnergy(random_state=seed),
        "free energy of a BernoulliRBM, 128 units, features scaled to [0, 1]",
    ),
    # Its decision_function is higher for the more anomalous, its score_samples is not.
    "ADERH": Detector(_aderh, "ADERH with its defaults", ("aderh",)),
    "isotree": Detector(
        lambda seed: adapters.ExtendedForest(random_state=seed),
        "isotree's IsolationForest with its defaults",
        ("isotree",),
    ),
    "KCM": Detector(
        lambda seed: adapters.KernelContraction(random_state=seed),
        "KCM, bandwidth by leave-one-out; training rows are left out of their own "
        "denoiser",
        ("karkcm",),
    ),
    "TCCM": Detector(
        lambda seed: adapters.Contraction(random_state=seed),
        "time-conditioned contraction matching, 200 epochs, in PyTorch",
        ("torch",),
        slow=True,
    ),
    "ECOD": Detector(_pyod("ecod", "ECOD"), "PyOD's ECOD", ("pyod",)),
    "COPOD": Detector(_pyod("copod", "COPOD"), "PyOD's COPOD", ("pyod",)),
    "PyOD AE": Detector(
        _pyod("auto_encoder", "AutoEncoder", random_state=0, verbose=0),
        "PyOD's AutoEncoder with its defaults",
        ("pyod", "torch"),
        slow=True,
    ),
    "tied AE": Detector(
        lambda seed: adapters.TiedAutoencoder(random_state=seed),
        "tied denoising autoencoder, 128 units, sigma=0.5, Adam in PyTorch; "
        "reconstruction error",
        ("torch",),
        slow=True,
    ),
}
