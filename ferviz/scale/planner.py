"""The plan of a sharded run: which shards there are, and how their faces are explained; it is written once and never changes."""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.errors import DataError, OutputError, check_integer
from ferviz.faces.face import Face
from ferviz.files import PathLike, atomic, make_folder, sha256
from ferviz.manifests import manifest, to_json
from ferviz.paths import exists, is_folder, is_same
from ferviz.scale.arrow import import_parquet
from ferviz.scale.descriptors import Descriptor
from ferviz.scale.run_directory import PLAN, SHARDS
from ferviz.scale.settings import ScaleSettings
from ferviz.scale.sources.registry import SOURCES, find_source

SHARD_SIZE = 2000
"""Pictures of a shard: seconds of work for a quick method, so that a lost one costs little, and a megabyte or less of results."""

MAX_TRIES = 2
_BATCH = 100  # shards that are written at once; one of a folder has a name for each of its pictures
_TIMED = 8  # faces that tell how long one takes


@dataclass(frozen=True)
class Plan:
    """What a sharded run is to do.

    Attributes:
        folder: of the run, which holds the plan.
        source: where the pictures come from.
        kind: the source's reader.
        split: the part of the data set, None = everything.
        settings: how faces are explained.
        shards: how many shards there are.
        pictures: how many pictures; None where that is known only when they have been read.
        shard_size: most pictures of a shard, as asked.
        shards_sha256: of the list of shards.
        max_tries: attempts at a shard that may fail or end their process before it runs by itself, a last time.
        face_seconds: what a face took where the plan was made.
    """

    folder: str
    source: str
    kind: str
    split: str | None
    settings: ScaleSettings
    shards: int
    pictures: int | None
    shard_size: int
    shards_sha256: str
    max_tries: int = MAX_TRIES
    face_seconds: float = field(default=0.0, compare=False)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of everything that decides the results: the settings, the source and its shards."""
        parts = [self.settings.fingerprint, self.kind, self.source, self.split or "", self.shards_sha256]
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()

    @property
    def path(self) -> Path:
        """The folder of the run."""
        return Path(self.folder)

    def descriptors(self, wanted: set[int] | None = None) -> Iterator[Descriptor]:
        """Yield the shards in order, with memory for one of them.

        Args:
            wanted: their numbers, None = all.

        Raises:
            DataError: the list of shards is damaged.
        """
        try:
            with (self.path / SHARDS).open("rb") as lines:
                for number, line in enumerate(lines):
                    if wanted is None or number in wanted:
                        yield Descriptor.from_json(line)
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise DataError(f"{self.path / SHARDS} is damaged ({error}); make a new plan in another folder") from error

    def check(self) -> None:
        """Check that the list of shards is the one that was planned.

        Raises:
            DataError: it has changed, or cannot be read.
        """
        try:
            digest = sha256(self.path / SHARDS)
        except OSError as error:
            raise DataError(f"{self.path / SHARDS} cannot be read ({error.strerror or error}); check it") from error
        if digest != self.shards_sha256:
            raise DataError(
                f"{self.path / SHARDS} has changed since the plan was made; make a new plan in another folder"
            )


def plan(
    source: PathLike,
    out: PathLike,
    *,
    split: str | None = None,
    shard_size: int = SHARD_SIZE,
    max_tries: int = MAX_TRIES,
    progress: Callable[[Iterator[Descriptor]], Any] | None = None,
    **settings: Any,
) -> Plan:
    """Plan a sharded run: list the shards of a source, and fix how their faces are explained.

    Args:
        source: a folder of pictures, a FER2013 table (.csv), an array (.npy), .parquet or WebDataset's .tar files, or a folder of these.
        out: the folder of the run, which is made.
        split: the part of the data set; None = everything where there is one part, "all" = everything.
        shard_size: most pictures of a shard. Files of WebDataset, and Parquet files where there are very many, are not cut.
        max_tries: attempts at a shard that may fail or end their process before it runs by itself, a last time.
        progress: takes an iterator over the shards and yields the same; for a progress bar.
        **settings: as the attributes of `ferviz.scale.ScaleSettings`: model, method, target, layer, ...

    Returns:
        The plan. A folder that has the same plan already is left as it is.

    Raises:
        DataError: the source cannot be read.
        UsageError: an argument that makes no sense, several splits of which none was named, or pyarrow is not installed.
        ModelError: the network cannot do what the method needs.
        OutputError: the folder holds another run, or something else; or it cannot be written.
    """
    import_parquet()
    check_integer("shard_size", shard_size, 1)
    check_integer("max_tries", max_tries, 1)
    source, folder = Path(source).absolute(), Path(out).absolute()
    kind = find_source(source)
    before = load_plan(folder) if exists(folder / PLAN) else None
    _check_folder(folder, source, before)
    chosen = ScaleSettings.prepare(**settings)
    descriptors = SOURCES[kind].plan(source, split, shard_size)
    first = next(descriptors, None)
    if first is None:
        raise DataError(f"{source} holds no picture; there is nothing to plan")
    descriptors = itertools.chain([first], descriptors)
    make_folder(folder)
    listing = folder / (SHARDS if before is None else f".again-{SHARDS}")
    shards, pictures, digest = _write_shards(listing, iter(progress(descriptors)) if progress else descriptors)
    seconds = before.face_seconds if before else _face_seconds(chosen)
    planned = Plan(
        str(folder), str(source), kind, split, chosen, shards, pictures, shard_size, digest, max_tries, seconds,
    )  # fmt: skip
    if before is not None:
        listing.unlink(missing_ok=True)
        return _same(before, planned)
    with atomic(folder / PLAN, durable=True) as temporary:
        temporary.write_text(to_json(_record(planned), indent=2) + "\n", encoding="utf-8")
    return planned


def load_plan(folder: PathLike) -> Plan:
    """Return the plan in the folder of a run.

    Args:
        folder: of the run, which may have been moved.

    Raises:
        DataError: there is no plan, or it cannot be read.
    """
    path = Path(folder).absolute() / PLAN
    try:
        record = json.loads(path.read_bytes())
        settings = ScaleSettings.from_dict(record.pop("settings"))
        known = {name: record[name] for name in Plan.__dataclass_fields__ if name in record}
        return Plan(**{**known, "folder": str(path.parent), "settings": settings})
    except FileNotFoundError:
        raise DataError(f"{folder} holds no plan; make one with: ferviz scale plan SOURCE --out {folder}") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"{path} cannot be read ({error}); make a new plan in another folder") from error


def _write_shards(path: Path, descriptors: Iterator[Descriptor]) -> tuple[int, int | None, str]:
    """Write the list of shards. -> how many, how many pictures (None where that is not known), the list's SHA-256."""
    shards, digest = 0, hashlib.sha256()
    pictures: int | None = 0
    with atomic(path) as temporary, temporary.open("wb") as file:
        while batch := list(itertools.islice(descriptors, _BATCH)):
            lines = "".join([f"{shard.to_json()}\n" for shard in batch]).encode()
            digest.update(lines)
            file.write(lines)
            shards += len(batch)
            counts = [shard.count for shard in batch if shard.count is not None]
            pictures = None if pictures is None or len(counts) < len(batch) else pictures + sum(counts)
    return shards, pictures, digest.hexdigest()


def _record(planned: Plan) -> dict[str, Any]:
    names = [name for name in Plan.__dataclass_fields__ if name not in ("folder", "settings")]
    facts = {name: getattr(planned, name) for name in names}
    return manifest(command="scale plan", **facts, settings=planned.settings.to_dict(), fingerprint=planned.fingerprint)


def _check_folder(folder: Path, source: Path, before: Plan | None) -> None:
    """Check that a run may be planned in a folder: it is empty, not there, or has a plan that will be compared."""
    if not exists(folder) or before is not None:
        return
    if is_same(folder, source) or not is_folder(folder):
        raise OutputError(f"{folder} is the source, or no folder; name another folder for the run with --out")
    if any(path.name != SHARDS and not path.name.startswith(".") for path in folder.iterdir()):
        raise OutputError(f"{folder} is not empty and holds no plan; name another folder for the run with --out")


def _same(before: Plan, planned: Plan) -> Plan:
    names = before.settings.differences(planned.settings)
    parts = ("kind", "source", "split", "shard_size", "shards_sha256", "max_tries")
    names += [name for name in parts if getattr(before, name) != getattr(planned, name)]
    if names:
        raise OutputError(
            f"{before.folder} holds the plan of another run ({', '.join(names)} differ); name another folder, or delete that one"
        )
    return before


def _face_seconds(settings: ScaleSettings) -> float:
    """-> seconds that a face takes in this process."""
    job = settings.open()
    noise = np.random.default_rng(1).integers(0, 256, (_TIMED, *job.model.input.size, 3), dtype=np.uint8)
    begin = time.perf_counter()
    job([Face(noise[0])])
    single = time.perf_counter() - begin
    if single > 1:
        return round(single, 6)
    begin = time.perf_counter()
    job.explain([Face(pixels) for pixels in noise])
    return round((time.perf_counter() - begin) / _TIMED, 6)
