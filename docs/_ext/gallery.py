"""What the gallery needs to run the scripts of examples/, and to show the results and pictures that their cells end with."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from sphinx_gallery.scrapers import figure_rst

ORDER = [
    "explain_one_face",
    "happy_rather_than_surprise",
    "compare_methods",
    "activations_of_a_layer",
    "dream_of_two_classes",
    "folder_to_table",
    "look_at_a_data_set",
    "write_a_method",
    "your_own_network",
    "video_timeline",
    "sweep",
]
"""The examples in the order of the gallery: from one call to whole programs."""


def order(name: str) -> int:
    """Return an example's place in the gallery; one that is not in `ORDER` comes last."""
    name = Path(name).stem
    return ORDER.index(name) if name in ORDER else len(ORDER)


def copy_examples(source: Path, target: Path) -> None:
    """Copy the scripts, so that they and the notebooks made of them look for their picture beside themselves, in the working folder.

    A notebook has no `__file__`.

    Args:
        source: examples/ of the repository.
        target: the folder that the gallery is made from.
    """
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "README.md"))
    for script in target.glob("*.py"):
        text = script.read_text(encoding="utf-8")
        script.write_text(text.replace("Path(__file__).parent", "Path()"), encoding="utf-8")


def picture_scraper(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Save the picture of a cell's last expression.

    Args:
        block: the cell, as sphinx-gallery parsed it.
        block_vars: its variables; `example_globals["___"]` is the value of the last expression.
        gallery_conf: the gallery's configuration.

    Returns:
        reStructuredText that shows the picture; an empty string where there is none.
    """
    value = block_vars["example_globals"].get("___")
    if value is None:
        return ""
    path = None
    if hasattr(value, "savefig"):
        path = next(block_vars["image_path_iterator"])
        value.savefig(path, dpi=110)
    else:
        picture = value.picture() if callable(getattr(value, "picture", None)) else value
        if hasattr(picture, "save") and hasattr(picture, "convert"):
            path = next(block_vars["image_path_iterator"])
            picture.save(path)
    if path is None:
        return ""
    title = str(block_vars["src_file"]).rsplit("/", 1)[-1].removesuffix(".py").replace("_", " ")
    return figure_rst([path], gallery_conf["src_dir"], f"Output of the example: {title}")
