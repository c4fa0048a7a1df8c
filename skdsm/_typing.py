"""Types that public signatures share."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ArrayLike", "Doubles", "Floats", "Options", "Randomness"]

Doubles: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.floating[Any]]  # float32 or float64, as the rows were
Options: TypeAlias = dict[str, Any]
Randomness: TypeAlias = int | np.random.RandomState | None
