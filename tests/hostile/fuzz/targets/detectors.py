"""Files of face detectors, as --detector-model names them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np

from fuzz.mutate.archives import read_members, write_members
from fuzz.mutate.protobuf import Entry, mutate_message, write
from fuzz.mutate.raw import mutate_bytes
from fuzz.target import Target

SHARED = Path(__file__).resolve().parents[5] / "shared" / "data" / "detectors"
"""The published detectors, where the workplace has them."""


def _small_onnx() -> bytes:
    """-> a network of one convolution with YuNet's input; no detector, but sound ONNX."""

    def message(*entries: tuple[int, object]) -> list[Entry]:
        return [
            Entry(number, 0, value)
            if isinstance(value, int)
            else Entry(number, 2, value if isinstance(value, list) else str(value).encode())
            for number, value in entries
        ]

    def shaped(name: str, *sides: int) -> list[Entry]:
        dims = message(*[(1, message((1, side))) for side in sides])
        return message((1, name), (2, message((1, message((1, 1), (2, dims))))))

    kernel = [
        *message((1, 2), (1, 3), (1, 3), (1, 3), (2, 1), (8, "w")),
        Entry(9, 2, np.ones(54, np.float32).tobytes()),
    ]
    node = message((1, "input"), (1, "w"), (2, "cls_8"), (3, "conv"), (4, "Conv"))
    graph = message(
        (1, node), (2, "g"), (5, kernel), (11, shaped("input", 1, 3, 64, 64)), (12, shaped("cls_8", 1, 2, 62, 62))
    )
    return write(message((1, 8), (7, graph), (8, message((1, ""), (2, 13)))))


def _yunet_seeds() -> dict[str, bytes]:
    seeds = {"small.onnx": _small_onnx()}
    for path in SHARED.glob("yunet*.onnx"):
        seeds[path.name] = path.read_bytes()
    return seeds


def _cascade_seeds() -> dict[str, bytes]:
    import cv2

    return {
        name: (Path(cv2.data.haarcascades) / name).read_bytes()
        for name in ("haarcascade_smile.xml", "haarcascade_lefteye_2splits.xml")
    }


def _mutate_cascade(data: bytes, rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Change numbers and tags of the XML."""
    if rng.random() < 0.2:
        return mutate_bytes(data, rng, seeds)
    words = data.split(b" ")
    for _ in range(rng.choice((1, 2, 5, 20))):
        index = rng.randrange(min(len(words), rng.choice((400, len(words)))))
        number = rng.choice(
            (
                b"0",
                b"-1",
                b"1",
                b"99999",
                b"2147483647",
                b"-2147483648",
                b"1e38",
                b"nan",
                b".Inf",
                b"",
                b"20",
                b"<_>",
                b"</_>",
                b"x",
            )
        )
        word = words[index]
        words[index] = (
            number
            if word[:1] in b"-0123456789" and word
            else word.replace(*rng.choice(((b"_", b"x"), (b">", b">9"), (b"</", b"<"), (b"1", b"9"))))
        )
    return b" ".join(words)


def _ssd_seeds() -> dict[str, bytes]:
    """An archive of the graph and its description."""
    if (SHARED / "opencv_face_detector_uint8.pb").exists():
        files = {
            "face.pb": SHARED / "opencv_face_detector_uint8.pb",
            "face.pbtxt": SHARED / "opencv_face_detector.pbtxt",
        }
        return {"ssd": write_members({name: path.read_bytes() for name, path in files.items()})}
    text = b'input: "data"\ninput_shape { dim: 1 dim: 3 dim: 300 dim: 300 }\nlayer { name: "c" type: "Softmax" bottom: "data" top: "c" }\n'
    return {"none": write_members({"face.pb": b"\x0a\x10\x0a\x04data\x12\x0bPlaceholder"[:18], "face.pbtxt": text})}


def _mutate_ssd(data: bytes, rng: Random, seeds: Sequence[bytes]) -> bytes:
    members = read_members(data)
    name = rng.choice(list(members))
    members[name] = (mutate_message if name.endswith(".pb") else _mutate_cascade)(members[name], rng, [])
    return write_members(members)


def _detect(path: Path) -> None:
    from ferviz.faces.detectors.registry import open_detector

    detector = open_detector("auto", str(path))
    picture = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    detector.detect(picture, 0.05, 8.0)


def _run(path: Path) -> None:
    """Under a name of its own: a detector that is open already is not opened again."""
    copy = path.with_name(f"{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}{path.suffix}")
    shutil.copy(path, copy)
    try:
        _detect(copy)
    finally:
        copy.unlink()


def _run_ssd(path: Path) -> None:
    members = read_members(path.read_bytes())
    folder = path.with_name(hashlib.sha256(path.read_bytes()).hexdigest()[:16])
    folder.mkdir(exist_ok=True)
    try:
        for name in ("face.pb", "face.pbtxt"):
            (folder / name).write_bytes(members.get(name, b""))
        _detect(folder / "face.pb")
    finally:
        shutil.rmtree(folder)


def _prepare() -> None:
    import cv2

    from ferviz.faces.detectors.registry import open_detector

    cv2.setNumThreads(1)
    open_detector("haar")


_FORKED = (
    "cv2",
    "numpy",
    "ferviz.faces.detectors.registry",
    "ferviz.faces.detectors.yunet",
    "ferviz.faces.detectors.haar",
    "ferviz.faces.detectors.ssd",
)

TARGETS = (
    Target("yunet", "--detector-model .onnx", ".onnx", _yunet_seeds, mutate_message, _run, _prepare, _FORKED),
    Target("ssd", "--detector-model .pb", ".zip", _ssd_seeds, _mutate_ssd, _run_ssd, _prepare, _FORKED),
    Target("cascade", "--detector-model .xml", ".xml", _cascade_seeds, _mutate_cascade, _run, _prepare, _FORKED),
)
