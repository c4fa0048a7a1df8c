"""Configuration of the Sphinx build.

Everything is built from what is in the repository: without a network, and with warnings
as errors. Only with SKDSM_DOC_ONLINE=1 in the environment does the build fetch the
indices of other projects' manuals, to link names such as numpy.ndarray; a failed fetch
is then an error as well. Sphinx gives that warning no category, so it could not be
silenced alone.
"""

import os

import skdsm

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
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]

exclude_patterns = [
    "_build",
    "_templates",
    # The gallery includes GALLERY_HEADER and writes these beside its pages.
    "auto_examples/**/GALLERY_HEADER.rst",
    "sg_execution_times.rst",
    "auto_examples/**/sg_execution_times.rst",
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

# Links into other projects' manuals, and to papers: :doi:`10.1162/NECO_a_00142`.

extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}

ONLINE = os.environ.get("SKDSM_DOC_ONLINE") == "1"
if ONLINE:
    extensions.append("sphinx.ext.intersphinx")
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", None),
    "numpy": ("https://numpy.org/doc/stable", None),
    "scipy": ("https://docs.scipy.org/doc/scipy", None),
    "sklearn": ("https://scikit-learn.org/stable", None),
    "matplotlib": ("https://matplotlib.org/stable", None),
}
intersphinx_timeout = 10

# The gallery.

sphinx_gallery_conf = {
    "examples_dirs": ["../examples"],
    "gallery_dirs": ["auto_examples"],
    "filename_pattern": r"/plot_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "doc_module": ("skdsm",),
    "reference_url": {"skdsm": None},
    "backreferences_dir": "generated/backreferences",
    "remove_config_comments": True,
    "show_signature": False,
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
    for name in ("index", "getting_started", "whats_new", "contributing")
}
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


def setup(app):
    """Connect the handler above."""
    if not ONLINE:
        app.connect("missing-reference", show_as_text)
