"""Which tests need an optional package, and a promise: nothing is skipped in silence.

A full run (`make test`) has every optional package; without one of them it fails. A run
with --without-extras (`make test-minimal`) must have none, which proves that they are
optional, and leaves out what is listed here.

PyTorch is no extra, and too large for every run: `make test-torch` asks for it by name
(--array-library torch), and fails without it. All other runs test arrays of other
libraries by array-api-strict.
"""

import os
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).parent

# A machine that is busy is no failure; and continuous integration is not the place to
# look for new counterexamples.
hypothesis.settings.register_profile(
    "untimed", deadline=None, derandomize="CI" in os.environ
)
hypothesis.settings.load_profile("untimed")

# Optional package: the files that need it, or the tests, as FILE::TEST.
NEEDS = {
    "array_api_strict": ["tests/estimator/test_array_api.py"],
    "dask": [
        "doc/user_guide/large_data.rst",
        "tests/support/rows_in_blocks.py",
        "tests/estimator/test_dask_cluster.py",
        "tests/estimator/test_dask_input.py",
        "tests/rows/test_dask_risk.py",
        "tests/rows/test_in_dask.py",
    ],
    "arviz_stats": [
        "doc/user_guide/density.rst",
        "tests/mcmc/test_diagnostics.py",
        "tests/estimator/test_density.py",
        "tests/density/test_tempering.py",
    ],
    "importlinter": ["tests/pages/test_import_contracts.py"],
    "matplotlib": [
        "doc/user_guide/displays.rst",
        "skdsm/display/*.py",
        "tests/test_display*.py",
        "tests/pages/test_ranking_benchmark.py::test_script_writes_tables_and_a_diagram",
    ],
    "rich": ["tests/estimator/test_callbacks.py::test_progress_bar*"],
    "skl2onnx": [
        "doc/user_guide/deployment.rst",
        "skdsm/onnx/*.py",
        "tests/test_onnx.py",
    ],
    "skops": ["tests/estimator/test_skops.py"],
}
PATTERNS = [pattern for patterns in NEEDS.values() for pattern in patterns]


def pytest_addoption(parser):
    parser.addoption(
        "--without-extras",
        action="store_true",
        help="leave out what needs an optional package; none may be installed",
    )
    parser.addoption(
        "--array-library",
        default="array_api_strict",
        help="of tests/estimator/test_array_api.py; it must be installed",
    )


def pytest_configure(config):
    if not config.getoption("without_extras"):
        return
    present = [package for package in NEEDS if find_spec(package)]
    if present:
        raise pytest.UsageError(f"--without-extras, but {present} can be imported.")
    for pattern in PATTERNS:
        if not any(ROOT.glob(pattern.partition("::")[0])):
            raise pytest.UsageError(f"conftest.py: no file is called {pattern}.")


def pytest_ignore_collect(collection_path, config):
    path = collection_path.relative_to(ROOT).as_posix()
    if config.getoption("without_extras"):
        return any(fnmatch(path, pattern) for pattern in PATTERNS) or None
    return None


def pytest_collection_modifyitems(config, items):
    if config.getoption("without_extras"):
        left_out = [item for item in items if _needs_an_extra(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _needs_an_extra(item):
    return any(fnmatch(item.nodeid, pattern) for pattern in PATTERNS)


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
