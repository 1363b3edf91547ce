"""What a network answered, kept in a file while a study runs, so that one that was killed goes on where it stopped."""

from __future__ import annotations

import contextlib
import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ferviz.engines.base import LOGITS, Array, Engine
from ferviz.errors import OutputError
from ferviz.files import PathLike
from ferviz.models.model import Model
from ferviz.paths import exists, fit_name, is_file

MAGIC = b"ferviz answers 1\n"

ENDING = ".answers"

_RECORD = struct.Struct("<32sIII")  # digest of the question, rows, columns, CRC of the answer
_MAX_ANSWER = 1 << 28  # bytes


def answers_of(out: PathLike) -> Path:
    """Return the file in which answers are kept until a study is written.

    Args:
        out: the study's file.
    """
    path = Path(out)
    return path.with_name(fit_name(path.name, ENDING))


def check_kept(out: PathLike, resume: bool = False, force: bool = False) -> None:
    """Check that a study may begin beside what an interrupted one left.

    Args:
        out: the study's file.
        resume: go on with it.
        force: begin anew.

    Raises:
        OutputError: there is an interrupted study, and neither is set.
    """
    kept = answers_of(out)
    if exists(kept) and not (resume or force):
        raise OutputError(
            f"{kept} is what an interrupted study left; go on with --resume, or delete that file to begin anew"
        )
    if is_file(kept) and force and not resume:
        kept.unlink()


class KeptAnswers:
    """Answers by what was asked, in memory and in a file that only grows.

    Args:
        path: of the file; a damaged end, as a kill leaves it, is cut off.

    Raises:
        OutputError: the file is no such file, or cannot be written.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        self._answers: dict[bytes, np.ndarray] = {}
        try:
            self._file: BinaryIO = self.path.open("r+b" if is_file(self.path) else "x+b")
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written ({error.strerror or error}); check the folder") from error
        try:
            self._load()
        except BaseException:
            self._file.close()
            raise

    def _load(self) -> None:
        start = self._file.read(len(MAGIC))
        if start not in (b"", MAGIC):
            raise OutputError(f"{self.path} holds no answers of an interrupted study; name another file")
        if not start:
            self._file.write(MAGIC)
        end = self._file.tell()
        while len(head := self._file.read(_RECORD.size)) == _RECORD.size:
            digest, rows, columns, check = _RECORD.unpack(head)
            if rows * columns * 4 > _MAX_ANSWER:
                break
            data = self._file.read(rows * columns * 4)
            if len(data) < rows * columns * 4 or zlib.crc32(data) != check:
                break
            self._answers[digest] = np.frombuffer(data, np.float32).reshape(rows, columns)
            end = self._file.tell()
        self._file.seek(end)
        self._file.truncate()

    def __len__(self) -> int:
        return len(self._answers)

    def answer(self, question: Iterable[Any], ask: Callable[[], Array]) -> Array:
        """Return what was answered to the same question before, or ask and keep it.

        Args:
            question: bytes and arrays that say what is asked.
            ask: returns the answer, (N, K) float32.
        """
        digest = hashlib.sha256()
        for part in question:
            digest.update(part)
        key = digest.digest()
        known = self._answers.get(key)
        if known is not None:
            return known.copy()
        answer = np.ascontiguousarray(ask(), np.float32)
        data = answer.tobytes()
        try:
            self._file.write(_RECORD.pack(key, *answer.shape, zlib.crc32(data)) + data)
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written ({error.strerror or error}); make room") from error
        self._answers[key] = answer
        return answer.copy()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class RememberingEngine:
    """An engine whose logits are kept.

    Args:
        engine: does the work, and has whatever else is asked for.
        kept: the answers.
        name: what the network is known by.
    """

    def __init__(self, engine: Engine, kept: KeptAnswers, name: str) -> None:
        self._engine, self._kept, self._name = engine, kept, name.encode()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._engine, name)
        # Not a method of this class: an engine whose layers cannot be changed must not seem to have it.
        return self._from(value) if name == "logits_from" else value

    def _from(self, logits_from: Callable[[Array, str, Array], Array]) -> Callable[[Array, str, Array], Array]:
        def remembered(batch: Array, layer: str, activation: Array) -> Array:
            question = (self._name, b"from", layer.encode(), *_bytes(batch), *_bytes(activation))
            return self._kept.answer(question, lambda: logits_from(batch, layer, activation))

        return remembered

    def logits(self, batch: Array) -> Array:
        """As of the engine.

        Args:
            batch: as of the engine.
        """
        return self._kept.answer((self._name, LOGITS.encode(), *_bytes(batch)), lambda: self._engine.logits(batch))


@contextlib.contextmanager
def remembering(path: PathLike | None, *models: Model) -> Iterator[list[Model]]:
    """Yield networks whose answers are kept in a file, which goes when the block ends well.

    Args:
        path: of the file; None = nothing is kept.
        *models: the networks.

    Raises:
        OutputError: the file is another one's, or cannot be written.
    """
    if path is None:
        yield list(models)
        return
    kept = KeptAnswers(path)
    try:
        engines: list[Any] = [RememberingEngine(m.engine, kept, f"{m.sha256} {m.input!r}") for m in models]
        yield [replace(model, engine=engine) for model, engine in zip(models, engines, strict=True)]
    finally:
        kept.close()
    kept.path.unlink(missing_ok=True)


def _bytes(array: Array) -> tuple[bytes, Array]:
    values = np.ascontiguousarray(array)
    return repr((values.shape, values.dtype.str)).encode(), values
