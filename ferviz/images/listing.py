"""Which files are pictures: those behind paths, folders and glob patterns."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ferviz.errors import PictureError
from ferviz.images import FORMATS, READ_ONLY
from ferviz.paths import PathLike, exists, is_file, is_folder, is_url


def is_picture(path: PathLike) -> bool:
    """Return whether the path's suffix is that of a picture that ferviz reads.

    Args:
        path: a file, which is not opened.
    """
    return Path(path).suffix.lower() in (*FORMATS, *READ_ONLY)


def list_pictures(paths: PathLike | Iterable[PathLike], suffixes: Iterable[str] = (*FORMATS, *READ_ONLY)) -> list[Path]:
    """List the files behind paths, folders and glob patterns.

    Args:
        paths: one or more of: a file (kept whatever its suffix, and if it is missing, so that its reader can report it), a folder (every
            file in it and below with one of `suffixes`, without hidden ones), a pattern such as `shots/*.jpg` or `**/*.png`.
        suffixes: of the files that folders are searched for, with their dots.

    Returns:
        The files in the order given; inside a folder or pattern in natural order (2.png before 10.png); each file once.

    Raises:
        PictureError: a folder or pattern yields no file.
    """
    suffixes = {suffix.lower() for suffix in suffixes}
    files: dict[Path, None] = {}
    for path in map(Path, [paths] if isinstance(paths, str | os.PathLike) else paths):
        if is_folder(path):
            if not os.access(path, os.R_OK | os.X_OK):
                raise PictureError(f"the folder {path} may not be read; change its permissions")
            inside = [p for p in _walk(path) if p.suffix.lower() in suffixes]
            if not inside:
                raise PictureError(f"the folder {path} holds no file that ends in {', '.join(sorted(suffixes))}")
        elif not exists(path) and glob.has_magic(str(path)) and not is_url(path):
            inside = [p for p in Path(path.anchor).glob(str(path.relative_to(path.anchor))) if is_file(p)]
            if not inside:
                raise PictureError(f"no file matches {str(path)!r}; quote the pattern, and check the folder")
        else:
            inside = [path]
        files.update(dict.fromkeys(sorted(inside, key=_natural)))
    return list(files)


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".")]
        yield from (Path(root, f) for f in files if not f.startswith("."))


def _natural(path: Path) -> list[tuple[int, int | str]]:
    parts = re.split(r"(\d+)", str(path).casefold())
    return [(0, int(p)) if p.isdecimal() else (1, p) for p in parts if p]
