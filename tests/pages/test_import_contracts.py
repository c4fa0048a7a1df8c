"""The import contracts of pyproject.toml bite: import-linter finds what they forbid."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOWN = "Imports point down"
PURE = "Mathematics knows nothing of scikit-learn"
LEAVES = "Pictures, ONNX and the command are leaves"


def lint_imports(folder):
    """What `lint-imports` says of the package and the contracts in a folder."""
    command = "from importlinter.cli import lint_imports_command as lint; lint()"
    return subprocess.run(
        [sys.executable, "-c", command, "--no-logo", "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "200"},  # lines that do not wrap
    )


@pytest.fixture
def copy(tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "skdsm", tmp_path / "skdsm", ignore=ignore)
    return tmp_path


def test_the_package_keeps_its_contracts(copy):
    checked = lint_imports(copy)
    assert checked.returncode == 0, checked.stdout
    for contract in (DOWN, PURE, LEAVES):
        assert f"{contract} KEPT" in checked.stdout


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        # imports inside functions count as well
        ("model/energy.py", "def f():\n    import sklearn.utils", {PURE}),
        # the estimator brings scikit-learn with it
        ("training/fit.py", "from skdsm.estimator import COUNT", {DOWN, PURE}),
        ("density/target.py", "import skdsm.training.fit", {DOWN}),
        ("_sklearn/validation.py", "import skdsm.display", {DOWN, LEAVES}),
    ],
)
def test_a_forbidden_import_breaks_them(copy, file, line, broken):
    source = copy / "skdsm" / file
    source.write_text(f"{source.read_text()}\n{line}\n")
    checked = lint_imports(copy)
    assert checked.returncode == 1
    for contract in (DOWN, PURE, LEAVES):
        verdict = "BROKEN" if contract in broken else "KEPT"
        assert f"{contract} {verdict}" in checked.stdout


def test_a_package_without_a_layer_breaks_them(copy):
    (copy / "skdsm" / "helpers").mkdir()
    (copy / "skdsm" / "helpers" / "__init__.py").write_text("")
    checked = lint_imports(copy)
    assert checked.returncode == 1
    assert "helpers" in checked.stdout
