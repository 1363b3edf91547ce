"""Small files under the names that the pages use for a reader's own: pictures, a data set of drawn faces, networks, a clip."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from ferviz.data.synthetic import cartoons
from ferviz.images import read_image, write_image
from ferviz.tables.csv_table import csv_text

ROOT = Path(__file__).resolve().parents[2]
PORTRAIT = ROOT / "examples" / "astronaut.png"
OBJECTS = {
    "pytorch": "from my_net import MyNet\n\nnet = MyNet()\n",
    "teach": "import ferviz\n\nfaces = ferviz.find_faces('face.png')\n",
    "use-your-network": """import keras

my_keras_model = keras.Sequential(
    [
        keras.Input((48, 48, 1)),
        keras.layers.Conv2D(4, 3, activation="relu", name="conv1"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(3, activation="softmax"),
    ]
)
""",
}
"""The objects that a page's Python takes from its reader: {page: code}."""
VOTES = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"]


def pictures(folder: Path) -> None:
    """Write face.png, group.jpg, group.png and photos/.

    Args:
        folder: where.
    """
    portrait = read_image(PORTRAIT)
    face = portrait[60:180, 165:285]
    write_image(folder / "face.png", face)
    for name in ("group.jpg", "group.png"):
        write_image(folder / name, np.hstack([portrait, portrait]))
    (folder / "photos").mkdir()
    write_image(folder / "photos" / "one.png", face)


def examples(folder: Path) -> None:
    """Copy the repository's examples/astronaut.png.

    Args:
        folder: where examples/ is made.
    """
    (folder / "examples").mkdir()
    shutil.copy(PORTRAIT, folder / "examples")


def data_set(folder: Path, faces: int = 40, wrong: bool = False) -> None:
    """Write fer2013.csv with drawn faces, the first half for training, the second PublicTest; and fer2013new.csv with FERPlus' columns.

    Args:
        folder: where.
        faces: how many.
        wrong: every other sad face of PublicTest is labelled fear, so that there are mistakes to ask about.
    """
    drawn = cartoons.make(faces, seed=0, task="emotions")
    sad, fear = drawn.names.index("sad"), drawn.names.index("fear")
    if wrong:
        drawn.labels[faces // 2 :][np.flatnonzero(drawn.labels[faces // 2 :] == sad)[::2]] = fear
    rows, votes = [["emotion", "pixels", "Usage"]], [["Usage", "Image name", *VOTES]]
    for number, (image, label) in enumerate(zip(drawn.images, drawn.labels, strict=True)):
        usage = "Training" if number < faces // 2 else "PublicTest"
        rows.append([str(int(label)), " ".join(map(str, image.ravel())), usage])
        votes.append([usage, f"{number}.png", *("10" if k == number % 7 else "0" for k in range(10))])
    (folder / "fer2013.csv").write_text(csv_text(rows), encoding="utf-8")
    (folder / "fer2013new.csv").write_text(csv_text(votes), encoding="utf-8")


def class_folders(folder: Path, faces: int = 28) -> None:
    """Write drawn faces as angry/0.png and so on.

    Args:
        folder: where the classes' folders are made.
        faces: how many in all.
    """
    drawn = cartoons.make(faces, seed=1, task="emotions")
    for number, (image, label) in enumerate(zip(drawn.images, drawn.labels, strict=True)):
        path = folder / drawn.names[label] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, image)


def networks(folder: Path, asset: str, names: tuple[str, ...] = ("my.h5", "other.h5")) -> None:
    """Copy a form of the bundled network under other names; the content of a file decides what it is.

    Args:
        folder: where.
        asset: `bundled.ferviz`, which needs no TensorFlow, or `bundled.keras`.
        names: the copies' names.
    """
    for name in names:
        shutil.copy(ROOT / "ferviz" / "assets" / asset, folder / name)


def clip(path: Path, frames: int = 40, rate: float = 5.0) -> None:
    """Write a clip in which the portrait turns, and a grey bar covers the mouth and uncovers it again.

    Args:
        path: an .mp4 file.
        frames: how many.
        rate: frames a second.
    """
    import cv2

    portrait = read_image(PORTRAIT)[:, :, ::-1]
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (320, 320))
    for moment in np.arange(frames) / frames:
        picture = portrait.copy()
        edge = round(205 - 90 * min(1.3 * np.sin(np.pi * moment) ** 2, 1))
        picture[edge:215, 165:280] = 120
        way = cv2.getRotationMatrix2D((222, 125), 10 * np.sin(4 * np.pi * moment), 1.6)
        way[:, 2] += (160 - 222, 168 - 125)
        video.write(cv2.warpAffine(picture, way, (320, 320), borderMode=cv2.BORDER_REPLICATE))
    video.release()
