"""Options: which faces of pictures, of videos and of data sets."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

import click

from ferviz.cli.sections import Number, OptionGroup, option
from ferviz.paths import PathLike

TILTS = ["retry", "all", "none"]

UNSEEN = "The faces, which the network was not trained on; auto = PublicTest, or the only split; all = everything."
"""What --split means to commands that measure a network."""


@dataclass(frozen=True)
class FaceOptions(OptionGroup):
    """Which faces of a picture: the arguments of `find_faces`."""

    section: ClassVar[str] = "Faces"
    detector: str = option(
        "--detector", default="auto", metavar="NAME", help="auto, none (the whole picture is one face), haar, ..."
    )
    detector_model: str | None = option(
        "--detector-model", metavar="FILE", help="The detector's own network, if it needs one."
    )
    threshold: float | None = option(
        "--threshold", type=Number(0, 1), help="Lowest score of a face (0 to 1; each detector has its own default)."
    )
    min_size: int = option("--min-size", default=24, type=click.IntRange(1), help="Smallest face, in pixels.")
    largest: bool = option("--largest", default=False, help="Only the largest face of each picture.")
    max_side: int | None = option(
        "--max-side",
        type=click.IntRange(32),
        help="Search for faces in the picture scaled down to this many pixels a side.",
    )
    tilt: str = option(
        "--tilt",
        default="retry",
        type=click.Choice(TILTS),
        help="Search the rotated picture too: if no upright face is certain, always, or never.",
    )

    def inputs(self) -> list[PathLike]:
        """Return the detector's network."""
        return [self.detector_model] if self.detector_model else []

    def arguments(self) -> dict[str, Any]:
        """Return the options as keyword arguments of `find_faces`."""
        return {part.name: getattr(self, part.name) for part in fields(self)}


@dataclass(frozen=True)
class VideoOptions(OptionGroup):
    """Which frames of a video, and what is written of it beside the annotated video."""

    section: ClassVar[str] = "Video"
    every: int = option(
        "--every", default=1, type=click.IntRange(1), help="Look at every N-th frame only.", metavar="N"
    )
    start: int = option("--start", default=0, type=click.IntRange(0), help="The first frame.")
    stop: int | None = option("--stop", type=click.IntRange(1), help="The frame to stop before.")
    half_life: float = option("--half-life", default=0.4, type=Number(0), help="Seconds of smoothing.")
    timeline: str | None = option(
        "--timeline", metavar="FILE", help="Draw the emotions over time, one row for each face."
    )
    table: str | None = option("--table", metavar="FILE.csv", help="Write one line for each face and frame.")
    doubtful: bool = option(
        "--doubtful", default=False, help="With --timeline: draw tracks that may be no faces as well."
    )


@dataclass(frozen=True)
class WhereOptions(OptionGroup):
    """Which faces of a data set, by their labels and by the network's answers."""

    section: ClassVar[str] = "Data"
    where: str | None = option(
        "--where",
        metavar="CONDITIONS",
        help="Only faces for which all of this holds: 'true=fear predicted=sad confidence>0.6'; also correct=no, p_happy<0.2, row<100.",
    )


@dataclass(frozen=True)
class DataOptions(OptionGroup):
    """Which labelled faces: the arguments of `read_data`."""

    section: ClassVar[str] = "Data"
    split: str | None = option(
        "--split", metavar="NAME", help="The part of the data set: Training, PublicTest ...  [default: all]"
    )
    scheme: str = option(
        "--scheme",
        default="7",
        metavar="NAMES",
        help="The data's labels: 7, 6-merged, 8-ferplus, positive-negative ...",
    )
    votes: str | None = option("--votes", metavar="FILE", help="FERPlus' fer2013new.csv, for the scheme 8-ferplus.")
    reader: str = option(
        "--reader", default="auto", metavar="NAME", help="The reader of the data: csv, folder, or one of your own."
    )
    skip_bad: bool = option("--skip-bad", default=False, help="Leave out rows that cannot be read, and count them.")

    def inputs(self) -> list[PathLike]:
        """Return the file with the votes."""
        return [self.votes] if self.votes else []
