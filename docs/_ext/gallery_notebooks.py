"""Runs the notebooks that the gallery offers, in IPython, before the site is built: a cell that fails ends the build.

python docs/_ext/gallery_notebooks.py NOTEBOOK.ipynb ...      # what the build calls, in the folder with the examples' picture
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def cells_of(notebook: Path) -> list[str]:
    """Return the code of a notebook's cells.

    Args:
        notebook: an .ipynb file.
    """
    document = json.loads(notebook.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in document["cells"] if cell["cell_type"] == "code"]


def run(notebook: Path) -> str:
    """Run a notebook's cells in a shell of their own, and paint what each ends with, as a notebook does.

    Args:
        notebook: an .ipynb file.

    Returns:
        What went wrong, "" if nothing did.
    """
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    sys.argv = ["ipykernel_launcher.py", "-f", "kernel.json"]  # what a notebook's kernel was started with
    shell = InteractiveShell(config=config)
    shell.display_formatter.active_types = shell.display_formatter.format_types
    for number, source in enumerate(cells_of(notebook), 1):
        answer = shell.run_cell(source)
        error = answer.error_before_exec or answer.error_in_exec
        if error is not None:
            return f"{notebook.name}, cell {number}: {error}"
    return ""


def run_all(app: Sphinx) -> None:
    """Run the notebooks of the gallery whose scripts it runs.

    Args:
        app: the build.

    Raises:
        ExtensionError: one of them fails.
    """
    from sphinx.errors import ExtensionError

    gallery = Path(app.srcdir) / "gallery"
    pattern = app.config.sphinx_gallery_conf["filename_pattern"]
    notebooks = [file for file in sorted(gallery.glob("*.ipynb")) if re.search(pattern, f"/{file.stem}.py")]
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(gallery / "astronaut.png", folder)
        environment = {**os.environ, "IPYTHONDIR": folder}
        command = [sys.executable, __file__, *map(str, notebooks)]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ExtensionError(f"a notebook of the gallery fails: {done.stderr[-3000:]}")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the step behind the one that makes the gallery.

    Args:
        app: the build.
    """
    app.connect("builder-inited", run_all, priority=900)
    return {"parallel_read_safe": True}


if __name__ == "__main__":
    for file in [Path(word) for word in sys.argv[1:]]:
        if problem := run(file):
            sys.exit(problem)
