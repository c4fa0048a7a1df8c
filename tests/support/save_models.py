"""Saves models and their scores for tests of later versions: saved_models/README.md."""

import json
import pickle
import subprocess
import warnings
from pathlib import Path

import joblib
import numpy as np
import scipy
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdsm
from skdsm import DenoisingScoreMatcher

FOLDER = Path(__file__).parents[1] / "saved_models"


def training_rows():
    rng = np.random.default_rng(0)
    return 10 + rng.standard_normal((60, 3)) @ np.diag([1.0, 2.0, 3.0])


def models():
    options = {"n_components": 4, "max_iter": 10, "random_state": 0}
    general = {"gains": "learned", "sigma": (0.1, 1.0), "ranking": "score_norm"}
    return {
        "detector": DenoisingScoreMatcher(**options),
        "pipeline": make_pipeline(StandardScaler(), DenoisingScoreMatcher(**options)),
        "general": make_pipeline(
            StandardScaler(), DenoisingScoreMatcher(**options, **general)
        ),
    }


def main():
    import skops.io

    formats = {
        "pkl": lambda model, path: path.write_bytes(pickle.dumps(model)),
        "joblib": joblib.dump,
        "skops": skops.io.dump,
    }
    commit = subprocess.run(
        ["git", "rev-parse", "--short=7", "HEAD"],
        check=True,
        capture_output=True,
        text=True,
        cwd=FOLDER,
    ).stdout.strip()
    folder = FOLDER / commit
    folder.mkdir()
    X = training_rows()
    rows = X[:8]
    expected = {
        "versions": {
            library.__name__: library.__version__
            for library in (skdsm, np, scipy, sklearn, joblib, skops)
        },
        "rows": rows.tolist(),
        "scores": {},
        "labels": {},
        "codes": {},
    }
    for name, model in models().items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X)
        for suffix, save in formats.items():
            save(model, folder / f"{name}.{suffix}")
        expected["scores"][name] = model.score_samples(rows).tolist()
        expected["labels"][name] = model.predict(rows).tolist()
        expected["codes"][name] = model.transform(rows).tolist()
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
