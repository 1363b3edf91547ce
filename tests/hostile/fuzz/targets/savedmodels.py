"""SavedModel folders; a case is an archive of one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fuzz.mutate.archives import read_members, write_members
from fuzz.mutate.protobuf import mutate_message
from fuzz.mutate.raw import mutate_bytes
from fuzz.target import Target

_TOUCHED = "touched-by-a-payload"


def _packed(folder: Path) -> bytes:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return write_members({path.relative_to(folder).as_posix(): path.read_bytes() for path in files})


def _payloads(tf: Any) -> dict[str, Callable[[Any], Any]]:
    """What a graph does besides its answer."""
    raw = tf.raw_ops

    def never_ends(x: Any) -> Any:
        return tf.while_loop(lambda i: i >= 0, lambda i: [(i + 1) % 1000], [tf.cast(tf.reduce_sum(x) * 0, tf.int32)])[0]

    return {
        "write": lambda x: tf.io.write_file(_TOUCHED, "x"),
        "save": lambda x: raw.SaveV2(prefix=_TOUCHED, tensor_names=["a"], shape_and_slices=[""], tensors=[x]),
        "read": lambda x: tf.io.read_file("/etc/passwd"),
        "python": lambda x: tf.numpy_function(lambda: np.float32(1), [], tf.float32),
        "print": lambda x: tf.print("x", output_stream=f"file://{_TOUCHED}"),
        "stop": lambda x: raw.Abort(error_msg="x", exit_without_error=False),
        "loop": never_ends,
        "large": lambda x: tf.reduce_sum(tf.fill([1 << 16, 1 << 16], tf.reduce_sum(x))),
        "cache": lambda x: tf.data.Dataset.from_tensors(x).cache(_TOUCHED).reduce(0.0, lambda a, b: a),
    }


def _with(tf: Any, kernel: Any, payload: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """-> a network of one layer that does something besides."""

    def answer(x: Any) -> Any:
        done = payload(x) if payload else None
        with tf.control_dependencies([] if done is None else [done]):
            return tf.nn.softmax(tf.matmul(tf.reshape(x, [-1, 144]), kernel))

    return answer


def _seeds() -> dict[str, bytes]:
    from ferviz.engines.backend import tensorflow
    from fuzz.targets.networks import _network

    tf = tensorflow()
    seeds = {}
    with tempfile.TemporaryDirectory() as folder:
        _network().export(Path(folder) / "keras", verbose=False)
        seeds["keras"] = _packed(Path(folder) / "keras")
        kernel = tf.constant(np.full((144, 3), 0.1, np.float32))
        for name, payload in {"plain": None, **_payloads(tf)}.items():
            module = tf.Module()
            module.serve = tf.function(
                _with(tf, kernel, payload), input_signature=[tf.TensorSpec([None, 12, 12, 1], tf.float32)]
            )
            try:
                tf.saved_model.save(module, str(Path(folder) / name), signatures=module.serve)
            except Exception:  # an operation that cannot be saved needs no refusing
                continue
            seeds[name] = _packed(Path(folder) / name)
    return seeds


def _mutate(data: bytes, rng: Random, seeds: Sequence[bytes]) -> bytes:
    members = read_members(data)
    name = "saved_model.pb" if rng.random() < 0.85 else rng.choice(list(members))
    members[name] = (mutate_message if name.endswith(".pb") else mutate_bytes)(members[name], rng, [])
    if rng.random() < 0.03:
        del members[rng.choice(list(members))]
    return write_members(members)


def _run(path: Path) -> None:
    from ferviz.models.load import load_model

    folder = path.parent / "saved"
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in read_members(path.read_bytes()).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    model = load_model(folder)
    height, width = model.input.size
    model.probabilities(np.zeros((1, height, width), np.uint8))


def _prepare() -> None:
    from ferviz.engines import savedmodel

    savedmodel.WAIT, savedmodel.WAIT_PER_PICTURE = (
        2.0,
        0.0,
    )  # a loop without end gets its sentence sooner, so that a campaign ends


TARGETS = (Target("savedmodel", "load_model(FOLDER)", ".zip", _seeds, _mutate, _run, _prepare, ("tensorflow",)),)
