"""Configuration of the Sphinx build.

Everything is built from what is in the repository and in the environment: without a
network, and with warnings as errors. Links to scikit-learn's manual come from an index
that is made here. Only with SKDSM_DOC_ONLINE=1 in the environment does the build fetch
the indices of other projects' manuals, to link names such as numpy.ndarray; a failed
fetch is then an error as well. Sphinx gives that warning no category, so it could not
be silenced alone.
"""

import os
import sys
import zlib
from importlib.metadata import files
from pathlib import Path

import sklearn
from sklearn.utils.discovery import all_estimators, all_functions
from sphinx.errors import ExtensionError

import skdsm

sys.path.insert(0, str(Path(__file__).parent))
from draw_architecture import drawing
from loads import fetched

project = "skdsm"
author = "skdsm developers"
copyright = "2026, the skdsm developers"
version = release = skdsm.__version__

extensions = [
    "numpydoc",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]

exclude_patterns = [
    "_build",
    "_templates",
    # The gallery includes GALLERY_HEADER.
    "auto_examples/**/GALLERY_HEADER.rst",
]
# Markdown is included, in contributing.rst, but no page is written in it.
source_suffix = {".rst": "restructuredtext"}
templates_path = ["_templates"]
# Single backquotes refer to Python objects, as in docstrings, or are code.
default_role = "autolink"

# Reference documentation: pages are generated from doc/_templates/autosummary.

autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_class_members_toctree = False

# architecture.rst includes the drawing.

generated = Path(__file__).parent / "generated"
generated.mkdir(exist_ok=True)
(generated / "architecture.svg").write_text(drawing(), encoding="utf-8")

# Formulas: MathJax is copied to the pages. It is one file, which draws the letters too.
# Only its menu would load others.

(MATHJAX,) = [
    file.locate()
    for file in files("sphinx-mathjax-offline")
    if file.name == "tex-svg.js"
]
mathjax_path = MATHJAX.name
mathjax3_config = {"options": {"enableMenu": False}}

# Links into other projects' manuals, and to papers: :doi:`10.1162/NECO_a_00142`.

extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}


def index_of_scikit_learn(path):
    """Write an index of scikit-learn's manual: names give the pages' addresses."""
    objects = [obj for _, obj in all_estimators() + all_functions()]
    objects += [
        getattr(sklearn.exceptions, name) for name in sklearn.exceptions.__all__
    ]
    lines = set()
    for obj in objects:
        public = [part for part in obj.__module__.split(".") if part[0] != "_"]
        name = ".".join([*public, obj.__name__])
        role = "class" if isinstance(obj, type) else "function"
        lines.add(f"{name} py:{role} 1 modules/generated/{name}.html#{name} -\n")
    head = "# Sphinx inventory version 2\n# Project: scikit-learn\n"
    head += f"# Version: {sklearn.__version__}\n"
    head += "# The remainder of this file is compressed using zlib.\n"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(head.encode() + zlib.compress("".join(sorted(lines)).encode()))
    return str(path)


ONLINE = os.environ.get("SKDSM_DOC_ONLINE") == "1"
SCIKIT_LEARN = "https://scikit-learn.org/stable"
if ONLINE:
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "scipy": ("https://docs.scipy.org/doc/scipy", None),
        "sklearn": (SCIKIT_LEARN, None),
        "matplotlib": ("https://matplotlib.org/stable", None),
        "dask": ("https://docs.dask.org/en/stable", None),
    }
else:
    made = index_of_scikit_learn(Path(__file__).parent / "_build" / "scikit-learn.inv")
    intersphinx_mapping = {"sklearn": (SCIKIT_LEARN, made)}
intersphinx_timeout = 10

# The gallery: the folders of examples/, in this order.

SECTIONS = ["paper", "anomalies", "model"]
sphinx_gallery_conf = {
    "examples_dirs": ["../examples"],
    "gallery_dirs": ["auto_examples"],
    "filename_pattern": r"/plot_",
    "subsection_order": [f"../examples/{name}" for name in SECTIONS],
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "reset_modules": ("matplotlib", "gallery_text.enlarge"),
    "doc_module": ("skdsm",),
    "reference_url": {"skdsm": None},
    "backreferences_dir": "generated/backreferences",
    "remove_config_comments": True,
    "show_signature": False,
    "write_computation_times": False,
}

# Looks.

html_theme = "pydata_sphinx_theme"
html_title = "skdsm"
html_theme_options = {
    "logo": {"text": "skdsm"},
    "github_url": "https://github.com/skdsm/skdsm",
    "navigation_with_keys": False,
    "show_prev_next": False,
    "show_toc_level": 2,
    "header_links_before_dropdown": 4,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
html_sidebars = {
    # Pages that are alone in their section have nothing to list beside them.
    name: []
    for name in (
        "index",
        "getting_started",
        "benchmarks",
        "whats_new",
        "contributing",
        "architecture",
    )
}
html_static_path = ["_static", str(MATHJAX)]
html_css_files = ["theme.css", "narrow.css", "architecture.css"]
html_copy_source = False
copybutton_exclude = ".linenos, .gp, .go"


def show_as_text(app, env, node, contnode):
    """Leave a reference in an inherited docstring of scikit-learn as text.

    Its methods refer to its glossary and to sections of its manual, which only an
    online build knows.
    """
    inherited = {
        "df_output_transform",
        "metadata_routing",
        "sphx_glr_auto_examples_miscellaneous_plot_set_output.py",
    }
    if node["reftype"] == "term" or node["reftarget"] in inherited:
        return contnode
    return None


def refuse_the_network(app, exception):
    """Fail where a page would load something from the network when it is read."""
    addresses = fetched(Path(app.outdir)) if exception is None else {}
    if addresses:
        raise ExtensionError(f"Pages load from the network: {addresses}")


def setup(app):
    """Connect the handlers above."""
    app.connect("build-finished", refuse_the_network)
    if not ONLINE:
        app.connect("missing-reference", show_as_text)
