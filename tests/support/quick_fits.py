"""Data and settings with which a fit takes hundredths of a second, and comparisons."""

import copy

import numpy as np
import pytest
from sklearn import config_context

from skdsm import DenoisingScoreMatcher
from skdsm.training.corruption import NoiseLevels
from skdsm.training.fit import Settings

# Every option that changes what is trained or returned, and every pair of gains,
# objective, and one noise level or a range.
CONFIGURATIONS = {
    "default": {},  # learned gains, dsm, a range
    "paper": {"gains": "unit", "sigma": 0.5},
    "implicit, unit gains, noise range, score norm": {
        "objective": "ism",
        "gains": "unit",
        "sigma": [0.1, 1.0],
        "ranking": "score_norm",
        "contamination": "auto",
    },
    "implicit, learned gains, combined ranking": {
        "objective": "ism",
        "gains": "learned",
        "sigma": 0.5,
        "ranking": "combined",
        "n_landmarks": 30,
    },
    "no screening, penalty, one corruption": {
        "screening": False,
        "sigma": (0.5, 1.0),
        "alpha": 0.01,
        "n_corruptions": 1,
    },
}


def with_every_model_or_value(name, values, chosen):
    """Parametrise: all values by default, and those chosen for the other models too.

    Which value it is and which model it is concern different code, so that each meets
    each of the other only where `chosen` says.
    """
    cells = [(CONFIGURATIONS["default"], value) for value in values]
    ids = [f"default-{value}" for value in values]
    for model, parameters in CONFIGURATIONS.items():
        if model != "default":
            cells += [(parameters, value) for value in chosen]
            ids += [f"{model}-{value}" for value in chosen]
    return pytest.mark.parametrize(("parameters", name), cells, ids=ids)


# What answers for rows; `inverse_transform` takes codes.
QUERIES = [
    "transform",
    "score_samples",
    "decision_function",
    "predict",
    "energy",
    "score_function",
    "reconstruct",
    "feature_contributions",
    "score",
]


def quick(n_components=4, *, random_state=0, **parameters):
    return DenoisingScoreMatcher(n_components, random_state=random_state, **parameters)


def settings(**changes):
    """What is to be fitted, for tests below the estimator."""
    default = Settings(
        n_components=4,
        levels=NoiseLevels(0.5, 0.5),
        learn_gains=False,
        objective="dsm",
        n_corruptions=4,
        alpha=0.0,
        max_iter=1000,
        tol=1e-3,
    )
    return default._replace(**changes)


def given_precision(X, levels):
    """What `Parts.precision` may be: the precision of the rows."""
    return X.dtype


def normal_rows(n_samples=40, n_features=3, seed=0):
    return np.random.default_rng(seed).standard_normal((n_samples, n_features))


def two_clusters(n_samples=200, n_features=2, seed=0):
    """Clusters two apart from the origin, on either side, with deviation 0.3."""
    rng = np.random.default_rng(seed)
    side = rng.choice([-2.0, 2.0], size=(n_samples, 1))
    return side + 0.3 * rng.standard_normal((n_samples, n_features))


def fitted_on_a_device(X, monkeypatch, **parameters):
    """A model whose arrays NumPy cannot read without being told how."""
    import array_api_strict

    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    rows = array_api_strict.asarray(X, device=array_api_strict.Device("device1"))
    with config_context(array_api_dispatch=True):
        return quick(**parameters).fit(rows)


def fitted_state(estimator):
    """Copy of all fitted attributes."""
    return {
        name: copy.deepcopy(value)
        for name, value in vars(estimator).items()
        if name.endswith("_") and not name.startswith("_")
    }


def assert_same_state(actual, expected):
    """Equal to the last bit."""
    assert actual.keys() == expected.keys()
    for name in expected:
        assert type(actual[name]) is type(expected[name]), name
        np.testing.assert_array_equal(actual[name], expected[name], err_msg=name)


def assert_same_model(actual, expected):
    """All fitted attributes equal to the last bit, names of features apart."""
    left, right = fitted_state(actual), fitted_state(expected)
    for state in (left, right):
        state.pop("feature_names_in_", None)
    assert "components_" in right
    assert_same_state(left, right)
