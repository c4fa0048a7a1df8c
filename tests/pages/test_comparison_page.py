"""What the comparison page says of skdsm and scikit-learn, the estimators bear out."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone, is_outlier_detector
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import SGDOneClassSVM
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity, LocalOutlierFactor, NearestNeighbors
from sklearn.svm import OneClassSVM
from sklearn.utils.validation import has_fit_parameter

from skdsm import DenoisingScoreMatcher

PAGE = Path(__file__).parents[2] / "doc" / "user_guide" / "comparison.rst"
TABLE = re.compile(
    r"^\.\. csv-table::\n   :header: (.*)\n(?:   :.*\n)*\n((?:   .*\n)+)", re.M
)
NAME = re.compile(r"``(\w+)``|`(\w+) <.*>`|(\w+)")

RNG = np.random.default_rng(0)
X, FEW = RNG.standard_normal((600, 2)), RNG.standard_normal((7, 2))

TOOLS = {
    type(tool).__name__: tool
    for tool in (
        DenoisingScoreMatcher(2, sigma=1.0, random_state=0),
        IsolationForest(n_estimators=10, random_state=0),
        LocalOutlierFactor(novelty=True),
        NearestNeighbors(),
        OneClassSVM(),
        SGDOneClassSVM(random_state=0),
        EllipticEnvelope(random_state=0),
        KernelDensity(),
        GaussianMixture(3, random_state=0),
    )
}
OTHERS = {"PyOD", "torchebm", "DDPM", "DTE"}

# How many rows, vectors, trees and so on a score is computed from, and in which words.
KEEPS = {
    "DenoisingScoreMatcher": ("one layer of weights", lambda m: len(m.components_)),
    "IsolationForest": ("trees on 256 rows each", lambda m: m.max_samples_),
    "LocalOutlierFactor": ("every row", lambda m: len(m._fit_X)),
    "NearestNeighbors": ("every row", lambda m: len(m._fit_X)),
    "OneClassSVM": ("support vectors", lambda m: len(m.support_vectors_)),
    "SGDOneClassSVM": ("one vector", lambda m: len(m.coef_) // m.n_features_in_),
    "EllipticEnvelope": ("mean, covariance", lambda m: m.location_.ndim),
    "KernelDensity": ("every row", lambda m: len(m.tree_.data)),
    "GaussianMixture": ("means, covariances", lambda m: len(m.means_)),
}


def rows_of_the_page():
    rows = {}
    for header, body in TABLE.findall(PAGE.read_text()):
        (names,) = csv.reader([header], skipinitialspace=True)
        for first, *cells in csv.reader(
            map(str.strip, body.splitlines()), skipinitialspace=True
        ):
            (tool,) = filter(None, NAME.match(first).groups())
            rows.setdefault(tool, {}).update(zip(names[1:], cells, strict=True))
    return rows


CELLS = rows_of_the_page()
every_tool = pytest.mark.parametrize("name", TOOLS)


@pytest.fixture(scope="module")
def fitted():
    return {name: clone(tool).fit(X) for name, tool in TOOLS.items()}


def test_the_page_has_a_full_row_for_every_tool():
    assert CELLS.keys() == TOOLS.keys() | OTHERS
    for cells in CELLS.values():
        assert len(cells) == 10
        assert all(cells.values())


@every_tool
def test_weights(name):
    takes_weights = has_fit_parameter(TOOLS[name], "sample_weight")
    assert CELLS[name]["Weights"] == ("yes" if takes_weights else "no")


def takes_missing_values(tool):
    rows = X[:50].copy()
    rows[3, 1] = np.nan
    try:
        tool = clone(tool).fit(rows)
        getattr(tool, "score_samples", getattr(tool, "kneighbors", None))(rows)
    except ValueError as error:
        if "NaN" not in str(error):
            raise
        return False
    return True


@every_tool
def test_missing_values(name):
    tool, fact = TOOLS[name], "no"
    if takes_missing_values(tool):
        fact = "yes"
    elif hasattr(tool, "n_neighbors") and takes_missing_values(
        clone(tool).set_params(metric="nan_euclidean")
    ):
        fact = "one metric"
    assert CELLS[name]["Missing values"] == fact


@every_tool
def test_in_pieces(name):
    """What skdsm does with files and dask arrays has test files of its own."""
    assert (CELLS[name]["In pieces"] == "``partial_fit``") == hasattr(
        TOOLS[name], "partial_fit"
    )
    assert (CELLS[name]["In pieces"] == "files, dask") == (
        name == "DenoisingScoreMatcher"
    )


@every_tool
def test_what_is_kept_and_whether_it_grows_with_the_rows(name, fitted):
    words, count = KEEPS[name]
    assert CELLS[name]["Keeps for scoring"] == words
    few, many = count(clone(TOOLS[name]).fit(X[:300])), count(fitted[name])
    grows = many > 1.5 * few
    assert grows == (CELLS[name]["Cost in n"] != "none")
    keeps_all = many == len(X)
    assert keeps_all == (words == "every row") == (CELLS[name]["Cost in n"] == "search")


def test_numbers_in_the_text(fitted):
    assert fitted["IsolationForest"].max_samples_ == 256
    machine = fitted["OneClassSVM"]
    assert len(machine.support_) >= machine.nu * len(X)
    assert DenoisingScoreMatcher().n_landmarks == 2000


@every_tool
def test_new_rows(name, fitted):
    tool, cell = fitted[name], CELLS[name]["New rows"]
    if cell == "distances":
        assert not hasattr(tool, "score_samples")
        assert tool.kneighbors(FEW)[0].shape == (7, 5)
        return
    assert tool.score_samples(FEW).shape == (7,)
    asked = cell == "if asked for"
    assert asked == hasattr(tool, "novelty")
    assert not (asked and hasattr(clone(tool).set_params(novelty=False), "predict"))


def test_who_sets_no_threshold(fitted):
    silent = {name for name, tool in fitted.items() if not is_outlier_detector(tool)}
    assert silent == {"NearestNeighbors", "KernelDensity", "GaussianMixture"}


@every_tool
def test_density_integrates_to_one(name, fitted):
    axis = np.linspace(-12, 12, 241)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    cell, tool = CELLS[name]["Density"], fitted[name]
    assert hasattr(tool, "log_density") == (cell == "estimated")
    method = "log_density" if cell == "estimated" else "score_samples"
    if name == "NearestNeighbors":
        assert cell == "no"
        return
    mass = np.exp(getattr(tool, method)(grid)).sum() * 0.1**2
    assert (abs(mass - 1) < 0.01) == (cell != "no")


def methods_of_the_shape_of_rows(tool):
    """Names of methods that answer rows with an array of their shape."""
    found = set()
    for name in dir(tool):
        if name.startswith(("_", "fit", "partial_fit", "set_", "get_")):
            continue
        method = getattr(tool, name, None)
        if not callable(method):
            continue
        try:
            answer = method(FEW)
        except (TypeError, ValueError, AttributeError, IndexError):
            continue
        if np.shape(answer) == FEW.shape:
            found.add(name)
    return found


@every_tool
def test_gradient_of_the_density(name, fitted):
    """Nothing but skdsm's answers has the shape of a gradient."""
    tool = fitted[name]
    has_gradient = CELLS[name]["Its gradient"] == "yes"
    assert has_gradient == bool(methods_of_the_shape_of_rows(tool))
    if has_gradient:
        step = 1e-5 * np.eye(2)
        numerical = [
            (tool.log_density(FEW + one) - tool.log_density(FEW - one)) / 2e-5
            for one in step
        ]
        np.testing.assert_allclose(
            tool.score_function(FEW), np.transpose(numerical), rtol=1e-5, atol=1e-8
        )


@every_tool
def test_samples(name, fitted):
    assert (CELLS[name]["Samples"] == "yes") == hasattr(fitted[name], "sample")


def test_two_kernels_can_be_sampled():
    def can_be_sampled(kernel):
        try:
            KernelDensity(kernel=kernel).fit(X).sample()
        except NotImplementedError:
            return False
        return True

    (kernels,) = (
        options.options for options in KernelDensity._parameter_constraints["kernel"]
    )
    assert {k for k in kernels if can_be_sampled(k)} == {"gaussian", "tophat"}


@every_tool
def test_explanations(name, fitted):
    by = {
        "features": "feature_contributions",
        "neighbours": "kneighbors",
        "cluster": "predict_proba",
    }
    present = {word for word, method in by.items() if hasattr(fitted[name], method)}
    cell = CELLS[name]["Explains a row by"]
    assert present == ({cell} if cell != "no" else set())
