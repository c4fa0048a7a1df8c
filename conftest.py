"""What a run without extras tests, and a promise: nothing is skipped in silence.

A full run (`make test`) has every optional package; without one of them it fails. A run
with --without-extras (`make test-minimal`) must have none, which proves that they are
optional, and is of the core below: that everything can be imported, scikit-learn's
checks, the numerics of model, training and detection, and input that is accepted or
refused. The rest does not depend on versions in ways that the core does not.

PyTorch is not an extra, and too large for every run: `make test-torch` asks for it by
name (--array-library torch), and fails without it. All other runs test arrays of other
libraries by array-api-strict.
"""

import os
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).parent

# A busy machine is not a failure; and continuous integration is not the place to
# look for new counterexamples.
hypothesis.settings.register_profile(
    "untimed", deadline=None, derandomize="CI" in os.environ
)
hypothesis.settings.load_profile("untimed")

EXTRAS = [
    "array_api_strict",
    "arviz_stats",
    "dask",
    "importlinter",
    "matplotlib",
    "rich",
    "skl2onnx",
    "skops",
]
CORE = [
    "skdsm/*.py",
    "tests/test_imports.py",
    "tests/model/test_*.py",
    "tests/training/test_empirical_risk.py",
    "tests/training/test_fit.py",
    "tests/training/test_lbfgs.py",
    "tests/training/test_loss_kernel.py",
    "tests/training/test_objectives.py",
    "tests/detection/test_*.py",
    "tests/estimator/test_accepted_input.py",
    "tests/estimator/test_bad_input.py",
    "tests/estimator/test_common.py",
    "tests/estimator/test_refused_values.py",
    "tests/estimator/test_saved_models.py",
]
# Of these, doctests need an extra: tests/test_imports.py imports them too.
NOT_CORE = ["skdsm/display/*.py", "skdsm/onnx/*.py", "skdsm/command/*.py"]


def pytest_addoption(parser):
    parser.addoption(
        "--without-extras",
        action="store_true",
        help="test the core; no optional package may be installed",
    )
    parser.addoption(
        "--array-library",
        default="array_api_strict",
        help="of tests/estimator/test_array_api.py; it must be installed",
    )
    parser.addoption(
        "--array-device",
        help="of that library, for the same tests: cuda, say; not for array_api_strict",
    )


def pytest_configure(config):
    if not config.getoption("without_extras"):
        return
    present = [package for package in EXTRAS if find_spec(package)]
    if present:
        raise pytest.UsageError(f"--without-extras, but {present} can be imported.")
    for pattern in CORE + NOT_CORE:
        if not any(ROOT.glob(pattern)):
            raise pytest.UsageError(f"conftest.py: no file is called {pattern}.")


def pytest_ignore_collect(collection_path, config):
    if not config.getoption("without_extras") or collection_path.is_dir():
        return None
    path = collection_path.relative_to(ROOT).as_posix()
    core = any(fnmatch(path, pattern) for pattern in CORE)  # "*" matches "/" too
    if not core or any(fnmatch(path, pattern) for pattern in NOT_CORE):
        return True
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"Skipped, which no test may be: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    if report.skipped:  # by importorskip
        report.outcome = "failed"
        report.longrepr = f"Skipped, which no file may be: {report.longrepr}"
    return report
