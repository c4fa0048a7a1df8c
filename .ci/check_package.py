"""Look into the sdist and the wheel of a folder, and use the wheel in an environment.

The environment has what the wheel says it needs, and nothing else: what is optional
must not be missed.
"""

import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TRIAL = """
import importlib, pkgutil, warnings
warnings.simplefilter("error")
import numpy as np
import skdsm
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
for module in pkgutil.walk_packages(skdsm.__path__, "skdsm."):
    importlib.import_module(module.name)
X = np.random.default_rng(0).normal(size=(200, 3))
matcher = skdsm.DenoisingScoreMatcher(16, random_state=0)
model = make_pipeline(StandardScaler(), matcher).fit(X)
assert (model.predict(X) == -1).sum() == 20
"""


def main(folder):
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "skdsm").rglob("*")
        if path.suffix in (".py", ".typed")
    }
    assert "skdsm/py.typed" in sources

    packed = set(zipfile.ZipFile(wheel).namelist())
    metadata = {name for name in packed if ".dist-info/" in name}
    assert packed - metadata == sources, (packed - metadata) ^ sources
    assert any(name.endswith("/LICENSE") for name in metadata)

    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert sources | {"pyproject.toml", "README.md", "LICENSE"} <= packed

    with tempfile.TemporaryDirectory() as directory:
        venv.create(directory, with_pip=True)
        python = Path(directory, "bin", "python")
        pip = [python, "-m", "pip", "--disable-pip-version-check", "-q"]
        subprocess.run([*pip, "install", wheel.resolve()], check=True, cwd=directory)
        subprocess.run([python, "-c", TRIAL], check=True, cwd=directory)
    print(f"{wheel.name}: {len(sources)} files of skdsm/, and it works by itself")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
