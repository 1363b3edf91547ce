"""Whatever dies, and whenever: the status never lies, nothing is lost or doubled, and the same command goes on."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferviz import scale
from ferviz.errors import DataError, ModelError, OutputError, UsageError
from ferviz.files import exclusive
from ferviz.models.bundled import bundled_path
from ferviz.scale import settings as settings_module
from ferviz.scale.executors.registry import choose_executor
from ferviz.scale.faults import STEPS
from ferviz.scale.receipts import Counts
from ferviz.scale.run_directory import RunDirectory

SHARDS = 4
Contents = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def plan(array: Path, tmp_path: Path) -> scale.Plan:
    return scale.plan(array, tmp_path / "run", shard_size=3)


@pytest.fixture(scope="module")
def undisturbed(array: Path, tmp_path_factory: pytest.TempPathFactory, contents: Contents) -> dict[str, bytes]:
    """The tables of a run that nothing disturbed."""
    plan = scale.plan(array, tmp_path_factory.mktemp("undisturbed"), shard_size=3)
    assert scale.run(plan, "inline").complete
    return contents(plan.path)


def check_complete(plan: scale.Plan, contents: Contents, undisturbed: dict[str, bytes]) -> None:
    result = scale.run(plan, "inline")
    assert result.complete
    assert result.counts.values == (12, 12, 0, 0)
    assert not result.tried
    assert contents(plan.path) == undisturbed
    assert not list(plan.path.glob("tries/*"))
    assert not (plan.path / "unfinished").exists()


def run_until(plan: scale.Plan, change: int) -> None:
    """Run a plan; the process ends before it changes the plan's folder for the so-many-th time."""
    left = change

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if not (arguments and isinstance(arguments[0], str | Path) and str(arguments[0]).startswith(str(plan.path))):
            return
        writes = event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir") or (
            event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        )
        left -= bool(writes)
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(audit)
    scale.run(plan, "inline")


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_every_step(
    step: str, plan: scale.Plan, in_child: Callable[..., int], contents: Contents, undisturbed: dict[str, bytes]
) -> None:
    assert in_child(lambda: scale.run(plan, "inline"), f"{step}:2") == 9
    result = scale.status(plan.folder)
    has_receipt = step in ("received", "tidied")
    assert result.done == 2 + has_receipt
    assert result.counts.explained == 3 * result.done
    assert list(result.tried) == ([] if has_receipt else [2])
    for name, data in contents(plan.path).items():  # what has a table's name is the table
        assert data == undisturbed[name]
    check_complete(plan, contents, undisturbed)


@pytest.mark.slow
def test_killed_again_and_again(array: Path, tmp_path: Path, in_child: Callable[..., int], contents: Contents) -> None:
    """A process that is killed before its first change of the folder, the next one before its third, until one is through."""
    plan = scale.plan(array, tmp_path / "run", shard_size=6, max_tries=50)
    kills = 0
    while in_child(partial(run_until, plan, 2 * kills + 1)):
        kills += 1
        assert scale.status(plan.folder).counts.explained == 6 * scale.status(plan.folder).done
    assert kills >= 6
    result = scale.run(plan, "inline")
    assert (result.complete, result.counts.values) == (True, (12, 12, 0, 0))
    again = scale.plan(array, tmp_path / "again", shard_size=6, max_tries=20)
    scale.run(again, "inline")
    assert contents(plan.path) == contents(again.path)


def test_a_bucket_copies_instead_of_renaming(
    plan: scale.Plan, in_child: Callable[..., int], contents: Contents, undisturbed: dict[str, bytes], monkeypatch: Any
) -> None:
    """Object storage has no rename: half a table may bear its name for a moment, but never with a receipt."""

    def copy(self: Path, target: Path) -> Path:
        data = self.read_bytes()
        with target.open("wb") as file:
            file.write(data[: len(data) // 2])
            file.flush()
            if target.name == "part-00000002.parquet" and not marker.exists():
                os.kill(os.getpid(), signal.SIGKILL)
            file.write(data[len(data) // 2 :])
        self.unlink()
        return target

    marker = plan.path.parent / "killed"
    monkeypatch.setattr(Path, "replace", copy)
    assert in_child(lambda: scale.run(plan, "inline")) == signal.SIGKILL
    marker.touch()
    half = contents(plan.path)["part-00000002.parquet"]
    assert undisturbed["part-00000002.parquet"].startswith(half)
    assert len(half) < len(undisturbed["part-00000002.parquet"])
    assert scale.status(plan.folder).counts.values == (6, 6, 0, 0)
    with pytest.raises(UsageError, match="finish the run"):
        scale.merge(plan, plan.path.parent / "faces.parquet")
    check_complete(plan, contents, undisturbed)


def test_two_rounds_of_one_death_each_are_enough_for_a_shard_that_kills(
    plan: scale.Plan, in_child: Callable[..., int], contents: Contents, undisturbed: dict[str, bytes], monkeypatch: Any
) -> None:
    for attempt in (1, 2):
        assert in_child(lambda: scale.run(plan, "inline"), "explained:1") == 9
        assert scale.status(plan.folder).tried == {1: attempt}
    monkeypatch.setenv("FERVIZ_SCALE_FAULT", "explained:1")  # its last attempt is in a process of its own
    result = scale.run(plan, "inline")
    assert list(result.quarantined) == [1]
    assert "signal 9" in result.quarantined[1]
    assert (result.done, result.left) == (SHARDS - 1, 0)
    manifest = json.loads((plan.path / "_ferviz_manifest.json").read_text())
    assert (manifest["input"], manifest["quarantined_pictures"]) == (9, 3)
    monkeypatch.delenv("FERVIZ_SCALE_FAULT")
    assert scale.run(plan, "inline").quarantined  # it stays there until somebody looks
    assert scale.retry(plan, "inline").complete
    check_complete(plan, contents, undisturbed)


@pytest.mark.slow
def test_the_picture_that_kills_is_named(plan: scale.Plan, table: Callable[[Path], Any], monkeypatch: Any) -> None:
    RunDirectory(plan.folder).quarantine(1, "it died")
    monkeypatch.setenv("FERVIZ_SCALE_FAULT", "picture-1:1")
    lines: list[str] = []
    result = scale.retry(plan, "inline", bisect=True, log=lines.append)
    assert not result.quarantined
    assert result.counts.values == (12, 11, 0, 1)
    frame = table(plan.path).set_index("id")
    assert frame.loc["4", "status"] == "failed"
    assert "process ended" in frame.loc["4", "reason"]
    assert any("picture 1 of shard 1" in line for line in lines)


def test_a_full_disk_is_an_error_and_leaves_no_half_file(
    plan: scale.Plan, full_after: Any, contents: Contents, undisturbed: dict[str, bytes]
) -> None:
    with full_after(2000), pytest.raises(OutputError, match="written"):
        scale.run(plan, "inline")
    assert contents(plan.path) == {}
    assert scale.status(plan.folder).done == 0
    check_complete(plan, contents, undisturbed)


def test_a_small_disk_is_an_error_and_no_signal(array: Path, small_disk: Path) -> None:
    plan = scale.plan(array, small_disk / "run", shard_size=3)
    filler = small_disk / "filler"
    space = 1 << 20
    while space > 256:
        try:
            with filler.open("ab") as file:
                file.write(bytes(space))
        except OSError:
            space //= 2
    with pytest.raises(OutputError, match="free some"):
        scale.run(plan, "inline")
    assert not list(plan.path.glob("parts/*/*"))
    filler.unlink()
    assert scale.run(plan, "inline").complete


def test_a_table_that_is_lost_is_made_again(
    plan: scale.Plan, contents: Contents, undisturbed: dict[str, bytes]
) -> None:
    scale.run(plan, "inline")
    RunDirectory(plan.folder).part(3).unlink()
    lines: list[str] = []
    scale.run(plan, "inline", log=lines.append)
    assert "1 shards have a receipt and no table" in lines[0]
    check_complete(plan, contents, undisturbed)


def test_a_folder_of_another_run_is_refused(plan: scale.Plan, array: Path, tmp_path: Path) -> None:
    again = scale.plan(array, plan.folder, shard_size=3)
    assert again.fingerprint == plan.fingerprint
    for change, name in (
        ({"shard_size": 4}, "shard_size"),
        ({"shard_size": 3, "target": "happy"}, "target"),
        ({"shard_size": 3, "method": "hirescam"}, "method"),
        ({"shard_size": 3, "seed": 1}, "seed"),
        ({"shard_size": 3, "batch_size": 8}, "batch_size"),
        ({"shard_size": 3, "scaling": "0..1"}, "scaling"),
    ):
        with pytest.raises(OutputError, match=name):
            scale.plan(array, plan.folder, **change)  # type: ignore[arg-type]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("x")
    with pytest.raises(OutputError, match="not empty"):
        scale.plan(array, tmp_path / "full")
    assert scale.load_plan(plan.folder).fingerprint == plan.fingerprint


def test_another_network_or_version_is_refused(array: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "net.ferviz"
    data = bundled_path("bundled").with_suffix(".ferviz").read_bytes()
    file.write_bytes(data)
    plan = scale.plan(array, tmp_path / "run", model=file)
    settings_module._opened.cache_clear()
    monkeypatch.setattr(settings_module.metadata, "version", lambda _: "9.9")
    with pytest.raises(ModelError, match=r"ferviz is 9\.9 here and was"):
        scale.run(plan, "inline")
    monkeypatch.undo()
    file.write_bytes(data[:-1])
    settings_module._opened.cache_clear()
    with pytest.raises(ModelError):
        scale.run(plan, "inline")
    assert scale.status(plan.folder).tried == {}


def test_a_source_that_has_changed_is_not_explained(faces: np.ndarray, tmp_path: Path) -> None:
    source = tmp_path / "faces.npy"
    np.save(source, faces)
    plan = scale.plan(source, tmp_path / "run", shard_size=3)
    np.save(source, faces[:9])
    with pytest.raises(DataError, match="when the plan was made"):
        scale.run(plan, "inline")
    assert scale.status(plan.folder).done == 0


def test_a_list_of_shards_that_has_changed_is_refused(plan: scale.Plan) -> None:
    shards = plan.path / "shards.jsonl"
    shards.write_bytes(shards.read_bytes().replace(b'"first": 3', b'"first": 4'))
    with pytest.raises(DataError, match="has changed"):
        scale.run(plan, "inline")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"settings": 3}', '{"settings": {"metod": 1}}', "{}"])
def test_a_plan_that_is_damaged_is_refused(text: str, plan: scale.Plan) -> None:
    (plan.path / "plan.json").write_text(text)
    with pytest.raises(DataError, match=r"plan\.json"):
        scale.load_plan(plan.folder)


def test_a_run_that_was_moved_goes_on(plan: scale.Plan, contents: Contents, undisturbed: dict[str, bytes]) -> None:
    moved = plan.path.rename(plan.path.with_name("moved"))
    check_complete(scale.load_plan(moved), contents, undisturbed)


def test_two_processes_do_not_run_one_plan(plan: scale.Plan) -> None:
    pytest.importorskip("fcntl")
    with exclusive(plan.path / "run.lock", "taken"), pytest.raises(OutputError, match="another process"):
        scale.run(plan, "inline")


def test_one_bad_shard_does_not_stop_the_others(
    plan: scale.Plan, contents: Contents, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of ferviz itself in one shard: the others are done, and the reason is told."""
    from ferviz.scale import shard_job

    settle = shard_job._settle

    def fragile(table: Any, rows: Any, job: Any) -> Any:
        if rows and rows[0].sample.id == "3":
            raise ZeroDivisionError("by nothing")
        return settle(table, rows, job)

    monkeypatch.setattr(shard_job, "_settle", fragile)
    monkeypatch.setattr("ferviz.scale.runner.explain_alone", lambda s, p: shard_job.explain_shard(s, p, alone=True))
    result = scale.run(plan, "inline")
    assert list(result.quarantined) == [1]
    assert "ZeroDivisionError: by nothing (test_faults.py" in result.quarantined[1]
    assert result.done == SHARDS - 1
    monkeypatch.undo()
    assert scale.retry(plan, "inline").complete
    check_complete(plan, contents, undisturbed)


def test_pictures_do_not_get_lost_in_the_counts() -> None:
    assert (Counts(3, 1, 1, 1) + Counts(2, 2)).values == (5, 3, 1, 1)
    with pytest.raises(AssertionError, match="3 pictures went in and 2 came out"):
        Counts(3, 1, 1, 0)


def test_the_network_is_loaded_once(plan: scale.Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    settings_module._opened.cache_clear()
    calls = []
    load = settings_module.load_model
    monkeypatch.setattr(settings_module, "load_model", lambda *a, **k: calls.append(1) or load(*a, **k))
    assert scale.run(scale.load_plan(plan.folder), "inline").complete
    assert len(calls) == 1


def test_auto_takes_processes_where_they_pay_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("ferviz.scale.executors.registry.processors", lambda: 4)
    assert choose_executor("auto", None, 3.0)[:2] == ("inline", 1)
    assert "3 s of work" in choose_executor("auto", None, 3.0)[2]
    assert choose_executor("auto", None, 300.0)[:2] == ("pool", 4)
    assert choose_executor("auto", None, None)[:2] == ("pool", 4)
    assert choose_executor("auto", 3, 1.0)[:2] == ("pool", 3)
    assert choose_executor("auto", 1, 300.0)[:2] == ("inline", 1)
    assert choose_executor("pool", None, 1.0)[:2] == ("pool", 4)
    with pytest.raises(UsageError, match="inline is one process"):
        choose_executor("inline", 2, 1.0)
    with pytest.raises(UsageError, match="engine 'spark' is not known"):
        choose_executor("spark", None, 1.0)
