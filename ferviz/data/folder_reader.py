"""Class folders: class/*.png or split/class/*.png, the layout of most face data sets and of `flow_from_directory`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from pathlib import Path

import numpy as np

from ferviz import paths
from ferviz.data.dataset import BadRows, Table
from ferviz.emotions import FER2013, FERPLUS, SCHEMES, canonical
from ferviz.errors import DataError, PictureError
from ferviz.images import read_image
from ferviz.images.listing import is_picture

MAX_BYTES = 8 * 1024**3
"""Bytes of faces in memory at once; all of FER2013 has 80 MB."""

KNOWN = frozenset(FER2013) | frozenset(FERPLUS) | frozenset(SCHEMES["positive-negative"].labels)
"""Class names that make a folder a class folder; a digit 0 to 6 is FER2013's number."""


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder.

    Args:
        path: the path.
    """
    return paths.is_folder(path)


def holds_classes(path: Path) -> bool:
    """Return whether a folder holds class folders, or splits that hold some, and no picture beside them.

    Args:
        path: a folder.
    """
    try:
        inside = _folders(path)
        splits = bool(inside) and all(class_name(folder.name) not in KNOWN for folder in inside)
        classes = [part for folder in inside for part in _folders(folder)] if splits else inside
        outside = [path, *inside] if splits else [path]
        return (
            len(classes) > 0
            and all(class_name(folder.name) in KNOWN for folder in classes)
            and not any(is_picture(file) for folder in outside for file in _listed(folder) if paths.is_file(file))
        )
    except DataError:
        return False


def class_name(folder: str) -> str:
    """Return the class of a folder: "Happiness", "happy" and "3" are all "happy".

    Args:
        folder: the folder's name.
    """
    word = canonical(folder)
    return FER2013[int(word)] if re.fullmatch("[0-6]", word) else word


def list_pictures(path: Path, classes: Collection[str] = ()) -> list[tuple[str, str, Path]]:
    """Return (split, class, picture) of every picture, sorted by split, class and name.

    Args:
        path: a folder of class folders, or of splits that hold class folders.
        classes: further names that are classes.

    Raises:
        DataError: the folders' names are not classes.
    """
    known = KNOWN | {canonical(c) for c in classes}
    inside = _folders(path)
    if inside and all(class_name(f.name) not in known for f in inside):
        folders = [(_printable(split.name), folder) for split in inside for folder in _folders(split)]
    else:
        folders = [("", folder) for folder in inside]
    if not folders:
        raise DataError(
            f"{path} holds no class folders; it should be like {path}/train/happy/1.png or {path}/happy/1.png"
        )
    unknown = sorted({f.name for _, f in folders if class_name(f.name) not in known})
    if unknown:
        raise DataError(
            f"{path} has a class folder {_printable(unknown[0])!r} that is no known emotion; rename it, or name your classes with --labels"
        )
    return [
        (split, class_name(folder.name), picture)
        for split, folder in folders
        for picture in sorted(
            p for p in _listed(folder) if is_picture(p) and not p.name.startswith(".") and paths.is_file(p)
        )
    ]


def fingerprint(path: Path) -> str:
    """Return a hash of the name, size and time of every file in a folder: it changes when a picture does, and no picture is read for it.

    Args:
        path: the folder.
    """
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if paths.is_file(p)):
        about = file.stat()
        name = file.relative_to(path).as_posix()
        digest.update(f"{name}\0{about.st_size}\0{about.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def read_folder(path: Path, skip_bad: bool = False, classes: Collection[str] = ()) -> Table:
    """Read class folders into memory.

    All pictures have one size; they stay grey (H, W) if all are grey, otherwise all are RGB. The row of a face is the number at the end of
    its file's name if every picture has one of its own, otherwise its place in the sorted list.

    Args:
        path: see `list_pictures`.
        skip_bad: collect pictures that cannot be read instead of raising.
        classes: further names that are classes.

    Returns:
        The table; its classes are sorted by name.

    Raises:
        DataError: the folder holds no class folders, or a picture cannot be read or has another size than the first.
    """
    pictures = list_pictures(path, classes)
    bad = BadRows(str(path), skip_bad)
    digest = hashlib.sha256()
    images: list[np.ndarray] = []
    kept: list[int] = []
    grey = True
    for i, (split, name, picture) in enumerate(pictures):
        relative = _printable(picture.relative_to(path).as_posix())
        try:
            data = picture.read_bytes()
            pixels = read_image(data)
        except (OSError, PictureError) as error:
            reason = str(error).replace("the given bytes", "it")
            bad.add(0, relative, reason)
            continue
        if images and pixels.shape[:2] != images[0].shape[:2]:
            (h, w), (first_h, first_w) = pixels.shape[:2], images[0].shape[:2]
            bad.add(
                0,
                relative,
                f"it is {h} x {w} pixels and the first picture {first_h} x {first_w}; crop the faces to one size",
            )
            continue
        if pixels.size * len(pictures) > MAX_BYTES:
            h, w = pixels.shape[:2]
            raise DataError(
                f"{path} has {len(pictures):,} pictures of {h} x {w} pixels, too many to hold; crop the faces and make them smaller"
            )
        digest.update(f"{split}\0{name}\0{picture.name}\0".encode(errors="surrogateescape") + data)
        is_grey = bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all())
        if grey and not is_grey:
            grey, images = False, [np.repeat(p[:, :, None], 3, axis=2) for p in images]
        images.append(np.ascontiguousarray(pixels[..., 0]) if grey else pixels)
        kept.append(i)
    if not images:
        raise DataError(f"{path} holds no picture that can be read; check the folder")
    names = sorted({pictures[i][1] for i in kept})
    numbers = [re.search(r"(\d{1,9})$", pictures[i][2].stem) for i in kept]
    last = [int(m[1]) for m in numbers if m]
    rows = last if len(set(last)) == len(kept) else kept
    return Table(
        images=np.stack(images),
        emotion=np.array([names.index(pictures[i][1]) for i in kept], np.int64),
        split=np.array([pictures[i][0] for i in kept]),
        rows=np.array(rows, np.int64),
        classes=tuple(names),
        bad=tuple(bad.rows),
        sha256=digest.hexdigest(),
        spellings={_printable(pictures[i][2].parent.name): pictures[i][1] for i in kept},
    )


def _printable(name: str) -> str:
    """Return a file's name in letters that can be written anywhere: names in another encoding hold surrogates."""
    return name.encode(errors="surrogateescape").decode(errors="replace")


def _folders(path: Path) -> list[Path]:
    hidden = (".", "__")  # __MACOSX and the like
    return sorted(f for f in _listed(path) if paths.is_folder(f) and not f.name.startswith(hidden))


def _listed(path: Path) -> list[Path]:
    try:
        return list(path.iterdir())
    except OSError as error:
        raise DataError(
            f"the folder {path} cannot be read ({error.strerror or error}); check its permissions"
        ) from error
