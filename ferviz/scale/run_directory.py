"""The folder of a sharded run: its plan, its tables, and the notes that tell what is done, what was tried and what was given up.

    plan.json, shards.jsonl            what there is to do; never changes
    parts/00012/part-00012345.parquet  the table of a shard
    receipts/00012/00012345-2000-1998-2-0.json   proof that the table is complete; the name has the counts, so that a listing tells them
    tries/00012345.1                   an attempt that has not ended, or that ended the process
    quarantine/00012345.json           a shard that was given up, and why
    unfinished/                        tables that are being written

Nothing but receipts is believed. Listing them is enough for everything except their checksums.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ferviz.errors import DataError, OutputError
from ferviz.files import PathLike, atomic, make_folder, sync_folder
from ferviz.manifests import to_json
from ferviz.scale.receipt_names import parse_receipt_names, receipt_name
from ferviz.scale.receipts import Receipt

PLAN, SHARDS, MANIFEST = "plan.json", "shards.jsonl", "_ferviz_manifest.json"
_PARTS, _RECEIPTS, _TRIES, _QUARANTINE, _UNFINISHED = "parts", "receipts", "tries", "quarantine", "unfinished"
_BUCKET = 1000  # shards in one folder
_PART = re.compile(r"part-(\d{8,})\.parquet")


class RunDirectory:
    """The folder of a run.

    Args:
        path: the folder.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        self.parts = self.path / _PARTS

    def part(self, shard: int) -> Path:
        """Return where a shard's table lies.

        Args:
            shard: its number.
        """
        return self.parts / _bucket(shard) / f"part-{shard:08d}.parquet"

    def staging(self) -> Path:
        """Return the folder for tables that are being written; readers of the tables do not look into it.

        Raises:
            OutputError: it cannot be made.
        """
        return make_folder(self.path / _UNFINISHED)

    def receipts(self) -> np.ndarray:
        """Return what the receipts' names tell.

        Returns:
            (N, 5) int64, a row for each shard that has a receipt, in order: its number, its pictures, and how many of them are
            explained, unreadable, failed.
        """
        parts = [parse_receipt_names(names) for names in self._listings(_RECEIPTS)]
        rows = np.concatenate(parts) if parts else parse_receipt_names([])
        return np.asarray(rows[np.unique(rows[:, 0], return_index=True)[1]])

    def done(self) -> set[int]:
        """Return the numbers of the shards that have a receipt."""
        return set(self.receipts()[:, 0].tolist())

    def tables(self) -> set[int]:
        """Return the numbers of the shards whose table is there."""
        names = itertools.chain.from_iterable(self._listings(_PARTS))
        return {int(match[1]) for name in names if (match := _PART.fullmatch(name))}

    def receipt(self, shard: int) -> Receipt | None:
        """Return the receipt of a shard; None where there is none, or one that cannot be read.

        Args:
            shard: its number.
        """
        for path in self._receipts_of(shard):
            with contextlib.suppress(OSError, ValueError, TypeError):
                return Receipt.from_json(path.read_bytes())
        return None

    def write_receipt(self, receipt: Receipt) -> None:
        """Keep the receipt of a shard whose table has its name.

        Args:
            receipt: the receipt.

        Raises:
            OutputError: it cannot be written.
        """
        folder = make_folder(self.path / _RECEIPTS / _bucket(receipt.shard))
        name = receipt_name(receipt.shard, receipt.counts)
        for path in self._receipts_of(receipt.shard):  # of a table that was lost, or has just been replaced
            if path.name != name:
                path.unlink(missing_ok=True)
        _write(folder / name, receipt.to_json(), durable=True)

    def forget(self, shard: int) -> None:
        """Remove the receipts of a shard whose table is gone.

        Args:
            shard: its number.
        """
        for path in self._receipts_of(shard):
            path.unlink(missing_ok=True)

    def tries(self) -> dict[int, list[str]]:
        """Return {shard: what is known of each attempt that has not ended well}, in order; "" of one that ended the process, or goes on."""
        tries: dict[int, list[str]] = {}
        for name in sorted(self._listing(self.path / _TRIES)):
            shard, _, number = name.partition(".")
            if shard.isdecimal() and number.isdecimal():
                tries.setdefault(int(shard), []).append(self._reason(self.path / _TRIES / name))
        return tries

    def begin_try(self, shard: int, max_tries: int) -> Path | None:
        """Note that a shard is tried; None where it was tried as often as it may.

        Args:
            shard: its number.
            max_tries: attempts that may end the process or fail.

        Raises:
            OutputError: nothing can be written.
        """
        folder = make_folder(self.path / _TRIES)
        for number in range(1, max_tries + 1):
            path = folder / f"{shard:08d}.{number}"
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            except FileExistsError:
                continue
            except OSError as error:
                raise OutputError(f"{path} cannot be written ({error.strerror or error}); free some space") from error
            os.close(handle)
            sync_folder(folder)
            return path
        return None

    def note_failure(self, attempt: Path, reason: str) -> None:
        """Write down why an attempt failed; it stays one that counts.

        Args:
            attempt: from `begin_try`.
            reason: one sentence.
        """
        _write(attempt, to_json({"reason": reason, "host": socket.gethostname(), "process": os.getpid()}))

    def position(self, shard: int) -> Path:
        """Return the file in which a careful attempt notes the picture that it is about to look at.

        Args:
            shard: its number.
        """
        return self.path / _TRIES / f"{shard:08d}.at"

    def end_tries(self, shard: int) -> None:
        """Remove the notes of a shard's attempts.

        Args:
            shard: its number.
        """
        for name in self._listing(self.path / _TRIES):
            if name.startswith(f"{shard:08d}."):
                (self.path / _TRIES / name).unlink(missing_ok=True)

    def quarantined(self) -> dict[int, str]:
        """Return {shard: why} of the shards that were given up."""
        shards = {}
        for name in sorted(self._listing(self.path / _QUARANTINE)):
            number = name.removesuffix(".json")
            if number.isdecimal():
                shards[int(number)] = self._reason(self.path / _QUARANTINE / name) or "unknown"
        return shards

    def quarantine(self, shard: int, reason: str) -> None:
        """Give a shard up.

        Args:
            shard: its number.
            reason: one sentence.

        Raises:
            OutputError: nothing can be written.
        """
        folder = make_folder(self.path / _QUARANTINE)
        _write(folder / f"{shard:08d}.json", to_json({"shard": shard, "reason": reason}), durable=True)

    def release(self, shard: int) -> None:
        """Take a shard out of the quarantine, and forget its attempts.

        Args:
            shard: its number.
        """
        self.end_tries(shard)
        (self.path / _QUARANTINE / f"{shard:08d}.json").unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what killed processes left of tables that they were writing; only while no other process works here."""
        with contextlib.suppress(OSError):
            shutil.rmtree(self.path / _UNFINISHED)

    def write_manifest(self, record: dict[str, Any]) -> Path:
        """Write the manifest of a run that has come to its end; return its path.

        Args:
            record: plain data.
        """
        path = self.path / MANIFEST
        _write(path, to_json(record, indent=2) + "\n")
        return path

    def _receipts_of(self, shard: int) -> list[Path]:
        # Not `Path.glob`: it compiles a pattern for each shard, and Python keeps hundreds of them.
        folder, start = self.path / _RECEIPTS / _bucket(shard), f"{shard:08d}-"
        return [folder / name for name in self._listing(folder) if name.startswith(start) and name.endswith(".json")]

    def _listings(self, folder: str) -> Iterator[list[str]]:
        """Yield the names in each folder of a folder."""
        for bucket in self._listing(self.path / folder):
            yield self._listing(self.path / folder / bucket)

    @staticmethod
    def _listing(folder: Path) -> list[str]:
        """Return the names in a folder, [] where there is no folder."""
        try:
            return os.listdir(folder)  # noqa: PTH208 - twice as fast, and there may be a million
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise DataError(f"{folder} cannot be read ({error.strerror or error}); check it") from error

    @staticmethod
    def _reason(path: Path) -> str:
        with contextlib.suppress(OSError, ValueError, AttributeError, RecursionError):
            return str(json.loads(path.read_bytes()).get("reason", ""))
        return ""


def _bucket(shard: int) -> str:
    return f"{shard // _BUCKET:05d}"


def _write(path: Path, text: str, durable: bool = False) -> None:
    with atomic(path, durable=durable) as temporary:
        temporary.write_text(text, encoding="utf-8")
