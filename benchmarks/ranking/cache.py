"""Results that were measured before: a file of JSON lines for each protocol."""

import ast
import hashlib
import inspect
import json
import os
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from sklearn import config_context

import skdsm

__all__ = ["ResultFile", "content_hash", "fingerprint"]


class ResultFile:
    """Results by key; each is on disk as soon as it is there.

    Of two lines with the same key the last counts. A last line that an interrupt left
    incomplete is dropped.

    Parameters
    ----------
    path : path-like
        The file; it need not exist yet.
    """

    def __init__(self, path):
        self._path = Path(path)
        self._results = {}
        if self._path.exists():
            self._read()

    def _read(self):
        text = self._path.read_text(encoding="ascii")  # json.dumps escapes the rest
        whole, _, rest = text.rpartition("\n")
        for line in whole.splitlines():
            entry = json.loads(line)
            self._results[entry.pop("key")] = entry
        if rest:
            os.truncate(self._path, len(text) - len(rest))

    def get(self, key):
        """Return the result, or None."""
        return self._results.get(key)

    def add(self, key, result):
        """Keep a result, a dict of numbers and strings."""
        line = json.dumps({"key": key} | result, allow_nan=False)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with open(self._path, "a", encoding="ascii") as file:
            file.write(line + "\n")
        self._results[key] = result


def content_hash(X, y):
    """Short hash of a data set's values."""
    digest = hashlib.sha256(repr((X.shape, X.dtype.str, y.dtype.str)).encode())
    for array in (X, y):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def fingerprint(detector):
    """What a detector's results depend on: its parameters, and whose code it runs.

    Packages count by their version. skdsm and the adapters, which change without a new
    version, count by a hash of their code.
    """
    parameters = detector.get_params()
    types = {type(x) for x in (detector, *parameters.values())}
    with config_context(print_changed_only=False):
        # repr() elides long parameter lists
        described = sorted((key, repr(value)) for key, value in parameters.items())
    return repr((type(detector).__name__, described, sorted(map(_code_of, types))))


def _code_of(kind):
    package = kind.__module__.partition(".")[0]
    if package == "skdsm":
        return f"skdsm {_package_hash(Path(skdsm.__file__).parent)}"
    if package == "ranking":
        code = _code_hash(inspect.getsource(kind))
        return f"{kind.__name__} {code}, scikit-learn {version('scikit-learn')}"
    try:
        return f"{package} {version({'sklearn': 'scikit-learn'}.get(package, package))}"
    except PackageNotFoundError:  # int, str, a function
        return ""


@cache
def _package_hash(folder):
    sources = (path.read_text("utf-8") for path in sorted(folder.rglob("*.py")))
    return _code_hash("\n".join(sources))


def _code_hash(source):
    """Hash of code without its comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [x for x in body if not _is_text(x)]
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:16]


def _is_text(statement):
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
