"""A newcomer's path: from a fresh clone to the report of a CSV, by the README's words.

Clones the last commit, makes a new environment, and runs the README's block of shell
commands that ranks rows.csv there: numbers, categories, dates and missing cells, of
which one row is odd. The report has to be there in three minutes.
"""

import argparse
import csv
import os
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
TARGET = 180  # seconds


def timed(name, run):
    start = time.perf_counter()
    run()
    seconds = time.perf_counter() - start
    print(f"{name:42}{seconds:6.1f} s", flush=True)
    return seconds


def write_rows(path, n_rows):
    """Write a table of orders, of which one is odd, as a CSV."""
    rng = np.random.default_rng(0)
    prices = {"tea": 6, "coffee": 9, "cup": 12, "pot": 35}
    product = rng.choice(list(prices), n_rows)
    price = np.array([prices[word] for word in product]) * rng.lognormal(0, 0.1, n_rows)
    quantity = rng.poisson(2, n_rows) + 1
    price[ODD], quantity[ODD] = 300.0, 40
    day = np.datetime64("2024-01-01") + np.sort(rng.integers(0, 365, n_rows))
    numbers = np.round(rng.standard_normal((n_rows, 4)), 3).astype(str)
    numbers[rng.random(numbers.shape) < 0.02] = "n/a"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["product", "price", "quantity", "day", *"abcd"])
        cells = zip(product, np.round(price, 2), quantity, day, numbers, strict=True)
        writer.writerows([*row[:-1], *row[-1]] for row in cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    args = parser.parse_args()
    blocks = re.findall(r"```shell\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    (block,) = (block for block in blocks if "skdsm rank" in block)
    describe_machine()
    with tempfile.TemporaryDirectory() as folder:
        clone, environment = Path(folder, "skdsm"), Path(folder, "environment")
        path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
        env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {
            "PATH": path
        }
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

        def run(*command, **options):
            subprocess.run(command, check=True, env=env, **quiet, **options)

        total = timed(
            "git clone and a new environment",
            lambda: (
                run("git", "clone", ROOT, clone),
                venv.create(environment, with_pip=True),
            ),
        )
        write_rows(clone / "rows.csv", args.rows)
        for line in block.strip().splitlines():
            total += timed(line, lambda: run("bash", "-c", line, cwd=clone))  # noqa: B023
        with open(clone / "ranking.csv", newline="") as file:
            first = next(csv.DictReader(file))
        has_report = (clone / "ranking.html").exists()
    print(f"{'together':42}{total:6.1f} s")
    if first["row"] != str(ODD + 1) or not has_report:
        sys.exit("the odd row is not the first, or there is no report")
    print(f"the odd row is the first, because of {first['columns']}")
    if total > TARGET:
        sys.exit(f"more than {TARGET} s")


if __name__ == "__main__":
    main()
