"""Formats that ferviz does not read: recognised by their first bytes, so that the message can tell what to do with them."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ferviz.paths import is_file

_PICKLE = (
    "a Python pickle, which ferviz never opens because opening it runs code: save the network as .keras, or its weights with torch.save, "
    "where it was made"
)
_TORCH = "a PyTorch file that is damaged or cut off: copy it again"
_CHECKPOINT = (
    "a checkpoint of TensorFlow, which holds only weights: build the network in Python, load them with load_weights, and "
    "save it as .keras"
)
_ARCHIVE = "an archive: unpack it first"

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"version https://git-lfs", "a pointer of Git LFS, not the network itself: fetch it with git lfs pull"),
    (0, b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9", _TORCH),
    (0, b"\x80\x02", _PICKLE),
    (0, b"\x80\x03", _PICKLE),
    (0, b"\x80\x04", _PICKLE),
    (0, b"\x80\x05", _PICKLE),
    (0, b"\x1f\x8b", "a gzip archive: unpack it first"),
    (0, b"BZh", _ARCHIVE),
    (0, b"\xfd7zXZ", _ARCHIVE),
    (0, b"7z\xbc\xaf", _ARCHIVE),
    (0, b"Rar!", _ARCHIVE),
    (257, b"ustar", _ARCHIVE),
    (0, b"\x93NUMPY", "an array of NumPy: weights without a network"),
    (0, b"\x89PNG", "a picture"),
    (0, b"\xff\xd8\xff", "a picture"),
    (0, b"MATLAB 5.0", "a file of MATLAB: convert the network to Keras first"),
    (8, b'{"', "a file of safetensors whose header is damaged: copy it again"),
    (0, b"model_checkpoint_path", _CHECKPOINT),
    (0, b"class_name:", "an architecture as YAML: write it as JSON (model.to_json(), or yaml.safe_load and json.dump)"),
    (0, b"backend:", "an architecture as YAML: write it as JSON (model.to_json(), or yaml.safe_load and json.dump)"),
)  # fmt: skip


def describe_file(path: Path, head: bytes) -> str:
    """Return what a file that is no network seems to be.

    Args:
        path: the file.
        head: its first bytes, 4096 or all of them.

    Returns:
        The end of a sentence that begins with "it is": the format, and what to do with it.
    """
    part = part_of(path)
    if part:
        return part
    for start, magic, words in _MAGIC:
        if head[start:].startswith(magic):
            return words
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"PK\x03\x04"):
        return _zip(path)
    if text.startswith(b"<"):
        if b"opencv_storage" in head:
            return "one of OpenCV's cascades, which finds faces but no emotions"
        return "a web page or other markup"
    if head[:1] == b"\x0a" and (b"Placeholder" in head or b"Const" in head):
        return "a frozen graph of TensorFlow, without layers: save the Keras network that it was made from as .keras"
    if head[:1] == b"\x08":
        if path.suffix == ".onnx" or b"onnx" in head[:512].lower() or b"pytorch" in head[:64]:
            return "an ONNX network that is damaged or cut off: copy it again"
        return "a network of another program (Core ML or the like): export it as ONNX, or save it as .keras where it was made"
    return "neither HDF5, a .keras zip nor JSON"


def describe_folder(path: Path) -> str:
    """Return what a folder that is no SavedModel seems to be.

    Args:
        path: the folder.

    Returns:
        The end of a sentence that begins with "it is": what the folder holds, and what to name instead.
    """
    try:
        names = sorted(entry.name for entry in path.iterdir())[:1000]
    except OSError:
        names = []
    if "config.json" in names and ("model.weights.h5" in names or "metadata.json" in names):
        return "an unpacked .keras file; pack its files into one zip, or name the .keras file itself"
    if "checkpoint" in names or any(name.endswith(".index") for name in names):
        return f"a folder with {_CHECKPOINT}"
    endings = (".keras", ".h5", ".hdf5", ".ferviz", ".json")
    files = [name for name in names if name.lower().endswith(endings) and name != "config.json"]
    if files:
        return f"a folder, and not a SavedModel; name the network in it: {', '.join(files[:5])}"
    return "a folder, and not a SavedModel (it has no saved_model.pb); name the network's file"


def part_of(path: Path) -> str:
    """Return the description of a file that is only a part of a network, "" for other files.

    Args:
        path: the file.
    """
    for outer in (path.parent, path.parent.parent):
        if is_file(outer / "saved_model.pb") and path.suffix != ".h5":
            inside = path.relative_to(outer).as_posix()
            if inside in ("saved_model.pb", "keras_metadata.pb", "fingerprint.pb") or inside.startswith("variables/"):
                return f"a part of the SavedModel {outer.name or outer}: name the folder"
    if path.suffix in (".index", ".meta") or ".data-00000-of-" in path.name:
        return _CHECKPOINT
    return ""


def _zip(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()[:10_000]
    if any(name.endswith("data.pkl") for name in names):
        return _TORCH
    if names and all(name.endswith(".npy") for name in names):
        return "arrays of NumPy (.npz): weights without a network"
    inside = [name for name in names if name.lower().endswith((".keras", ".h5", ".hdf5", "saved_model.pb"))]
    if inside:
        return f"a zip archive that holds {inside[0]}: unpack it first"
    return "a zip archive without config.json, so no Keras network"
