"""The cache of compiled networks: found when it fits, never when it does not, and never in the way."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferviz.errors import ModelError
from ferviz.models.compiled import cache
from ferviz.models.compiled.cache import Origin, find, keep, tidy
from ferviz.models.compiled.file import write_compiled
from ferviz.models.load import load_model

SHORT = {"labels": "a,b,c,d"}


@pytest.fixture(scope="module")
def saved(networks: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "small.keras"
    networks.build("functional").save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FERVIZ_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "compiled"


@pytest.fixture(scope="module")
def entry(saved: Path) -> Any:
    """What compiling the network gives, made once: the tests below are about where it is kept."""
    from ferviz.models.compiled.compile import compile_model

    return compile_model(load_model(saved, engine="keras", cache=False, **SHORT), layers=["relu2"])


@pytest.fixture
def quick(entry: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Compiling takes no time; the list notes each time."""
    done: list[Any] = []
    monkeypatch.setattr(cache, "compile_model", lambda model: done.append(model) or entry)
    return done


def faces() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 18, 18)).astype(np.uint8)


@pytest.mark.slow
def test_the_second_time_runs_without_keras(saved: Path, folder: Path, quick: list[Any]) -> None:
    said: list[str] = []
    first = load_model(saved, **SHORT)
    assert first.engine.name == "keras"
    kept = keep(first, first.origin, said.append)
    assert kept is not None
    assert kept.parent == folder
    assert len(said) == 1
    assert "--no-cache" in said[0]
    second = load_model(saved, **SHORT)
    assert second.engine.name == "litert"
    assert (second.labels, second.sha256, second.name) == (first.labels, first.sha256, first.name)
    np.testing.assert_allclose(second.logits(faces()), first.logits(faces()), atol=1e-5)
    assert keep(second, second.origin, said.append) is None
    assert len(quick) == 1
    assert load_model(saved, engine="keras", **SHORT).engine.name == "keras"
    assert load_model(saved, cache=False, **SHORT).engine.name == "keras"


def test_another_network_label_scaling_or_sidecar_is_another_entry(
    saved: Path, folder: Path, quick: list[Any], tmp_path: Path, networks: Any
) -> None:
    path = tmp_path / "small.keras"
    path.write_bytes(saved.read_bytes())
    model = load_model(path, **SHORT)
    assert keep(model, model.origin, lambda _: None)
    assert find(model.origin) is not None
    assert find(Origin(path, labels="b,a,c,d")) is None
    assert find(Origin(path, labels=SHORT["labels"], scaling="0..255")) is None
    assert find(Origin(path, labels=SHORT["labels"], trust=True)) is None
    sidecar = path.with_name("small.keras.ferviz.json")
    sidecar.write_text('{"schema_version": 1, "input": {"scaling": "-1..1"}}')
    assert find(model.origin) is None
    sidecar.unlink()
    assert find(model.origin) is not None
    networks.seeded(networks.build("functional"), seed=9).save(path)
    assert find(model.origin) is None


def test_an_entry_made_of_two_files_goes_with_either(
    saved: Path, folder: Path, quick: list[Any], tmp_path: Path, networks: Any
) -> None:
    network = networks.build("functional")
    (tmp_path / "net.json").write_text(network.to_json())
    network.save_weights(tmp_path / "net.weights.h5")
    model = load_model(tmp_path / "net.weights.h5", **SHORT)
    assert {p.name for p in model.origin.files} == {"net.json", "net.weights.h5"}
    assert keep(model, model.origin, lambda _: None)
    origin = Origin(tmp_path / "net.weights.h5", labels=SHORT["labels"])
    assert find(origin) is not None
    (tmp_path / "net.json").write_text(network.to_json() + " ")
    assert find(origin) is None
    (tmp_path / "net.json").unlink()
    assert find(origin) is None


def test_a_damaged_entry_is_dropped_and_made_again(saved: Path, folder: Path, quick: list[Any]) -> None:
    model = load_model(saved, **SHORT)
    kept = keep(model, model.origin, lambda _: None)
    assert kept is not None
    kept.write_bytes(kept.read_bytes()[:-100])
    assert load_model(saved, **SHORT).engine.name == "keras"
    assert not kept.exists()
    assert keep(model, model.origin, lambda _: None) == kept


def test_a_network_that_cannot_be_compiled_is_told_once(
    saved: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(model: Any) -> Any:
        raise ModelError("the network cannot be compiled because of Igamma")

    monkeypatch.setattr(cache, "compile_model", refuse)
    said: list[str] = []
    model = load_model(saved, **SHORT)
    assert keep(model, model.origin, said.append) is None
    assert "Igamma" in said[-1]
    count = len(said)
    assert keep(model, model.origin, said.append) is None
    assert len(said) == count
    assert load_model(saved, **SHORT).engine.name == "keras"


def test_a_folder_that_cannot_be_written_is_told_and_nothing_else(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: list[Any]
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FERVIZ_CACHE", str(tmp_path / "file"))
    said: list[str] = []
    model = load_model(saved, **SHORT)
    assert model.engine.name == "keras"
    assert keep(model, model.origin, said.append) is None
    assert len(said) == 1
    assert "cache cannot be written" in said[0]
    assert quick == []


def test_a_full_disk_is_told_and_leaves_nothing(
    saved: Path, folder: Path, quick: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    said: list[str] = []
    model = load_model(saved, **SHORT)
    monkeypatch.setattr(os, "fsync", full)
    assert keep(model, model.origin, said.append) is None
    assert "No space left" in said[-1]
    assert [p for p in folder.iterdir() if p.suffix == ".ferviz"] == []


def test_the_least_recently_used_entries_go_first(folder: Path) -> None:
    folder.mkdir(parents=True)
    now = time.time()
    for age in range(5):
        path = folder / f"e{age}.ferviz"
        path.write_bytes(b"x" * 1000)
        os.utime(path, (now - age, now - age))
    tidy(folder, cap=3500)
    assert sorted(p.stem for p in folder.iterdir()) == ["e0", "e1", "e2"]
    tidy(folder, newest=folder / "e2.ferviz", cap=500)
    assert [p.stem for p in folder.iterdir()] == ["e2"]
    tidy(folder / "missing", cap=1)


def _write(path: str, compiled: Any, gate: Any, enough: Any) -> None:
    gate.wait()
    while not enough.is_set():
        write_compiled(path, compiled, force=True)


def test_two_processes_that_write_one_entry_leave_a_sound_one(entry: Any, tmp_path: Path) -> None:
    from ferviz.models.compiled.file import read_compiled

    path = tmp_path / "e.ferviz"
    context = multiprocessing.get_context("fork")
    gate, enough = context.Barrier(2), context.Event()
    writers = [context.Process(target=_write, args=(str(path), entry, gate, enough)) for _ in range(2)]
    for writer in writers:
        writer.start()
    seen: set[int] = set()
    try:
        while len(seen) < 6 and all(writer.is_alive() for writer in writers):
            if path.exists():
                assert read_compiled(path).network.content == entry.network.content
                seen.add(path.stat().st_mtime_ns)
    finally:
        enough.set()
        for writer in writers:
            writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert read_compiled(path).network.content == entry.network.content
    assert [p.name for p in tmp_path.iterdir()] == ["e.ferviz"]
