"""`ferviz predict --crops FOLDER`: each face as a picture of its own, framed and upright as the network gets it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferviz.errors import OutputError, OutputExistsError
from ferviz.paths import PathLike, check_is_no_input, exists, is_folder

if TYPE_CHECKING:
    from ferviz.models.prediction import Prediction

LONGEST = 180
"""Bytes of a picture's name that its crops keep; file systems take 255."""


class FaceFiles:
    """A folder that fills with one PNG a face, <picture>_01.png and so on, all in one place whatever folders the pictures come from.

    Args:
        folder: the folder; it is made when the first face is written.
        files: the pictures, in order.
        force: files that exist already may be replaced.
        inputs: files that are read, and are not replaced in any case.

    Raises:
        OutputExistsError: a file of one of the pictures exists; no work is done then.
        OutputError: `folder` is a file, or one of its files is an input.
    """

    def __init__(self, folder: str, files: Sequence[Path], force: bool, inputs: Sequence[PathLike] = ()) -> None:
        self.folder, self.force, self._inputs = Path(folder), force, tuple(inputs)
        if exists(self.folder) and not is_folder(self.folder):
            raise OutputError(f"{folder} is a file; name a folder for the faces")
        self._names = _names(files)
        numbered = re.compile(r"(.+)_\d+\.png", re.IGNORECASE)
        there = {m[1].casefold(): m[0] for m in map(numbered.fullmatch, _listed(self.folder)) if m}
        taken = next((there[name.casefold()] for name in self._names.values() if name.casefold() in there), None)
        if taken is not None and not force:
            raise OutputExistsError(
                f"{self.folder / taken} is already there; pass --force to replace such faces, or name another folder"
            )

    def write(self, path: Path, predictions: Sequence[Prediction], about: dict[str, Any]) -> list[Path]:
        """Write the faces of one picture.

        Args:
            path: the picture.
            predictions: of its faces.
            about: goes into the manifest of each file, beside the face's record.

        Returns:
            The files.

        Raises:
            OutputError: the folder cannot be made, or a file cannot be written.
        """
        from ferviz.images import write_image
        from ferviz.manifests import manifest
        from ferviz.models.prediction import face_record

        written = []
        digits = max(2, len(str(len(predictions))))
        for number, prediction in enumerate(predictions, start=1):
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(
                    f"the folder {self.folder} cannot be made ({error.strerror or error}); choose another for --crops"
                ) from error
            target = self.folder / f"{self._names[path]}_{number:0{digits}d}.png"
            check_is_no_input(target, self._inputs)
            facts = manifest(
                command="predict", source=str(path), number=number, **face_record(prediction.face, prediction), **about
            )
            write_image(target, prediction.face.pixels, manifest=facts, force=self.force)
            written.append(target)
        return written


def _listed(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir()) if is_folder(folder) else []


def _names(files: Sequence[Path]) -> dict[Path, str]:
    """-> {picture: the beginning of its crops' names}: letters that any file system takes, no two alike even without capitals."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for file in files:
        plain = re.sub(r"[^\w.-]+", "_", file.stem).lstrip(".-").encode()[:LONGEST].decode(errors="ignore") or "picture"
        name, number = plain, 2
        while name.casefold() in taken:  # a.jpg beside a.png, or in another folder
            name, number = f"{plain}-{number}", number + 1
        taken.add(name.casefold())
        names[file] = name
    return names
