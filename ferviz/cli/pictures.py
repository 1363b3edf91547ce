"""What the commands over pictures share: finding the faces, naming the output, reporting what each picture shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ferviz.cli.console import Console
from ferviz.cli.options.input_options import FaceOptions
from ferviz.errors import FervizError

if TYPE_CHECKING:
    from ferviz.faces.face import Face
    from ferviz.models.prediction import Prediction


KEPT_SIDE = 1024
"""The longest side of a face, in pixels, that a command keeps which draws many of them: more than any network or drawing uses."""


@dataclass(frozen=True)
class PictureFaces:
    """The faces of one picture, or the error that kept them away.

    Attributes:
        source: the picture's path.
        faces: its faces; none where there is an error.
        error: why it has no faces, or None.
    """

    source: str
    faces: list[Face]
    error: FervizError | None = None


def faces_of(path: str | Path, options: FaceOptions) -> PictureFaces:
    """Find the faces of one picture; an error is kept in the answer.

    Args:
        path: the picture.
        options: how to search.
    """
    from ferviz.faces.find import find_faces

    try:
        faces = find_faces(path, **options.arguments())
    except FervizError as error:
        return PictureFaces(str(path), [], error)
    return PictureFaces(str(path), faces)


def _kept(picture: PictureFaces) -> PictureFaces:
    from ferviz.faces.crops import shrink

    return replace(picture, faces=[shrink(face, KEPT_SIDE) for face in picture.faces])


def find_all(files: Sequence[Path], options: FaceOptions, console: Console) -> list[PictureFaces]:
    """Find the faces of every picture; an error of one does not keep the others from being searched.

    All of them stay in memory for the drawing, so large ones are kept at KEPT_SIDE pixels.

    Args:
        files: the pictures.
        options: how to search.
        console: where the progress is shown.
    """
    return [_kept(faces_of(path, options)) for path in console.progress(files, "finding faces", len(files))]


def note_pages(faces: int, page: int, out: Path, console: Console) -> None:
    """Print a note if a picture cannot show every face.

    Args:
        faces: how many there are.
        page: how many a picture shows.
        out: the file.
        console: where the note is printed.
    """
    if faces > page and out.suffix.lower() not in (".npz", ".json"):
        console.warn(f"{out} shows the first {page} of {faces} faces; --out FILE.npz or FILE.json holds all of them")


def report(
    pictures: Sequence[PictureFaces],
    predictions: Sequence[Prediction],
    out: Path,
    console: Console,
    remarks: Sequence[str] = (),
) -> int:
    """Print what each picture shows, where the result is, and what failed.

    Args:
        pictures: the pictures.
        predictions: of all their faces, in order; or none.
        out: the file that was written.
        console: where to print.
        remarks: a phrase about each face; or none.

    Returns:
        The exit code of the first error, otherwise 0.

    Raises:
        FervizError: there is one picture only, and this is its error.
    """
    errors = [picture.error for picture in pictures if picture.error is not None]
    if len(pictures) == 1 and errors:
        raise errors[0]
    remaining, phrases = iter(predictions), iter(remarks)
    counts = Counter(remarks)
    repeated: dict[str, list[str]] = {}
    for picture in pictures:
        if picture.error is not None:
            console.error(picture.error)
        for number, prediction in enumerate([next(remaining, None) for _ in picture.faces], 1):
            if prediction is None:
                continue
            name = picture.source if len(picture.faces) == 1 else f"{picture.source} #{number}"
            share, remark = prediction.probabilities[prediction.label], next(phrases, "")
            if counts[remark] > 1:
                repeated.setdefault(remark, []).append(name)
            console.say(
                f"{name}: {prediction.label} {share:.2f}{f'; {remark}' if remark and counts[remark] == 1 else ''}"
            )
    for remark, names in repeated.items():  # a sentence that several faces get is printed once
        if remark:
            every = len(names) == len(predictions)
            console.say(f"{f'all {len(names)} faces' if every else f'{len(names)} faces ({_listed(names)})'}: {remark}")
    if len(errors) < len(pictures):
        console.say(f"wrote {out}")
    return errors[0].exit_code if errors else 0


def _listed(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1} more"])
