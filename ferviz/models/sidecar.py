"""The sidecar: a small JSON file beside a network that tells what the network's own file does not: labels and input.

For example::

    {"schema_version": 1,
     "labels": ["angry", ..., "neutral"],            or the name of a label scheme, "7-alphabetical"
     "input": {"scaling": "standardize", "resize": "uint8", "order": "rgb", "unit": 255, "mean": 0.507, "std": 0.255,
               "statistics": "my.npz", "height": 96, "width": 96, "equalize": true, "crop_pct": 0.9},
     "trust": {...},                                  what `ferviz trust --write` measured
     "about": {...}}                                  anything; ferviz does not look at it

Every key but schema_version may be left out. `statistics` names an .npz beside the sidecar with the arrays `mean` and `std`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ferviz import emotions
from ferviz.errors import ModelError, UsageError
from ferviz.files import PathLike, write_text
from ferviz.manifests import to_json
from ferviz.models.formats.detect import check_regular_file
from ferviz.models.formats.read import wrap_parse_errors
from ferviz.models.input_spec import InputSpec
from ferviz.npz import ArchiveError, read_arrays, write_npz
from ferviz.paths import is_file

SUFFIX = ".ferviz.json"
MAX_BYTES = 8 * 1024**2
MAX_STATISTICS = 256 * 1024**2
_KEYS = ("schema_version", "labels", "input", "trust", "about")
_INPUT_KEYS = (
    "scaling", "resize", "order", "unit", "mean", "std", "statistics", "height", "width", "equalize", "crop_pct",
)  # fmt: skip
_SMALL = 4
"""The most numbers of `mean` and `std` that are written into the JSON; larger arrays go to an .npz beside it."""


@dataclass(frozen=True)
class Sidecar:
    """The content of a sidecar.

    Attributes:
        path: its file.
        labels: class names in the order of the outputs, None where the sidecar has none.
        input: the fields of InputSpec that it sets.
        trust: what `ferviz trust --write` measured, as plain data; {} where the sidecar has nothing of it.
    """

    path: Path
    labels: tuple[str, ...] | None = None
    input: dict[str, Any] = field(default_factory=dict)
    trust: dict[str, Any] = field(default_factory=dict)


def find_sidecar(*paths: PathLike) -> Path | None:
    """Find the sidecar beside a network: `my.h5.ferviz.json`, or `my.ferviz.json`.

    Args:
        *paths: the network's files.

    Returns:
        The sidecar, None where there is none.
    """
    for path in map(Path, paths):
        for candidate in (path.with_name(path.name + SUFFIX), path.with_name(path.stem + SUFFIX)):
            if is_file(candidate):
                return candidate
    return None


def read_sidecar(path: PathLike) -> Sidecar:
    """Read and check a sidecar.

    Args:
        path: its file.

    Raises:
        ModelError: the sidecar cannot be read, or a key is wrong; the message names the key.
    """
    path = check_regular_file(path, "sidecar")
    with wrap_parse_errors(path):
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(
                f"{path} has more than 8 MiB; put mean and std into an .npz and name it as input.statistics"
            )
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(document, dict) or document.get("schema_version") != 1:
        version = document.get("schema_version") if isinstance(document, dict) else None
        raise ModelError(f"{path} has schema_version {version!r:.60}; this version of ferviz reads 1")
    _check_keys(document, _KEYS, path, "")
    fields = document.get("input", {})
    if not isinstance(fields, dict):
        raise ModelError(f"{path}: input has to be an object, not {type(fields).__name__}")
    _check_keys(fields, _INPUT_KEYS, path, "input.")
    settings = {key: value for key, value in fields.items() if key != "statistics"}
    if "statistics" in fields:
        settings |= _statistics(path, fields["statistics"])
    trust = document.get("trust", {})
    if not isinstance(trust, dict):
        raise ModelError(f"{path}: trust has to be an object, not {type(trust).__name__}")
    return Sidecar(path, _labels(document.get("labels"), path), settings, trust)


def write_sidecar(
    network: PathLike, labels: tuple[str, ...] | list[str], spec: InputSpec, about: Any = None, force: bool = True
) -> Path:
    """Write the sidecar of a network, so that the network is read with these labels and this input from now on.

    Args:
        network: the network's file; the sidecar is written beside it as `<its name>.ferviz.json`, with an .npz where mean and std are
            arrays.
        labels: class names in the order of the outputs.
        spec: what the network takes.
        about: anything to keep with it (JSON).
        force: replace an existing sidecar.

    Returns:
        The sidecar's path.

    Raises:
        OutputExistsError: the sidecar exists and `force` is false.
        OutputError: it cannot be written.
    """
    network = Path(network)
    path = network.with_name(network.name + SUFFIX)
    settings: dict[str, Any] = {"scaling": spec.scaling, "resize": spec.resize}
    if spec.channels == 3:
        settings["order"] = spec.order
    if spec.scaling == "standardize":
        settings["unit"] = spec.unit
    if spec.equalize:
        settings["equalize"] = True
    if spec.crop_pct < 1:
        settings |= {"crop_pct": spec.crop_pct, "height": spec.height, "width": spec.width}
    if spec.mean is not None and max(spec.mean.size, spec.std.size) <= _SMALL:
        settings |= {"mean": spec.mean.tolist(), "std": spec.std.tolist()}
    elif spec.mean is not None:
        statistics = path.with_name(network.name + ".ferviz.npz")
        write_npz(statistics, {"mean": spec.mean, "std": spec.std}, {}, force)
        settings["statistics"] = statistics.name
    document = {"schema_version": 1, "labels": list(labels), "input": settings}
    write_text(path, to_json(document | ({} if about is None else {"about": about}), indent=2) + "\n", force)
    return path


def write_trust(network: PathLike, trust: dict[str, Any]) -> Path:
    """Keep what `ferviz trust` measured in the sidecar of a network; whatever else the sidecar holds stays.

    Args:
        network: the network's file.
        trust: plain data.

    Returns:
        The sidecar's path.

    Raises:
        ModelError: the sidecar that is there cannot be read.
        OutputError: it cannot be written.
    """
    network = Path(network)
    path = find_sidecar(network) or network.with_name(network.name + SUFFIX)
    document: dict[str, Any] = {"schema_version": 1}
    if is_file(path):
        read_sidecar(path)  # raises where it is not one
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    write_text(path, to_json(document | {"trust": trust}, indent=2) + "\n", force=True)
    return path


def _labels(value: Any, path: Path) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, str) and not (isinstance(value, list) and all(isinstance(v, str) for v in value)):
        raise ModelError(f"{path}: labels has to be a list of names or the name of a label scheme")
    try:
        return emotions.label_scheme(value).labels
    except UsageError as error:
        raise ModelError(f"{path}: {error}") from error


def _statistics(path: Path, name: Any) -> dict[str, np.ndarray]:
    if not isinstance(name, str) or Path(name).name != name or len(name) > 255 or not name.endswith(".npz"):
        raise ModelError(f"{path}: input.statistics has to name an .npz file beside it, not {name!r:.60}")
    file = check_regular_file(path.with_name(name), "statistics")
    try:
        return dict(read_arrays(file, ("mean", "std"), MAX_STATISTICS))
    except (OSError, ArchiveError) as error:
        raise ModelError(
            f"{file} cannot be used as mean and std ({error}); write it again as an .npz archive of the two"
        ) from error


def _check_keys(document: dict[str, Any], keys: tuple[str, ...], path: Path, prefix: str) -> None:
    for key in document:
        if key not in keys:
            raise ModelError(f"{path}: {prefix}{key:.60} is not a key of a sidecar; it may have {', '.join(keys)}")
