"""Denoising score matching for scikit-learn."""

__version__ = "0.1.0.dev0"

from skdsm.estimator import DenoisingScoreMatcher

__all__ = ["DenoisingScoreMatcher", "__version__"]
