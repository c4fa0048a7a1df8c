"""What type checkers must know of skdsm: `make lint` has mypy read it, nothing runs it.

A line that must not pass the checker carries an ignore, which is an error where it is
not needed.
"""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

from skdsm import DenoisingScoreMatcher
from skdsm.density.log_partition import LogPartition
from skdsm.display import EnergyDisplay
from skdsm.onnx import to_onnx

Doubles = NDArray[np.float64]


def never_called() -> None:
    X = np.zeros((3, 2))
    matcher = DenoisingScoreMatcher(
        16, sigma=(0.1, 1.0), gains="learned", random_state=0
    )

    assert_type(matcher.fit(X), DenoisingScoreMatcher)
    assert_type(matcher.fit([[0.0, 1.0]], sample_weight=[1.0]), DenoisingScoreMatcher)
    assert_type(matcher.fit(X).score_samples(X), Doubles)
    assert_type(matcher.decision_function(X), Doubles)
    assert_type(matcher.predict(X), NDArray[np.int64])
    assert_type(matcher.transform(X), NDArray[np.floating[Any]])
    assert_type(matcher.score(X), float)
    assert_type(matcher.components_, Doubles)
    assert_type(matcher.sigma_, float)
    assert_type(matcher.sample(5, random_state=0), Doubles)
    assert_type(matcher.log_partition(), LogPartition)
    assert_type(matcher.log_partition().value, float)
    assert_type(EnergyDisplay.from_estimator(matcher, X), EnergyDisplay)
    to_onnx(matcher, X, outputs=["label"])

    DenoisingScoreMatcher(gains="none")  # type: ignore[arg-type]
    DenoisingScoreMatcher(128, 0.5)  # type: ignore[call-arg]
    DenoisingScoreMatcher(hidden=3)  # type: ignore[call-arg]
    matcher.score_samples()  # type: ignore[call-arg]
    to_onnx(matcher)  # type: ignore[call-arg]
