"""The check of doc/loads.py sees what a browser would load, and links are not that."""

import runpy
from pathlib import Path

import pytest

LOADS = runpy.run_path(str(Path(__file__).parents[2] / "doc" / "loads.py"))


@pytest.mark.parametrize(
    "page",
    [
        '<script defer src="https://cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="//cdn.example/x.css">',
        '<link rel="preconnect" href="https://cdn.example">',
        '<img src="a.png" srcset="a.png, https://cdn.example/b.png 2x">',
        "<style>@import 'https://cdn.example/x.css';</style>",
        '<p style="background: url(https://cdn.example/x.png)">text</p>',
    ],
)
def test_what_is_loaded_is_found(page):
    (address,) = LOADS["addresses_in_page"](page)
    assert address.split("/")[2] == "cdn.example"


@pytest.mark.parametrize(
    "page",
    [
        '<a href="https://example.org">link</a>',
        '<link rel="canonical" href="https://example.org/page.html">',
        '<script src="_static/tex-svg.js"></script>',
        '<img src="../a.png" alt="see https://example.org">',
        "<p>url(https://example.org)</p>",
    ],
)
def test_what_is_not_loaded_is_not(page):
    assert LOADS["addresses_in_page"](page) == set()


def test_a_folder_names_the_file(tmp_path):
    (tmp_path / "x.css").write_text("@font-face { src: url(https://cdn.example/f) }")
    assert LOADS["fetched"](tmp_path) == {"https://cdn.example/f": "x.css"}
