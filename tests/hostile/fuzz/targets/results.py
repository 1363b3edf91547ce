"""Saved results, sidecars and the files of a training run."""

from __future__ import annotations

import io
import json
import pickle
import tempfile
from pathlib import Path

import numpy as np

from fuzz.mutate.archives import mutate_folder, mutate_npz, read_members, unpack, write_members
from fuzz.mutate.documents import mutate_json
from fuzz.target import Target


class _Payload:
    """Pickled, it writes a file when it is read."""

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, ("touched-by-a-payload", "w")


def _with_pickle(archive: bytes) -> bytes:
    """-> the archive with its first array replaced by a pickle that writes a file."""
    members = read_members(archive)
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|O", "fortran_order": False, "shape": ()})  # type: ignore[arg-type]
    members[next(iter(members))] = buffer.getvalue() + pickle.dumps(_Payload())
    return write_members(members)


def _explanation_seeds() -> dict[str, bytes]:
    import ferviz

    rng = np.random.default_rng(0)
    model = ferviz.load_model()
    seeds = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, method, targets in (
            ("gradcam", "gradcam", ["predicted"]),
            ("contrast", "gradcam", ["happy-sad", "neutral"]),
        ):
            faces = rng.integers(0, 256, (2, 16, 16), np.uint8)
            explanation = ferviz.explain(model, list(faces), method=method, target=targets)
            small = _smaller(explanation)
            seeds[name] = small.save(Path(folder) / f"{name}.npz").read_bytes()
    seeds["pickle"] = _with_pickle(seeds["gradcam"])
    return seeds


def _smaller(explanation):
    from dataclasses import replace

    return replace(explanation, heatmaps=explanation.heatmaps[..., ::4, ::4], raw=explanation.raw)


def _load_explanation(path: Path) -> None:
    from ferviz.attribution.explanation import Explanation

    explanation = Explanation.load(path)
    explanation.to_dict()
    repr(explanation)
    explanation.picture()


def _dream_seeds() -> dict[str, bytes]:
    from ferviz.dreaming.result import Dream

    rng = np.random.default_rng(0)
    seeds = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, shape in (("grey", (2, 9, 9)), ("colour", (2, 9, 9, 3))):
            dream = Dream(
                rng.integers(0, 256, shape, np.uint8), ("happy", "conv1:3"), ("happy", ""), rng.random((2, 5)).astype(np.float32),
                np.array([0.9, np.nan]), ("happy", "sad"), rng.integers(0, 256, (1, *shape), np.uint8), {"model": "x", "seed": 0},
            )  # fmt: skip
            seeds[name] = dream.save(Path(folder) / f"{name}.npz").read_bytes()
    seeds["pickle"] = _with_pickle(seeds["grey"])
    return seeds


def _load_dream(path: Path) -> None:
    from ferviz.dreaming.result import Dream

    dream = Dream.load(path)
    dream.to_dict()
    repr(dream)
    dream.picture()


_STATISTICS = "net.npz"


def _sidecar_seeds() -> dict[str, bytes]:
    plain = {
        "schema_version": 1,
        "labels": ["angry", "happy", "sad"],
        "input": {"scaling": "-1..1", "resize": "float", "height": 12, "width": 12},
        "about": {"a": [1, {}]},
    }
    scheme = {
        "schema_version": 1,
        "labels": "7",
        "input": {"scaling": "standardize", "unit": 255, "mean": 0.5, "std": 0.25},
    }
    arrays = {"schema_version": 1, "input": {"scaling": "standardize", "statistics": _STATISTICS, "order": "bgr"}}
    return {f"{i}.json": json.dumps(document).encode() for i, document in enumerate((plain, scheme, arrays))}


def _statistics(path: Path) -> None:
    np.savez(path, mean=np.zeros((12, 12), np.float32), std=np.ones((12, 12), np.float32))


def _read_sidecar(path: Path) -> None:
    from ferviz.models.infer_spec import infer_input, infer_labels
    from ferviz.models.sidecar import read_sidecar

    statistics = path.with_name(_STATISTICS)
    if not statistics.exists():
        _statistics(statistics)
    sidecar = read_sidecar(path)
    infer_labels(None, sidecar, 3, lambda _: None)
    spec = infer_input((12, 12, 1), None, None, sidecar, lambda _: None)
    spec.preprocess(np.zeros((1, 12, 12), np.uint8))


def _statistics_seeds() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        _statistics(Path(folder) / "a.npz")
        seeds = {"plain": (Path(folder) / "a.npz").read_bytes()}
        np.savez_compressed(Path(folder) / "b.npz", mean=np.float64(0.5), std=np.array([0.25]))
        seeds["small"] = (Path(folder) / "b.npz").read_bytes()
    seeds["pickle"] = _with_pickle(seeds["plain"])
    return seeds


def _read_statistics(path: Path) -> None:
    sidecar = path.with_name("x.h5.ferviz.json")
    sidecar.write_bytes(_sidecar_seeds()["2.json"].replace(_STATISTICS.encode(), path.name.encode()))
    _read_sidecar(sidecar)


def _run_seeds() -> dict[str, bytes]:
    """A run folder as an archive: config.json and state.npz."""
    from ferviz.training.checkpoint import NAME, State, save_state

    config = {
        "architecture": "mini_xception", "options": {}, "labels": ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"],
        "scheme": "7",
        "init_from": None, "config": _train_config(), "data": {"source": "faces.csv", "sha256": _faces_digest(), "rows": 6},
    }  # fmt: skip
    history = [{"epoch": 1, "learning_rate": 1e-3, "loss": 1.0, "val_loss": 1.1, "val_accuracy": 0.5, "seconds": 2.0}]
    with tempfile.TemporaryDirectory() as folder:
        save_state(
            Path(folder),
            State(1, history, "plan", [np.zeros((2, 2), np.float32)], [np.zeros(3, np.float32), np.int64(4)]),
        )
        return {
            "run": write_members({"config.json": json.dumps(config).encode(), NAME: (Path(folder) / NAME).read_bytes()})
        }


def _train_config() -> dict:
    from ferviz.training.config import TrainConfig

    return {**TrainConfig().to_dict(), "validation": "PublicTest"}


def _faces(folder: Path) -> Path:
    from fuzz.targets.tables import _table_seeds

    path = folder / "faces.csv"
    path.write_bytes(_table_seeds()["kaggle.csv"])
    return path


def _faces_digest() -> str:
    from ferviz.data.read import read_data

    with tempfile.TemporaryDirectory() as folder:
        return read_data(_faces(Path(folder)), cache=False).sha256


def _read_run(path: Path) -> None:
    from ferviz.training.checkpoint import load_state
    from ferviz.training.run_folder import resumed_plan, run_labels, write_history

    folder = path.parent / "run"
    if not unpack(path, folder, ("config.json", "state.npz")):
        return
    state = load_state(folder)
    if state is not None:
        write_history(folder, state.history)
    run_labels(folder)
    resumed_plan(folder, _faces(path.parent))


def _prepare_results() -> None:
    import ferviz.attribution.explanation_file
    import ferviz.dreaming.dream_file
    import ferviz.dreaming.result  # noqa: F401


def _prepare_sidecar() -> None:
    import ferviz.models.infer_spec
    import ferviz.models.sidecar  # noqa: F401


def _prepare_run() -> None:
    import ferviz.training.checkpoint
    import ferviz.training.run_folder  # noqa: F401


TARGETS = (
    Target(
        "sidecar", "the sidecar of load_model", ".json", _sidecar_seeds, mutate_json, _read_sidecar, _prepare_sidecar
    ),
    Target(
        "statistics", "the sidecar's .npz", ".npz", _statistics_seeds, mutate_npz, _read_statistics, _prepare_sidecar
    ),
    Target(
        "explanation", "Explanation.load", ".npz", _explanation_seeds, mutate_npz, _load_explanation, _prepare_results
    ),
    Target("dream", "Dream.load", ".npz", _dream_seeds, mutate_npz, _load_dream, _prepare_results),
    Target("run", "ferviz train --resume", ".zip", _run_seeds, mutate_folder, _read_run, _prepare_run),
)
