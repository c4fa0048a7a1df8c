"""Displays compute the same while NumPy is set to raise."""

import numpy as np
import pytest
from support.quick_fits import quick

from skdsm import display

X = np.repeat([[-30.0, -30.0], [30.0, 30.0]], 30, axis=0)
X += np.random.default_rng(0).standard_normal(X.shape)


@pytest.mark.filterwarnings("ignore::skdsm.exceptions.SamplingWarning")
@pytest.mark.parametrize("name", display.__all__)
def test_display_can_be_made_while_numpy_raises(name):
    matcher = quick().fit(X)
    rows = () if name == "LossCurveDisplay" else (X,)
    with np.errstate(all="raise"):
        getattr(display, name).from_estimator(matcher, *rows)
