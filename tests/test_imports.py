"""Every module can be imported where no optional package can."""

import subprocess
import sys

# Modules that are None cannot be imported, by whatever name below them.
SCRIPT = """
import pkgutil, sys
from importlib import import_module

for extra in {extras}:
    sys.modules[extra] = None
import skdsm
names = [module.name for module in pkgutil.walk_packages(skdsm.__path__, "skdsm.")]
for name in names:
    import_module(name)
print(*names)
"""
EXTRAS = ["arviz_stats", "dask", "distributed", "matplotlib", "onnx", "onnxruntime"]
EXTRAS += ["pandas", "polars", "rich", "skl2onnx", "skops"]


def test_no_module_needs_an_optional_package_to_be_imported():
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(extras=EXTRAS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    imported = set(process.stdout.split())
    assert {
        "skdsm.estimator",
        "skdsm.display.energy",
        "skdsm.onnx.converter",
    } <= imported
    assert {"skdsm.command.main", "skdsm.command.report"} <= imported
