"""Compiled networks: the `.ferviz` container with its table, and the LiteRT file inside."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np

from fuzz.mutate.documents import mutate_json
from fuzz.mutate.flatbuffers import mutate_litert
from fuzz.mutate.raw import INTEGERS, Mutator, mutate_bytes
from fuzz.target import Target


def _seeds() -> dict[str, bytes]:
    from ferviz.models.compiled.compile import compile_model
    from ferviz.models.load import load_model
    from fuzz.targets.networks import _functional, _network

    seeds = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, network in (("sequential", _network()), ("functional", _functional())):
            path = Path(folder) / f"{name}.ferviz"
            compile_model(load_model(network, engine="keras"), path)
            seeds[path.name] = path.read_bytes()
    return seeds


def _taken_apart(data: bytes) -> tuple[bytes, bytes]:
    from ferviz.models.compiled.file import _TRAILER

    _, _, _, length, table, _ = _TRAILER.unpack(data[-_TRAILER.size :])
    return data[:length], data[length : length + table]


def _put_together(content: bytes, table: bytes, rng: Random | None = None) -> bytes:
    """-> the container with a checksum that fits; with a generator, one of the trailer's numbers lies."""
    from ferviz.models.compiled.file import _MAGIC, _TRAILER, VERSION

    numbers = [VERSION, 0, len(content), len(table)]
    if rng is not None:
        index = rng.randrange(4)
        numbers[index] = rng.choice((*INTEGERS, numbers[index] + 1)) % 2 ** (32 if index < 2 else 64)
    return content + table + _TRAILER.pack(_MAGIC, *numbers, hashlib.sha256(content + table).digest())


def _mutate_container(data: bytes, rng: Random, seeds: Sequence[bytes]) -> bytes:
    draw = rng.random()
    if draw < 0.1:
        return mutate_bytes(data, rng, seeds)
    content, table = _taken_apart(data)
    if draw < 0.2:
        return _put_together(content, table, rng)
    return _put_together(content, mutate_json(table, rng, [_taken_apart(seed)[1] for seed in seeds]))


def _inside(mutate: Mutator) -> Mutator:
    def of_container(data: bytes, rng: Random, seeds: Sequence[bytes]) -> bytes:
        content, table = _taken_apart(data)
        return _put_together(mutate(content, rng, [_taken_apart(seed)[0] for seed in seeds]), table)

    return of_container


def _run(path: Path) -> None:
    from ferviz.models.load import load_model

    model = load_model(path)
    height, width = model.input.size
    model.probabilities(np.zeros((2, height, width), np.uint8))
    compiled = model.engine.compiled  # type: ignore[attr-defined]
    batch = np.zeros((1, *compiled.size), np.float32)
    weights = np.ones((1, 1, compiled.classes), np.float32)
    model.engine.gradients(batch, compiled.default_layer, weights)
    model.engine.activations(batch, sorted(compiled.activations))


def _prepare() -> None:
    import ai_edge_litert.schema_py_generated  # noqa: F401

    from ferviz.models.load import load_model

    load_model().probabilities(np.zeros((1, 48, 48), np.uint8))


_FORKED = ("numpy", "ai_edge_litert.interpreter")

TARGETS = (
    Target("container", "load_model(.ferviz)", ".ferviz", _seeds, _mutate_container, _run, _prepare, _FORKED),
    Target("flatbuffer", "load_model(.ferviz)", ".ferviz", _seeds, _inside(mutate_litert), _run, _prepare, _FORKED),
)
