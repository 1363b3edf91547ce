"""`ferviz scale`: plan, run, status, retry, merge, as typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ferviz.cli import run as ferviz
from ferviz.errors import UsageError
from ferviz.scale.run_directory import RunDirectory
from ferviz.scale.settings import ScaleSettings


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return dict(json.loads(capsys.readouterr().out))


def test_from_a_source_to_one_file(
    array: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ferviz(["scale", "plan", str(array), "--shard-size", "5", "-t", "happy,sad", "--json"]) == 0
    planned = document(capsys)
    assert (planned["shards"], planned["pictures"], planned["kind"]) == (3, 12, "npy")
    folder = "faces_scale"
    assert Path(planned["folder"]) == tmp_path / folder
    assert ferviz(["scale", "status", folder]) == 0
    assert "0 of 3 shards are done, 3 are left" in capsys.readouterr().out
    assert ferviz(["scale", "merge", folder]) == 2
    assert "finish the run" in capsys.readouterr().err
    assert ferviz(["scale", "run", folder, "--json"]) == 0
    assert document(capsys)["explained"] == 12
    assert ferviz(["scale", "run", folder]) == 0
    assert "3 of 3 shards are done" in capsys.readouterr().err
    assert ferviz(["scale", "merge", folder, "--json"]) == 0
    assert document(capsys)["out"] == "faces_scale.parquet"
    assert ferviz(["scale", "merge", folder]) == 7
    import pandas as pd

    assert pd.read_parquet("faces_scale.parquet")["target"].tolist() == ["happy", "sad"] * 12
    # A folder of another run is refused.
    assert ferviz(["scale", "plan", str(array), "--shard-size", "5"]) == 1
    assert "(target, targets differ)" in capsys.readouterr().err


def test_a_shard_in_quarantine_is_named_and_ends_with_its_own_code(
    array: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "run")
    assert ferviz(["scale", "plan", str(array), "--out", folder, "--shard-size", "6"]) == 0
    RunDirectory(folder).quarantine(1, "it ended with\x1b[31m signal 9")
    capsys.readouterr()
    assert ferviz(["scale", "run", folder]) == 3
    said = capsys.readouterr().err
    assert "shard 1 is in quarantine: it ended with\\x1b[31m signal 9" in said
    assert ferviz(["scale", "status", folder, "--json"]) == 0
    assert document(capsys)["quarantined"] == {"1": "it ended with\x1b[31m signal 9"}
    assert ferviz(["scale", "retry", folder]) == 0


def test_all_that_names_the_network_reaches_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def plan(source: str, out: Path, **settings: Any) -> None:
        given.update(settings)
        raise UsageError("enough")

    monkeypatch.setattr("ferviz.scale.plan", plan)
    named = {
        "model": "a.pth",
        "labels": "7",
        "scaling": "0..1",
        "weights": "b.pth",
        "input": "48x48x1",
        "architecture": "c.py:Net",
    }
    words = [word for name, value in named.items() for word in (f"--{name}", value)]
    assert ferviz(["scale", "plan", "faces.npy", *words, "--engine", "keras", "--trust"]) == 2
    assert {name: given[name] for name in (*named, "engine", "trust")} == named | {"engine": "keras", "trust": True}


def test_the_files_of_a_plan_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("net.py", "net.h5", "net.json"):
        Path(name).touch()
    asked: dict[str, Any] = {}

    def load(path: str, **given: Any) -> None:
        asked.update(given, path=path)
        raise UsageError("enough")

    monkeypatch.setattr("ferviz.scale.settings.load_model", load)
    with pytest.raises(UsageError, match="enough"):
        ScaleSettings.prepare("net.json", weights="net.h5", architecture="net.py:Net")
    assert [asked[name] for name in ("path", "weights", "architecture")] == [
        str(tmp_path / "net.json"), str(tmp_path / "net.h5"), f"{tmp_path / 'net.py'}:Net"
    ]  # fmt: skip
    with pytest.raises(UsageError, match="enough"):
        ScaleSettings.prepare(architecture="timm:resnet18")
    assert (asked["path"], asked["architecture"]) == (None, "timm:resnet18")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["run", "no"], 6, "holds no plan"),
        (["status", "no"], 6, "holds no plan"),
        (["plan", "no.npy", "--out", "run"], 6, "not there"),
        (["plan", "faces.npy", "--out", "run", "--method", "gradcm"], 2, "gradcam"),
        (["plan", "faces.npy", "--out", "run", "--split", "Training"], 2, "no parts"),
        (["plan", "faces.npy", "--out", "run", "--model", "no.h5"], 4, "no.h5"),
        (["plan", "faces.npy", "--out", "faces.npy"], 1, "faces.npy"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    words: list[str],
    code: int,
    message: str,
    array: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(array.parent)
    assert ferviz(["scale", *words]) == code
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert not Path("run").exists()


@pytest.mark.parametrize(("alone", "expected"), [(0.5, 0.125), (2.0, 2.0)])
def test_a_face_takes_its_share_of_a_batch_unless_it_is_slow_alone(
    alone: float, expected: float, nobody_measures: Callable[..., float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening the network does not count, nor does the first face, which warms it; where that takes a second, nothing more is asked."""
    clock = [0.0]

    def takes(seconds: float) -> None:
        clock[0] += seconds

    class Job:
        model = SimpleNamespace(input=SimpleNamespace(size=(48, 48)))

        def __call__(self, faces: list[Any]) -> None:
            takes(alone * len(faces))

        def explain(self, faces: list[Any]) -> None:
            assert alone < 1
            takes(alone * len(faces) / 4)

    def opened() -> Job:
        takes(7)
        return Job()

    monkeypatch.setattr("ferviz.scale.planner.time", SimpleNamespace(perf_counter=lambda: clock[0]))
    assert nobody_measures(SimpleNamespace(open=opened)) == pytest.approx(expected)
