"""Denoising score matching for scikit-learn."""

__version__ = "0.1.0.dev0"

from skdsm.estimator import DenoisingScoreMatcher  # noqa: E402

__all__ = ["DenoisingScoreMatcher", "__version__"]
