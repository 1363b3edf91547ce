"""Mutations of HDF5 files through the library, so that their structure stays sound; a quarter of the cases are changed as bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import numpy as np

from fuzz.mutate.documents import mutate_json
from fuzz.mutate.raw import mutate_bytes

_FOREIGN = "/proc/version"
"""A file outside of the case, which nobody can write: not even these mutations, whoever runs them."""


def mutate_hdf5(data: bytes, rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Change data sets, attributes, links and groups.

    Args:
        data: the file.
        rng: draws the changes.
        seeds: other files.
    """
    import h5py

    if rng.random() < 0.25:
        return mutate_bytes(data, rng, seeds)
    buffer = io.BytesIO(data)
    try:
        with h5py.File(buffer, "r+") as file:
            for _ in range(rng.choice((1, 1, 2, 4))):
                places: list[Any] = []
                file.visititems(lambda name, item, places=places: places.append(item) or None)
                if not places:
                    break
                _change(h5py, file, rng.choice([file, *places]), rng)
    except Exception:  # h5py refuses some changes; what has been changed so far is a case as well
        pass
    return buffer.getvalue()


def _change(h5py: Any, file: Any, item: Any, rng: Random) -> None:
    attributes = list(item.attrs)
    if (attributes and rng.random() < 0.4) or item.name == "/":
        rng.choice((_attribute, _attribute, _json, _more))(h5py, item, attributes, rng)
    elif isinstance(item, h5py.Dataset):
        _dataset(h5py, file, item, rng)
    else:
        _group(h5py, file, item, rng)


_VALUES: tuple[Callable[[Any, Random], Any], ...] = (
    lambda h5py, rng: np.zeros(0),
    lambda h5py, rng: h5py.Empty("f4"),
    lambda h5py, rng: 5,
    lambda h5py, rng: float("nan"),
    lambda h5py, rng: "x" * rng.choice((0, 1, 60_000)),
    lambda h5py, rng: b"\xff\xfe\0",
    lambda h5py, rng: np.array([b"a", b"", b"../x", b"/"], "S4"),
    lambda h5py, rng: np.array(["é", "a/b", "."], dtype=h5py.string_dtype()),
    lambda h5py, rng: np.zeros((2, 2), [("a", "f4"), ("b", "S3")]),
    lambda h5py, rng: np.arange(6).reshape(2, 3),
    lambda h5py, rng: "[" * 20_000,
    lambda h5py, rng: "0.0.0",
    lambda h5py, rng: True,
)


def _attribute(h5py: Any, item: Any, attributes: list[str], rng: Random) -> None:
    if not attributes:
        return
    name = rng.choice(attributes)
    if rng.random() < 0.2:
        del item.attrs[name]
    elif rng.random() < 0.3 and isinstance(item.attrs[name], np.ndarray):
        value = item.attrs[name]
        item.attrs[name] = rng.choice((value[::-1], value[:-1], np.concatenate([value, value]), value.reshape(1, -1)))
    else:
        item.attrs[name] = rng.choice(_VALUES)(h5py, rng)


def _json(h5py: Any, item: Any, attributes: list[str], rng: Random) -> None:
    for name in attributes:
        value = item.attrs[name]
        text = (
            value.encode() if isinstance(value, str) else bytes(value) if isinstance(value, bytes | np.bytes_) else b""
        )
        if text.startswith(b"{"):
            item.attrs[name] = mutate_json(text, rng, ())


def _more(h5py: Any, item: Any, attributes: list[str], rng: Random) -> None:
    name = rng.choice(
        (
            "weight_names",
            "layer_names",
            "weight_names0",
            "backend",
            "keras_version",
            "model_config",
            "class_name",
            "vars",
        )
    )
    item.attrs[name] = rng.choice(_VALUES)(h5py, rng)


def _dataset(h5py: Any, file: Any, item: Any, rng: Random) -> None:
    name, shape = item.name, item.shape or ()
    change = rng.randrange(8)
    value = item[()]
    if change == 0 and item.external:  # its numbers are the bytes of another file, which stays as it is
        return
    if change == 0:
        value = np.asarray(value, np.float64)
        value.reshape(-1)[:1] = rng.choice((float("nan"), float("inf"), 1e30, -1.0, 0.0))
        item[...] = value
        return
    del file[name]
    if change == 1:
        return
    if change == 2:
        shapes = (
            (),
            (0,),
            (1,),
            shape[::-1],
            (*shape, 1),
            shape[1:],
            (2, *shape[1:]),
            (1 << 20, 1 << 20),
            (5000, 5000),
        )
        file.create_dataset(name, rng.choice(shapes), "f4", chunks=None)
    elif change == 3:
        kinds = (
            "f2",
            ">f8",
            "u1",
            "i8",
            "S3",
            h5py.string_dtype(),
            h5py.vlen_dtype("f4"),
            [("a", "f4")],
            h5py.ref_dtype,
            "c8",
            "?",
            h5py.enum_dtype({"A": 1}),
        )
        kind = rng.choice(kinds)
        if isinstance(kind, list) or not isinstance(kind, str):
            file.create_dataset(name, shape, kind)
        else:
            file.create_dataset(name, data=np.zeros(shape, kind))
    elif change == 4:
        file.create_dataset(
            name, (1000, 1000), "f4", chunks=(100, 100), compression="gzip", fillvalue=rng.choice((0, 1, float("nan")))
        )
    elif change == 5:
        file.create_group(name)
    elif change == 6:
        file[name] = rng.choice(
            (
                h5py.SoftLink("/"),
                h5py.SoftLink("nowhere"),
                h5py.ExternalLink(_FOREIGN, "/x"),
                h5py.ExternalLink("case.h5", name),
            )
        )
    elif len(shape):
        file.create_dataset(name, shape, "u1", external=[(_FOREIGN, 0, h5py.h5f.UNLIMITED)])


def _group(h5py: Any, file: Any, item: Any, rng: Random) -> None:
    name = item.name
    change = rng.randrange(5)
    if change == 0:
        del file[name]
    elif change == 1:
        item[rng.choice(("loop", "vars", "0", "layers"))] = rng.choice((file, item))
    elif change == 2:
        file.move(
            name,
            name.rpartition("/")[0] + rng.choice(("/x", "/é", "/a b", "/layers", "/vars", "/conv_2", "/" + "a" * 300)),
        )
    elif change == 3:
        item.create_group("a/" * rng.choice((1, 40, 100)) + "b")
    else:
        del file[name]
        file.create_dataset(name, data=np.zeros(3, np.float32))
