"""A SavedModel folder as an engine: it predicts, but its layers cannot be reached, so it gives logits only.

A SavedModel is a program for TensorFlow. Without `trust` only one whose every operation computes and does nothing else is run, in a process
of its own within limits; this process imports no TensorFlow for it.
"""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferviz import sandbox
from ferviz.engines.backend import tensorflow
from ferviz.engines.base import LOGITS, Array, LayerInfo, PictureShape
from ferviz.errors import ModelError, UntrustedModelError
from ferviz.paths import is_folder
from ferviz.printable import printable

_WHY = (
    "a SavedModel has no layers that can be reached, only logits: predict and methods that need nothing else (occlusion, "
    "RISE) work; for this, save the network as .keras or .h5"
)
_TINY = 1e-12
_LARGEST = 1024**3
_STEP = 32
"""Pictures that are sent at a time, so that an answer comes within its time whatever the batch."""

LOADING = 180.0
"""Seconds until the network is loaded; importing TensorFlow takes most of it."""

WAIT, WAIT_PER_PICTURE = 30.0, 2.0
"""Seconds until an answer: for any, and for each picture. A network for faces takes milliseconds."""

MEMORY = 6 * 1024**3
"""Bytes of address space for the process; TensorFlow takes 2 GiB of it. The files' size comes on top, three times."""


class SavedModelEngine:
    """Executes the serving signature of a SavedModel.

    Args:
        folder: the folder with saved_model.pb; a signature with one picture in and one vector out is needed.
        trust: run whatever is in the folder, in this process and without limits, as TensorFlow's own loader does.

    Raises:
        ModelError: for a folder without such a signature, or one that is damaged.
        UntrustedModelError: for a graph with an operation that does more than compute, without `trust`.
    """

    name = "savedmodel"
    no_gradients = _WHY
    layers: Sequence[LayerInfo] = ()

    def __init__(self, folder: str | Path, trust: bool = False) -> None:
        self._folder, self._lock = Path(folder).absolute(), threading.Lock()
        self._run_batch: Callable[[Array], Array]
        if trust or not sandbox.available():
            from ferviz.engines.savedmodel.graph_runner import GraphRunner, TrustedRunner

            if not trust:
                _check_files(self._folder)
                tensorflow()
            runner = (TrustedRunner if trust else GraphRunner)(self._folder)
            facts, self._run_batch = vars(runner.signature), runner
        else:
            _check_files(self._folder)
            self._process = GraphProcess(self._folder)
            facts, self._run_batch = self._process.open(), self._process
        if facts["inputs"] != 1 or facts["outputs"] != 1:
            raise ModelError(
                f"{folder} has {facts['inputs']} inputs and {facts['outputs']} outputs; ferviz needs one picture and one vector, so "
                "save the network as .keras and give that (of its outputs the emotions are taken)"
            )
        shape, answer = tuple(facts["shape"]), tuple(facts["answer"])
        if len(shape) != 4 or len(answer) != 2 or not answer[1]:
            raise ModelError(f"{folder} takes {shape} and gives {answer}; ferviz needs (N, h, w, c) and (N, classes)")
        self.channels_first = shape[1] in (1, 3) and shape[3] not in (1, 3)
        height, width, channels = shape[2:] + shape[1:2] if self.channels_first else shape[1:]
        self.input_shape: PictureShape = (height, width, channels)
        self.classes = int(answer[1])
        self._fixed: int | None = shape[0]
        if (self._fixed or 1) * (height or 96) * (width or 96) * (channels or 3) * 4 > _LARGEST:
            raise ModelError(
                f"{folder} takes {shape} numbers at once, more than a gigabyte; save it for any number of pictures"
            )
        self._head: str | None = None

    @property
    def head(self) -> str:
        """What the outputs are: "softmax", "sigmoid" (its inverse is then given as logits) or "linear"; found out from a few."""
        if self._head is None:
            height, width, channels = self.input_shape
            probe = np.random.default_rng(0).random((16, height or 96, width or 96, channels), dtype=np.float32)
            raw = self._run(probe)
            sums = np.allclose(raw.sum(axis=1), 1, atol=1e-3) and (raw >= 0).all()
            # Sixteen pictures whose scores all lie between 0 and 1, and never on them, are no accident.
            shares = (raw > 0).all() and (raw < 1).all()
            self._head = "softmax" if sums else "sigmoid" if shares else "linear"
        return self._head

    def logits(self, batch: Array) -> Array:
        """Compute the logits behind the network's probabilities, or its outputs where those are no probabilities.

        Args:
            batch: (N, h, w, c) float32.

        Returns:
            (N, K) float32.

        Raises:
            ModelError: the network fails, gives no answer in time, or takes too much memory.
        """
        raw = self._run(batch)
        if self.head == "sigmoid":
            raw = np.clip(raw, _TINY, 1 - np.finfo(np.float32).eps)
            return np.asarray(np.log(raw) - np.log1p(-raw), np.float32)
        return np.log(np.maximum(raw, _TINY)) if self.head == "softmax" else raw

    def activations(self, batch: Array, layers: Sequence[str]) -> list[Array]:
        """Raise an error, for a SavedModel's layers cannot be reached.

        Args:
            batch: (N, h, w, c) float32.
            layers: names of layers.

        Raises:
            ModelError: always.
        """
        raise ModelError(_WHY)

    def gradients(self, batch: Array, layer: str, weights: Array, of: str = LOGITS) -> tuple[Array, Array, Array]:
        """Raise an error, for a SavedModel's layers cannot be reached.

        Args:
            batch: (N, h, w, c) float32.
            layer, weights, of: as for any engine.

        Raises:
            ModelError: always.
        """
        raise ModelError(_WHY)

    def _run(self, batch: Any) -> Array:
        x = np.ascontiguousarray(np.moveaxis(batch, 3, 1) if self.channels_first else batch, np.float32)
        if len(x) == 0:
            return np.zeros((0, self.classes), np.float32)
        step, parts = self._fixed or _STEP, []
        for start in range(0, len(x), step):
            chunk = x[start : start + step]
            full = chunk
            if self._fixed:  # a fixed batch is filled up
                full = np.concatenate([chunk, np.repeat(chunk[:1], step - len(chunk), 0)])
            with self._lock:
                answer = self._call(full)
            parts.append(answer[: len(chunk)])
        return np.concatenate(parts)

    def _call(self, batch: Array) -> Array:
        try:
            answer = self._run_batch(batch)
        except ModelError:
            raise
        except Exception as error:  # in this process: any error of any operation of somebody's graph
            from ferviz.engines.savedmodel.graph_runner import describe_error

            raise ModelError(f"{self._folder} fails on a picture ({describe_error(error)})") from error
        if answer.shape != (len(batch), self.classes):
            raise ModelError(
                f"{self._folder} gives {answer.shape} for {len(batch)} pictures, not {(len(batch), self.classes)}"
            )
        return answer


class GraphProcess:
    """A process that runs a SavedModel, started again where it has ended.

    Args:
        folder: the folder with saved_model.pb.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._child: sandbox.Child | None = None
        size = sum(file.stat().st_size for file in _files(folder))
        self._limits = sandbox.Limits(seconds=None, memory=MEMORY + 3 * size, open_files=1024)

    def open(self) -> dict[str, Any]:
        """Start the process and load the network.

        Returns:
            The fields of a `Signature`.

        Raises:
            ModelError: the network is damaged, or loading it takes too long or too much.
            UntrustedModelError: it has an operation that is not on the allow-list.
        """
        try:
            child = sandbox.start("ferviz.engines.savedmodel.graph_child", str(self._folder), limits=self._limits)
            greeting = json.loads(child.ask(wait=LOADING))
        except sandbox.ChildError as error:
            raise self._describe(error.outcome, f"was not loaded within {LOADING:.0f} s") from error
        if "error" in greeting:
            raise (UntrustedModelError if greeting["untrusted"] else ModelError)(greeting["error"])
        self._child = child
        return dict(greeting["signature"])

    def __call__(self, batch: Array) -> Array:
        """Compute the outputs.

        Args:
            batch: as the signature takes it.

        Returns:
            (N, K) float32.

        Raises:
            ModelError: the network fails, takes too long or too much memory.
        """
        if self._child is None or self._child.owner != os.getpid() or self._child.process.returncode is not None:
            self.open()
        assert self._child is not None
        wait = WAIT + WAIT_PER_PICTURE * len(batch)
        shape = np.array(batch.shape, np.int64).tobytes()
        try:
            answer = self._child.ask(shape, np.ascontiguousarray(batch).data.cast("B"), wait=wait)
        except sandbox.ChildError as error:
            raise self._describe(error.outcome, f"gave no answer within {wait:.0f} s") from error
        if answer[:1] != b"+":
            raise ModelError(f"{self._folder} fails on a picture ({answer[1:].decode('utf-8', 'replace')[:200]})")
        sizes = np.frombuffer(answer[1:65], np.int64)
        return np.frombuffer(answer[65:], np.float32).reshape([int(size) for size in sizes[sizes > 0]])

    def _describe(self, outcome: sandbox.Outcome, late: str) -> ModelError:
        gibibytes = self._limits.memory / 1024**3
        reasons = {
            "timeout": f"{late}; a loop in it may have no end",
            "memory": f"needs more than {gibibytes:.0f} GiB of memory",
            "missing": f"cannot be run, for TensorFlow cannot be imported ({_last_line(outcome.errors)})",
            "unavailable": "cannot be run, for the system starts no further process",
            "crashed": f"has ended TensorFlow's process; an operation in it aborts, or needs more than {gibibytes:.0f} GiB of memory",
        }
        reason = reasons.get(outcome.status, f"cannot be run ({_last_line(outcome.errors) or outcome.status})")
        return ModelError(f"{self._folder} {reason}")


def _last_line(errors: bytes) -> str:
    lines = errors.decode("utf-8", "replace").strip().splitlines()
    return printable(lines[-1], 200) if lines else ""


def _files(folder: Path) -> list[Path]:
    weights = folder / "variables"
    return [folder / "saved_model.pb", *(sorted(weights.iterdir()) if is_folder(weights) else [])]


def _check_files(folder: Path) -> None:
    """Raise ModelError unless the graph and the weights are regular files of the folder itself."""
    homes = [folder.resolve()]
    # The Hugging Face cache keeps files in `blobs`, and a snapshot holds links to them.
    homes += [parent.parent / "blobs" for parent in folder.parents if parent.name == "snapshots"]
    try:
        for file in _files(folder):
            place = file.resolve()
            if not any(place.is_relative_to(home.resolve()) for home in homes):
                raise ModelError(f"{file} is a link to {place}, outside its folder; copy the file there")
            facts = place.stat()
            if not stat.S_ISREG(facts.st_mode):
                raise ModelError(f"{file} is no regular file; copy the SavedModel again")
            if file.name == "saved_model.pb" and facts.st_size > _LARGEST:
                raise ModelError(f"{folder} has no saved_model.pb of less than 1 GiB; name the folder of a SavedModel")
    except OSError as error:
        raise ModelError(
            f"{error.filename or folder} cannot be read ({error.strerror}); check its permissions"
        ) from error
