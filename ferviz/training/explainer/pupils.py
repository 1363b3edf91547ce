"""The faces that an explainer is taught with: pictures alone, each once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.data.duplicates import also_in, duplicate_groups
from ferviz.data.hugging_face import is_hugging_face
from ferviz.data.read import read_data
from ferviz.errors import DataError
from ferviz.faces.crops import as_faces
from ferviz.faces.face import Face
from ferviz.images import read_image
from ferviz.images.listing import is_picture, list_pictures
from ferviz.paths import is_folder

FEWEST = 64
"""Fewest faces that an explainer can be taught with."""

TRAINING = "Training"


def teaching_faces(data: Any) -> list[Face]:
    """Return the faces to teach with, each once.

    Of a data set with splits those of the Training split, without any that are pixel-identical to a face of another split, so that these
    can judge the explainer. Labels are not looked at.

    Args:
        data: a Dataset, what `read_data` takes, a folder of face crops, or whatever `explain` takes as faces.

    Raises:
        DataError: there are too few, or the data cannot be read.
    """
    if isinstance(data, str | os.PathLike):
        data = _read(Path(data))
    elif is_hugging_face(data):
        data = read_data(data)
    faces = _of_dataset(data) if isinstance(data, Dataset) else _distinct(as_faces(data))
    if len(faces) < FEWEST:
        raise DataError(
            f"{len(faces)} different faces are too few to teach an explainer with; give {FEWEST} or more, better thousands (labels are "
            "not needed)"
        )
    return faces


def fingerprint(faces: Sequence[Face]) -> str:
    """Return a SHA-256 of the pixels of faces.

    Args:
        faces: in their order.
    """
    digest = hashlib.sha256()
    for face in faces:
        digest.update(f"{face.pixels.shape}".encode())
        digest.update(np.ascontiguousarray(face.pixels).tobytes())
    return digest.hexdigest()


def _read(path: Path) -> Any:
    if is_folder(path) and any(is_picture(file) for file in path.iterdir()):
        return [Face(read_image(file), source=str(file)) for file in list_pictures(path)]
    return read_data(path)


def _of_dataset(data: Dataset) -> list[Face]:
    if TRAINING in data.splits and len(data.splits) > 1:
        part = data.part(TRAINING)
        others = data.take(np.flatnonzero(data.split != TRAINING))
        part = part.take(np.flatnonzero(~also_in(part, others)))
    else:
        part = data
    _, first = np.unique(duplicate_groups(part.images), return_index=True)
    return as_faces(part.images[np.sort(first)])


def _distinct(faces: Sequence[Face]) -> list[Face]:
    seen: dict[bytes, Face] = {}
    for face in faces:
        key = hashlib.blake2b(f"{face.pixels.shape}".encode() + face.pixels.tobytes(), digest_size=16).digest()
        seen.setdefault(key, face)
    return list(seen.values())
