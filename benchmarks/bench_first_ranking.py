"""A newcomer's path: from a clone to a ranked CSV of one's own, by the README's words.

Makes a new environment, installs the package as the README says, takes the README's
block that reads rows.csv, and runs it on generated rows of which one is odd.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import numpy as np
from common import describe_machine

ROOT = Path(__file__).parents[1]
ODD = 7


def timed(name, run):
    start = time.perf_counter()
    run()
    seconds = time.perf_counter() - start
    print(f"{name:42}{seconds:6.1f} s", flush=True)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--features", type=int, default=8)
    args = parser.parse_args()
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    (block,) = (block for block in blocks if "rows.csv" in block)
    X = np.random.default_rng(0).standard_normal((args.rows, args.features))
    X[ODD] = 6.0
    describe_machine()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        names = ",".join(f"column {j}" for j in range(args.features))
        np.savetxt(folder / "rows.csv", X, delimiter=",", header=names, comments="")
        (folder / "rank.py").write_text(block)
        python = folder / "env" / "bin" / "python"
        install = [python, "-m", "pip", "install", "-q", ROOT]
        total = timed(
            "new environment and pip install .",
            lambda: (
                venv.create(folder / "env", with_pip=True),
                subprocess.run(install, check=True, stderr=subprocess.DEVNULL),
            ),
        )
        rank = [python, "rank.py"]
        total += timed(
            f"ranking {args.rows} x {args.features}",
            lambda: subprocess.run(
                rank, check=True, cwd=folder, stdout=subprocess.PIPE
            ),
        )
        ranked = np.loadtxt(folder / "ranking.csv", delimiter=",", skiprows=1)
    print(f"{'together':42}{total:6.1f} s")
    if ranked[0, 0] != ODD:
        sys.exit("the odd row is not the first")
    print("the odd row is the first")


if __name__ == "__main__":
    main()
