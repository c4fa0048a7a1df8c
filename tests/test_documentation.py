"""The user guide names functions of this test suite as proofs: they must exist."""

import pydoc
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = re.compile(r"(test_\w+)\.py::(test_\w+)")
PAGES = sorted((ROOT / "doc").glob("**/*.rst"))
PROOFS = sorted({proof for page in PAGES for proof in NAMED.findall(page.read_text())})


def test_the_guide_names_proofs():
    assert len(PROOFS) >= 20


@pytest.mark.parametrize(("module", "function"), PROOFS, ids="::".join)
def test_named_proof_exists(module, function):
    source = (ROOT / "tests" / f"{module}.py").read_text()
    assert re.search(rf"^def {function}\(", source, re.MULTILINE)


OBJECT = re.compile(r":(?:func|class|meth|mod|attr|data):`~?(skdsm[\w.]*)`")
OBJECTS = sorted({name for page in PAGES for name in OBJECT.findall(page.read_text())})


@pytest.mark.parametrize("name", OBJECTS)
def test_named_object_exists(name):
    assert pydoc.locate(name) is not None
