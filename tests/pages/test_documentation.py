"""What the README and the pages name exists, and what the README shows runs."""

import pydoc
import re
from pathlib import Path

import numpy as np
import pandas as pd

from skdsm.command.main import main

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
    blocks = re.findall(r"```shell\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    (block,) = [block for block in blocks if "skdsm rank" in block]
    install, rank = block.strip().splitlines()
    assert install == 'pip install ".[command]"'
    X = np.random.default_rng(0).standard_normal((200, 3))
    X[123] = 8.0
    monkeypatch.chdir(tmp_path)
    np.savetxt("rows.csv", X, delimiter=",", header="a,b,c", comments="")
    program, *arguments = rank.split()
    assert program == "skdsm"
    assert main(arguments) == 0
    assert "1. row 124: " in capsys.readouterr().out
    header, first, *rest = Path("ranking.csv").read_text().splitlines()
    assert header.startswith("rank,row,anomaly_score,")
    assert first.startswith("1,124,")
    assert len(rest) == 199
    assert "<svg" in Path("ranking.html").read_text()


README = (ROOT / "README.md").read_text()


def test_links_of_the_readme_exist():
    links = re.findall(r"\]\((.*?)\)|src=\"(.*?)\"", README)
    files = [link or source for link, source in links if "//" not in link]
    assert len(files) >= 10
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_the_readme_code_finds_a_row_and_its_cell():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"kind": ["tea", "pot"] * 100, "price": [6.0, 30.0] * 100})
    table["price"] *= rng.lognormal(0, 0.1, len(table))
    table.loc[41, "price"] = 200.0
    (block,) = re.findall(r"```python\n(.*?)```", README, re.S)
    names = {"table": table}
    exec(block, names)
    assert names["scores"].argmin() == 41
    assert names["blame"].loc[41].idxmax() == "price"


def test_accuracies_in_the_readme_are_those_measured():
    printed = (ROOT / "doc" / "benchmarks" / "bench_ranking.txt").read_text()
    for rows, title, own in (
        ("normal", "one-class", ["skdsm", "combined"]),
        ("all", "unsupervised", ["skdsm"]),
    ):
        (line,) = re.findall(rf"\| ROC AUC, trained on {rows} rows \|(.*)", README)
        summary = printed.split(f"{title}: summary")[1].split(f"{title}: ROC AUC")[0]
        measured = dict(re.findall(r"^(\w+) +(0\.\d+)", summary, re.M))
        for shown, name in zip(
            re.findall(r"0\.\d{3}", line), [*own, "kNN", "IForest", "GMM"], strict=True
        ):
            assert shown == f"{float(measured[name]):.3f}", name


def names_in_the_api_reference():
    """Each class and function that doc/api.rst lists; of a module, what it exports."""
    page = (ROOT / "doc" / "api.rst").read_text()
    for block in re.findall(r"autosummary::\n(?:   :.*\n)+\n((?:   \S+\n)+)", page):
        for name in block.split():
            module = pydoc.locate(f"skdsm.{name}")
            members = getattr(module, "__all__", None)
            yield from [f"{name}.{member}" for member in members or []] or [name]


def test_everything_in_the_api_reference_has_an_example():
    names = list(names_in_the_api_reference())
    assert len(names) >= 30
    for name in names:
        assert ">>>" in pydoc.locate(f"skdsm.{name}").__doc__, name
