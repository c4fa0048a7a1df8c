"""The user guide names functions of this test suite as proofs: they must exist."""

import pydoc
import re
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"(test_\w+)\.py::(test_\w+)")
PAGES = sorted((ROOT / "doc").glob("**/*.rst"))
PROOFS = sorted({proof for page in PAGES for proof in NAMED.findall(page.read_text())})


def test_the_guide_names_proofs():
    assert len(PROOFS) >= 20


def test_named_proofs_exist():
    files = {path.stem: path for path in (ROOT / "tests").glob("**/test_*.py")}
    for module, function in PROOFS:
        source = files[module].read_text()
        assert re.search(rf"^def {function}\(", source, re.MULTILINE), function


OBJECT = re.compile(r":(?:func|class|meth|mod|attr|data):`~?(skdsm[\w.]*)`")
OBJECTS = sorted({name for page in PAGES for name in OBJECT.findall(page.read_text())})


def test_named_objects_exist():
    assert [name for name in OBJECTS if pydoc.locate(name) is None] == []


# internal code has no page of its own: pages name its file in skdsm/
INTERNAL = re.compile(r"``(?:skdsm/)?([a-z_]+/\w+\.py)(?:::(\w+))?``")
CODE = {code for page in PAGES for code in INTERNAL.findall(page.read_text())}
CODE = sorted(code for code in CODE if not code[0].startswith("benchmarks/"))


def test_named_code_exists():
    assert len(CODE) >= 10
    for file, name in CODE:
        folder = ROOT if file.startswith("tests/") else ROOT / "skdsm"
        source = (folder / file).read_text()
        if name:
            assert re.search(rf"^(def|class) {name}\b", source, re.M), (file, name)


def test_the_readme_ranks_a_csv(tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    (script,) = [block for block in blocks if "rows.csv" in block]
    X = np.random.default_rng(0).standard_normal((200, 3))
    X[123] = 8.0
    monkeypatch.chdir(tmp_path)
    np.savetxt("rows.csv", X, delimiter=",", header="a,b,c", comments="")
    exec(script, {})
    printed = capsys.readouterr().out.splitlines()
    header, *rows = Path("ranking.csv").read_text().splitlines()
    assert header == "row,score"
    assert sorted(int(row.split(",")[0]) for row in rows) == list(range(200))
    scores = [float(row.split(",")[1]) for row in rows]
    assert scores == sorted(scores)
    assert [int(line.split()[0]) for line in printed] == [
        int(row.split(",")[0]) for row in rows[:5]
    ]
    assert printed[0].startswith("123 ")
