"""Pictures that stay in the source of a run until they are looked at, and are then read once."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ferviz.errors import DataError
from ferviz.scale.planner import Plan
from ferviz.scale.run_directory import RunDirectory
from ferviz.scale.shard_job import rows_of
from ferviz.scale.sources.registry import SOURCES

KEPT = 8192
"""Most pictures that are kept once they have been read."""


@dataclass(frozen=True, eq=False)
class SourcePictures:
    """Stands where a data set has its array (N, h, w, 3) uint8: it is cut like one, and read where an array is asked for.

    Attributes:
        plan: of the run, None where its folder is not there: then there are no pictures.
        pictures: (N,) int64, the number of each face's picture among all pictures of the run's tables.
        faces: (N,) int64, the number of each face in its picture.
        size: (h, w), to which pictures of another size are brought.
        total: pictures in the tables, which must be those of the receipts.
    """

    plan: Plan | None
    pictures: np.ndarray = field(repr=False)
    faces: np.ndarray = field(repr=False)
    size: tuple[int, int]
    total: int
    _read: dict[tuple[int, int], np.ndarray] = field(default_factory=dict, repr=False)

    dtype = np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, h, w, 3)."""
        return (len(self.pictures), *self.size, 3)

    @property
    def ndim(self) -> int:
        """4."""
        return 4

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, int | np.integer):
            return self[[int(which)]].load()[0]
        return replace(self, pictures=self.pictures[which], faces=self.faces[which])

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self.load())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.load() if dtype is None else self.load().astype(dtype)

    def tobytes(self) -> bytes:
        """Return bytes that tell which pictures these are; they are not read for it."""
        run = self.plan.fingerprint if self.plan else ""
        return run.encode() + self.pictures.tobytes() + self.faces.tobytes()

    def load(self) -> np.ndarray:
        """Return the pictures, (N, h, w, 3) uint8.

        Raises:
            DataError: the source, or the run's folder, is not there any more, or has changed.
        """
        keys = list(zip(self.pictures.tolist(), self.faces.tolist(), strict=True))
        missing = [key for key in keys if key not in self._read]
        fresh = dict(self._load(missing)) if missing else {}
        pictures = [fresh[key] if key in fresh else self._read[key] for key in keys]
        room = KEPT - len(self._read)
        self._read.update(list(fresh.items())[: max(room, 0)])
        return np.stack(pictures) if pictures else np.zeros(self.shape, np.uint8)

    def _load(self, keys: list[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
        plan = self.plan
        if plan is None:
            raise DataError("the table tells nothing of its pictures; name the folder of the run instead of it")
        shards, ends = _ends(plan, self.total)
        wanted: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        for picture, face in keys:
            at = int(np.searchsorted(ends, picture, "right"))
            wanted[int(shards[at])][picture].append(face)
        begins = dict(zip(shards.tolist(), [0, *ends[:-1].tolist()], strict=True))
        for shard in plan.descriptors(set(wanted)):
            places, begin = wanted[shard.number], begins[shard.number]
            samples = SOURCES[shard.kind].read(Path(plan.source), shard)
            for picture, sample in enumerate(itertools.islice(samples, max(places) - begin + 1), begin):
                rows = {row.number: row.face for row in rows_of(sample, 0, plan, False)} if picture in places else {}
                for number in places.get(picture, ()):
                    shown = rows.get(number)
                    if shown is None:
                        raise DataError(f"{sample.id} shows no face {number} any more; make a new plan")
                    yield (picture, number), self._fit(shown.pixels)

    def _fit(self, pixels: np.ndarray) -> np.ndarray:
        if pixels.shape[:2] == self.size:
            return pixels
        picture = Image.fromarray(pixels).resize((self.size[1], self.size[0]), Image.Resampling.BICUBIC)
        return np.asarray(picture, np.uint8)


def _ends(plan: Plan, total: int) -> tuple[np.ndarray, np.ndarray]:
    """-> the shards that are done, and how many pictures lie before the end of each."""
    receipts = RunDirectory(plan.folder).receipts()
    ends = np.cumsum(receipts[:, 1])
    if not len(ends) or ends[-1] != total:
        raise DataError(
            f"{plan.folder} has other shards done than the table that was read; read it again, or merge it again"
        )
    return receipts[:, 0], ends
