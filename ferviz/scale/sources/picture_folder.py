"""A folder of pictures: class folders, or any other arrangement of any depth."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ferviz.data.dataset import choose_splits
from ferviz.data.folder_reader import KNOWN, class_name
from ferviz.errors import DataError
from ferviz.images import FORMATS, READ_ONLY
from ferviz.paths import is_folder
from ferviz.scale.descriptors import Descriptor, Sample, cut, plain_text

_SUFFIXES = (*FORMATS, *READ_ONLY)


class PictureFolder:
    """Pictures in folders. A picture's id is its path below the source; `split/class/1.png` has a split and a label."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """Return whether a path is a folder; those of other sources are recognised before.

        Args:
            path: the path.
        """
        return is_folder(path)

    @staticmethod
    def plan(path: Path, split: str | None, shard_size: int) -> Iterator[Descriptor]:
        """Yield the shards; the names of their pictures stand in them, so that a resumed run has the same ones.

        Args:
            path, split, shard_size: as of `Source`.

        Raises:
            DataError: there is no picture, or a folder cannot be read.
            UsageError: there are several splits and none was named.
            UnknownNameError: there is no such split.
        """
        names = list(_listed(path))
        splits = dict.fromkeys(_place(name)[0] for name in names)
        wanted = choose_splits(split, tuple(splits), str(path))
        if len(wanted) < len(splits):
            names = [name for name in names if _place(name)[0] in wanted]
        for number, (first, count) in enumerate(cut(len(names), shard_size)):
            yield Descriptor(
                number, "folder", first=first, count=count, details={"names": names[first : first + count]}
            )

    @staticmethod
    def read(path: Path, shard: Descriptor) -> Iterator[Sample]:
        """Yield the pictures of a shard.

        Args:
            path, shard: as of `Source`.

        Raises:
            DataError: the folder is not there.
        """
        if not is_folder(path):
            raise DataError(f"the folder {path} cannot be seen; check the path on this machine")
        for name in shard.details["names"]:
            split, label = _place(name)
            yield Sample(plain_text(name), path / name, label=label, split=plain_text(split))


def _place(name: str) -> tuple[str, str]:
    """-> (split, class) of a picture, "" for what its folders do not tell."""
    parts = PurePosixPath(name).parts
    label = class_name(parts[-2]) if len(parts) > 1 else ""
    if label not in KNOWN:
        return "", ""
    return (parts[-3] if len(parts) == 3 else ""), label


def _listed(path: Path) -> Iterator[str]:
    """-> the pictures' paths below a folder, with slashes, sorted; hidden files and folders are left out."""
    count = 0
    pending = [""]
    while pending:
        below = pending.pop()
        folders, files = [], []
        try:
            with os.scandir(path / below) as entries:
                for entry in entries:
                    if entry.name.startswith((".", "__MACOSX")):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(f"{below}{entry.name}/")
                    elif entry.name.lower().endswith(_SUFFIXES) and entry.is_file(follow_symlinks=True):
                        files.append(f"{below}{entry.name}")
        except OSError as error:
            raise DataError(
                f"the folder {path / below} cannot be read ({error.strerror or error}); check its permissions"
            ) from error
        count += len(files)
        yield from sorted(files)
        pending += sorted(folders, reverse=True)
    if not count:
        raise DataError(f"{path} holds no picture; its files should end in {', '.join(_SUFFIXES)}")
