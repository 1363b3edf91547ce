"""Compiled networks kept between runs, so that the second explanation of a network starts at once.

An entry's name is a hash of everything that decides what is in it: the network's bytes, the labels and scaling that were asked
for, the sidecar, and the versions of ferviz and LiteRT. Entries are written atomically, so two processes may compile the same
network at once; the least recently used ones go when the folder grows over its cap. Where the folder cannot be written, or an
entry is damaged, everything works as if there were no cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path

from ferviz.engines.fallback import FallbackEngine
from ferviz.engines.litert import LiteRTEngine
from ferviz.engines.tflite.admission import admit
from ferviz.errors import ModelError, OutputError
from ferviz.files import cache_dir, sha256, write_text
from ferviz.models.compiled.compile import compile_model
from ferviz.models.compiled.file import SUFFIX, VERSION, CompiledModel, read_compiled, write_compiled
from ferviz.models.model import Model
from ferviz.models.sidecar import find_sidecar
from ferviz.paths import exists, is_file

CAP = 512 * 1024**2
"""Bytes that all entries together may take; FERVIZ_CACHE_MB overrides it."""

_REFUSED = ".refused"


@dataclass(frozen=True)
class Origin:
    """Where a model came from: what a cache entry's name is made of.

    Attributes:
        path: the network's file.
        files: all files that it was read from.
        labels, scaling, trust: the caller's arguments of `load_model`.
        weights: the caller's file of weights, or None.
        architecture: the class of a PyTorch network, as the caller named it; "" for other networks.
        cached: the network's compiled form may be kept in the cache: what decides about it stands in this record.
    """

    path: Path
    files: tuple[Path, ...] = field(default=(), repr=False)
    labels: tuple[str, ...] | str | None = None
    scaling: str | None = None
    weights: Path | None = None
    trust: bool = False
    architecture: str = ""
    cached: bool = True

    def conventions(self) -> dict[str, str]:
        """Return what the caller said about the network, as it is typed: `model_labels`, `model_scaling`, `model_architecture`."""
        labels = self.labels if isinstance(self.labels, str) or self.labels is None else ",".join(self.labels)
        given = {"labels": labels, "scaling": self.scaling, "architecture": self.architecture}
        return {f"model_{name}": value for name, value in given.items() if value}


def find(origin: Origin) -> CompiledModel | None:
    """Return the compiled form of a network if there is one that still fits, else None; it never raises for a bad entry.

    Args:
        origin: of the network.
    """
    with contextlib.suppress(OSError):
        entry = _entry(origin)
        if not is_file(entry):
            return None
        try:
            compiled = read_compiled(entry)
            network = compiled.network
            admit(network.content, network.digest, network.source)
        except ModelError:
            entry.unlink(missing_ok=True)
            return None
        if _fits(compiled, origin):
            os.utime(entry)  # the least recently used entries are the ones to go
            return replace(compiled, network=replace(network, trusted=True))
    return None


def keep(model: Model, origin: Origin, log: Callable[[str], None]) -> Path | None:
    """Compile a model that ran on Keras and keep it for the next time, unless that was done or failed before.

    A failure of the file system or of the compilation is reported through `log` and not raised.

    Args:
        model: the model; one that is compiled already is left alone.
        origin: where it came from.
        log: takes one sentence for the user.

    Returns:
        The entry, None where nothing was kept.
    """
    if (
        isinstance(model.engine, LiteRTEngine | FallbackEngine) or not origin.cached
    ):  # compiled already, or not to be found again
        return None
    try:
        entry = _entry(origin)
        if exists(entry) or exists(entry.with_suffix(_REFUSED)):
            return None
        entry.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(entry.parent, os.W_OK):
            raise PermissionError(13, "permission denied", str(entry.parent))
    except OSError as error:
        log(
            f"the cache cannot be written ({error.strerror or error}), so this network is not compiled for the next time"
        )
        return None
    log(f"compiling {model.name} so that the next time takes no TensorFlow (--no-cache leaves it)")
    try:
        compiled = replace(compile_model(model), sources=_sources(origin))
        write_compiled(entry, compiled, force=True)
    except ModelError as error:
        log(f"{model.name} is not compiled: {error}")
        with contextlib.suppress(OutputError, OSError):
            write_text(entry.with_suffix(_REFUSED), f"{error}\n")
        return None
    except (OutputError, OSError) as error:
        log(f"the compiled network could not be kept: {error}")
        return None
    tidy(entry.parent, entry)
    return entry


def tidy(folder: Path, newest: Path | None = None, cap: int | None = None) -> None:
    """Remove the least recently used entries until the rest fits under the cap.

    Args:
        folder: the cache.
        newest: an entry that stays in any case.
        cap: in bytes; None = FERVIZ_CACHE_MB or CAP.
    """
    if cap is None:
        cap = int(float(os.environ.get("FERVIZ_CACHE_MB") or CAP / 1024**2) * 1024**2)
    entries = []
    with contextlib.suppress(OSError):
        for path in folder.glob(f"*{SUFFIX}"):
            with contextlib.suppress(OSError):  # another process may remove the same one
                facts = path.stat()
                entries.append((path == newest, facts.st_mtime, facts.st_size, path))
    total = sum(size for _, _, size, _ in entries)
    for is_newest, _, size, path in sorted(entries):
        if total <= cap or is_newest:
            break
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size


def _entry(origin: Origin) -> Path:
    beside = find_sidecar(origin.path)
    asked = {
        "format": VERSION,
        "ferviz": _version("ferviz"),
        "litert": _version("ai-edge-litert"),
        "network": sha256(origin.path),
        "name": origin.path.name,
        "weights": sha256(origin.weights) if origin.weights else None,
        "sidecar": sha256(beside) if beside else None,
        "labels": origin.labels,
        "scaling": origin.scaling,
        "trust": origin.trust,
    }
    key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    return cache_dir("compiled") / f"{key[:40]}{SUFFIX}"


def _sources(origin: Origin) -> dict[str, str]:
    files = list(origin.files or (origin.path,))
    beside = find_sidecar(*files)
    if beside is not None:
        files += [beside, *_statistics(beside)]
    return {file.name: sha256(file) for file in files if file != origin.weights}


def _fits(compiled: CompiledModel, origin: Origin) -> bool:
    """Whether the files beside the network are still those that the entry was made from."""
    folder = origin.path.parent
    files = {name: folder / name for name in compiled.sources if Path(name).name == name}
    if len(files) != len(compiled.sources) or not all(exists(file) for file in files.values()):
        return False
    beside = find_sidecar(origin.path, *files.values())
    if beside is not None and beside.name not in files:
        return False
    return all(sha256(file) == compiled.sources[name] for name, file in files.items())


def _statistics(sidecar: Path) -> list[Path]:
    from ferviz.models.sidecar import read_sidecar

    with contextlib.suppress(ModelError, ValueError):
        named = json.loads(sidecar.read_text(encoding="utf-8-sig")).get("input", {}).get("statistics")
        if named and read_sidecar(sidecar):
            return [sidecar.with_name(named)]
    return []


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
