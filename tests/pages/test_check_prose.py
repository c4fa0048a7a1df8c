"""`make lint` finds the idioms that CONTRIBUTING.md names, in prose alone."""

import runpy
from pathlib import Path

import pytest

CHECK = runpy.run_path(str(Path(__file__).parents[2] / ".ci" / "check_prose.py"))


def found(path, text):
    path.write_text(text, encoding="utf-8")
    return [(line, name.split("'")[1]) for line, name, _ in CHECK["findings"](path)]


@pytest.mark.parametrize(
    ("sentence", "idiom"),
    [
        ("All rows but\nfor one are equal.", "but for"),
        ("The loss is that of the paper.", "that of"),
        ("Two models of the same worth.", "of the same worth"),
        ("PyOD's, as it comes.", "as it comes"),
        ("but may also be slow", "but may"),
        ("A small loss is no proof.", "is no"),
        ("A number is none.", "none"),
        ("It takes 2 µs a row.", "a row"),
        ("The evaluation is one task a block.", "a row"),
        ("A score costs O(m) a row.", "a row"),
        ("The area is 0.897 for 0.892.", "x for y"),
        ("It finds 26 % for 43 %.", "x for y"),
    ],
)
def test_an_idiom_is_found(tmp_path, sentence, idiom):
    assert found(tmp_path / "page.rst", f"Title\n=====\n\n{sentence}\n") == [(4, idiom)]
    comment = "# " + sentence.replace("\n", "\n# ")
    assert found(tmp_path / "code.py", f"x = 1\n{comment}\n") == [(2, idiom)]
    message = sentence.replace("\n", " ")
    assert found(tmp_path / "code.py", f"\nprint({message!r})\n") == [(2, idiom)]


@pytest.mark.parametrize(
    "sentence",
    [
        "There is no label, and there are no more rows.",
        "The loss is no longer the least, and no row is lost.",
        "A fit takes 0.5 s for 1,000 rows.",
        "Each row has a weight; a second row has none.",
        "A row is a sample, and once a fit ends it stays.",
        "Write ``but for`` or `that of` as code.",
    ],
)
def test_plain_english_passes(tmp_path, sentence):
    assert found(tmp_path / "page.rst", sentence) == []
    assert found(tmp_path / "code.py", f"# {sentence}\n") == []


@pytest.mark.parametrize(
    "block",
    [
        "Text::\n\n   all but for one\n",
        ">>> 'all but for one'\n",
        ".. code-block:: text\n\n   all but for one\n",
        "```shell\nall but for one\n```\n",
    ],
)
def test_code_on_a_page_is_not_prose(tmp_path, block):
    assert found(tmp_path / "page.rst", f"{block}\nThe end.\n") == []


def test_a_constant_is_named_in_plain_english(tmp_path):
    assert found(tmp_path / "code.py", "\nROWS_A_UNIT = 1\n") == [(2, "a row")]
    assert found(tmp_path / "code.py", "\nROWS_PER_UNIT = 1\n") == []


def test_files_that_are_not_checked_exist():
    root = Path(__file__).parents[2]
    assert [name for name in CHECK["NOT_PROSE"] if not (root / name).exists()] == []
