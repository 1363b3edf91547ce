"""How the site is built: `make docs` sets up what it needs, builds into build/docs and treats warnings as errors."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_ext"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("SOURCE_DATE_EPOCH", "1767225600")  # the same site from the same sources

from gallery import copy_examples, picture_scraper  # noqa: E402

import ferviz  # noqa: E402

project = "ferviz"
author = "the ferviz authors"
version = release = ferviz.__version__
copyright = author

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "api_pages",
    "command_reference",
    "example_report",
    "gallery_notebooks",
    "llms_text",
    "repository_links",
    "studio_page",
]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["images", "_ext", "**/sg_execution_times.rst", "**/GALLERY_HEADER.rst"]
nitpicky = True
# Types of other libraries have their own sites; without a network their links cannot be resolved. Everything of ferviz must be.
nitpick_ignore_regex = [("py:.*", r"(?!ferviz\.).*"), ("py:.*", r"ferviz\.register\.[A-Z]")]
suppress_warnings = ["config.cache"]

# MyST
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

# Docstrings: Args, Returns, Raises and References as Google writes them; a single backtick marks code.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
maximum_signature_line_length = 88
add_module_names = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_use_param = True

# The gallery runs the scripts of examples/ on the bundled, compiled network, in a copy of that folder, because they write files.
EXAMPLES = HERE.parent / "build" / "examples"
copy_examples(HERE.parent / "examples", EXAMPLES)
sphinx_gallery_conf = {
    "examples_dirs": [str(EXAMPLES)],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r"/(?!sweep|your_own_network|video_timeline)[a-z_]+\.py$",
    "example_extensions": {".py"},
    "abort_on_example_error": True,
    "within_subsection_order": "gallery.order",
    "image_scrapers": (picture_scraper,),
    "capture_repr": ("_repr_html_",),
    "remove_config_comments": True,
    "write_computation_times": False,
    "show_memory": False,
    "thumbnail_size": (480, 320),
    "show_signature": False,
    "min_reported_time": 1e9,
    "download_all_examples": False,
    "notebook_extensions": {".py"},
    "plot_gallery": True,
    "doc_module": (),
    "reset_modules": (),
    "copyfile_regex": r"astronaut\.png",
}

# HTML: everything is served from the site itself.
html_theme = "furo"
html_title = f"ferviz {version}"
html_static_path = ["_static"]
html_css_files = ["ferviz.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
templates_path: list[str] = []
html_theme_options = {"navigation_with_keys": True}
