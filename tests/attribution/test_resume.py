"""Unfinished runs whose parts were damaged, cut, emptied or did not fit on the disk: resumed they end as if nothing had happened."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ferviz.attribution import chunk_store
from ferviz.attribution.stream import explain_dataset, parts_folder
from ferviz.data.dataset import Dataset
from ferviz.errors import OutputError, OutputExistsError

FACES, CHUNK = 23, 4
DATA = Dataset(
    np.random.default_rng(0).integers(0, 256, (FACES, 8, 8)).astype(np.uint8),
    np.arange(FACES) % 7, np.full(FACES, "Training"), np.arange(FACES), sha256="abc",
)  # fmt: skip


class Killed(BaseException):
    """As a signal would."""


class Job:
    """Answers with the pixels themselves, so that every value is known."""

    engine = SimpleNamespace(name="none")
    model = SimpleNamespace(sha256="f00d", name="net", labels=("a", "b"), engine=engine, cautions=())
    method = SimpleNamespace(needs_regions=False)
    targets, layers, seed, settings, warnings = (SimpleNamespace(name="happy"),), ("conv",), 0, MappingProxyType({}), ()

    def __init__(self, batch_size: int = CHUNK, name: str = "identity") -> None:
        self.batch_size, self.name = batch_size, name
        self.explained: list[int] = []

    def with_templates(self) -> Job:
        return self

    def record(self) -> dict[str, Any]:
        return {}

    def __call__(self, faces: Any) -> Any:
        pixels = np.stack([face.pixels[..., 0] for face in faces]).astype(np.float32)[:, None]
        self.explained.append(len(faces))
        shares = [SimpleNamespace(probabilities={"a": float(p.mean()), "b": 1.0}) for p in pixels]
        return SimpleNamespace(heatmaps=pixels, raw=pixels[..., ::4, ::4], predictions=shares, grids={})


def kill_after(count: int) -> Any:
    def progress(chunks: Any, total: int) -> Any:
        for number, chunk in enumerate(chunks, 1):
            yield chunk
            if number == count:
                raise Killed

    return progress


@pytest.fixture(autouse=True)
def same_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    """The file of a run that nothing interrupted."""
    return explain_dataset(tmp_path / "whole.npz", Job(), DATA).read_bytes()  # type: ignore[arg-type]


@pytest.fixture
def out(tmp_path: Path, whole: bytes) -> Path:
    """The output of a run that was killed after four chunks of six."""
    path = tmp_path / "maps.npz"
    with pytest.raises(Killed):
        explain_dataset(path, Job(), DATA, progress=kill_after(4))  # type: ignore[arg-type]
    return path


def resume(out: Path, batch_size: int = CHUNK) -> tuple[list[int], list[str]]:
    """-> how many faces each call explained, and what the user read."""
    job, sentences = Job(batch_size), list[str]()
    explain_dataset(out, job, DATA, resume=True, log=sentences.append)  # type: ignore[arg-type]
    assert not parts_folder(out).exists()
    return job.explained, sentences


def change(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def cut(path: Path, keep: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: round(len(data) * keep)])


DAMAGES = {
    "nothing": (lambda parts: None, [4, 3], False),
    "raw is missing": (lambda parts: (parts / "raw.f4").unlink(), [4] * 5 + [3], True),
    "heatmaps are cut": (lambda parts: cut(parts / "heatmaps.f4", 0.6), [4, 4, 4, 3], True),
    "heatmaps are empty": (lambda parts: (parts / "heatmaps.f4").write_bytes(b""), [4] * 5 + [3], True),
    "one bit": (lambda parts: change(parts / "probabilities.f4", 5 * 8), [4, 4, 3], True),
    "everything is zero": (lambda parts: (parts / "raw.f4").write_bytes(bytes(16 * 16)), [4] * 5 + [3], True),
    "the log's last line is cut": (lambda parts: cut(parts / "run.jsonl", 0.99), [4, 4, 3], False),
    "the log is half": (lambda parts: cut(parts / "run.jsonl", 0.62), None, False),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_parts_are_explained_again(name: str, out: Path, whole: bytes) -> None:
    damage, explained, is_told = DAMAGES[name]
    damage(parts_folder(out))
    again, sentences = resume(out)
    assert explained is None or again == explained
    assert bool(sentences) == is_told, sentences
    assert out.read_bytes() == whole


@pytest.mark.parametrize(
    "line", ["[]", "{}", "null", "0", "", "[[[", '{"question": []}', '{"question": {}}', "[" * 100_000]
)
def test_a_log_without_its_question_begins_anew(line: str, out: Path, whole: bytes) -> None:
    log = parts_folder(out) / "run.jsonl"
    rest = log.read_text().split("\n")[2:]
    log.write_text("\n".join([line, *rest]))
    if line == '{"question": {}}':  # which may be another run's
        with pytest.raises(OutputError, match="another question"):
            resume(out)
        return
    again, (sentence,) = resume(out)
    assert sum(again) == FACES
    assert "begins anew" in sentence
    assert out.read_bytes() == whole


@pytest.mark.parametrize(
    "record",
    ["[]", "{}", "null", '{"start": 0}', '{"start": 16, "stop": 10000000000, "shapes": {"raw": [1, 2, 2]}, "crc32": {"raw": 0}}',
     '{"start": 16, "stop": 23, "shapes": {"raw": [1, 9999999999, 9999999999]}, "crc32": {"raw": 0}}',
     '{"start": 16, "stop": 23, "shapes": {"raw": [1, 2, 2]}, "crc32": {"raw": 0}}',
     '{"start": -4, "stop": 23, "shapes": {"raw": [-1]}, "crc32": {"raw": 0}}', '{"start": "x", "stop": 1, "shapes": 1, "crc32": 2}'],
)  # fmt: skip
def test_a_log_that_claims_too_much_is_not_believed(record: str, out: Path, whole: bytes) -> None:
    with (parts_folder(out) / "run.jsonl").open("a") as log:
        log.write(record + "\n")
    again, _ = resume(out)
    assert again == [4, 3]
    assert out.read_bytes() == whole


def test_another_batch_size_repairs_as_well(out: Path, whole: bytes) -> None:
    change(parts_folder(out) / "raw.f4", 5 * 16)
    again, _ = resume(out, batch_size=3)
    assert again == [3, 1, 3, 3, 1]
    with np.load(out) as file:
        np.testing.assert_array_equal(file["heatmaps"][:, 0], DATA.images)


@pytest.mark.parametrize("state", ["before clearing", "half cleared", "cleared"])
def test_killed_after_the_output_got_its_name(state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "maps.npz"

    def killed(folder: Any) -> None:
        if state == "half cleared":
            (folder / "raw.f4").unlink()
        if state == "cleared":
            folder.rename(tmp_path / "elsewhere")
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(chunk_store.shutil, "rmtree", killed)
        if state == "before clearing":
            patch.setattr(chunk_store.ChunkStore, "remove", killed)
        explain_dataset(out, Job(), DATA)  # type: ignore[arg-type]
    before = out.read_bytes()
    again, sentences = resume(out)
    assert (again, sentences) == ([], [])
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    "damage", [lambda path: cut(path, 0.5), lambda path: change(path, 100), lambda path: path.write_text("mine")]
)
def test_a_damaged_output_is_not_taken_for_the_end(damage: Any, tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "whole.npz"
    damage(path)
    before = path.read_bytes()
    with pytest.raises(OutputExistsError, match="no complete result of this run"):
        resume(path)
    assert path.read_bytes() == before


def test_the_result_of_another_question_is_not_taken_for_the_end(tmp_path: Path, whole: bytes) -> None:
    with pytest.raises(OutputExistsError):
        explain_dataset(tmp_path / "whole.npz", Job(name="other"), DATA, resume=True)  # type: ignore[arg-type]
    other = DATA.take(np.arange(FACES) > 0)
    with pytest.raises(OutputExistsError):
        explain_dataset(tmp_path / "whole.npz", Job(), other, resume=True)  # type: ignore[arg-type]


@pytest.mark.parametrize("space", [0, 100, 900, 2200, 5000])
def test_a_full_disk_is_an_error_and_the_run_goes_on_afterwards(
    space: int, full_after: Any, tmp_path: Path, whole: bytes
) -> None:
    """At the log, at an array, in its middle."""
    out = tmp_path / "maps.npz"
    with full_after(space), pytest.raises(OutputError, match="File too large"):
        explain_dataset(out, Job(), DATA)  # type: ignore[arg-type]
    assert not out.exists()
    again, sentences = resume(out)
    assert sum(again) <= FACES
    assert bool(sentences) == (space == 100)  # not even the question was there
    assert out.read_bytes() == whole


def test_a_full_disk_while_packing_loses_nothing(full_after: Any, tmp_path: Path, whole: bytes) -> None:
    out = tmp_path / "maps.npz"
    with pytest.raises(Killed):
        explain_dataset(out, Job(), DATA, progress=kill_after(6))  # type: ignore[arg-type]
    with full_after(2000), pytest.raises(OutputError, match="File too large"):
        resume(out)
    assert not out.exists()
    assert resume(out) == ([], [])
    assert out.read_bytes() == whole


def test_a_small_disk_is_an_error_and_no_signal(small_disk: Path) -> None:
    """The arrays are larger than the disk; a memory map of a file with holes would end in SIGBUS, which kills the process."""
    many = Dataset(
        np.zeros((600, 24, 24), np.uint8), np.zeros(600, int), np.full(600, "Training"), np.arange(600), sha256="abc"
    )
    with pytest.raises(OutputError, match=r"No space left on device.*--resume"):
        explain_dataset(small_disk / "maps.npz", Job(), many)  # type: ignore[arg-type]
    done = len((parts_folder(small_disk / "maps.npz") / "run.jsonl").read_text().split())
    assert done > 20
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    job = Job()
    explain_dataset(small_disk / "maps.npz", job, many, resume=True)  # type: ignore[arg-type]
    assert 0 < sum(job.explained) < 600
    with np.load(small_disk / "maps.npz") as file:
        assert file["heatmaps"].shape == (600, 1, 24, 24)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such lock")
def test_two_runs_do_not_write_to_one_folder(out: Path) -> None:
    question = json.loads((parts_folder(out) / "run.jsonl").read_text().split("\n")[1])["question"]
    with (
        chunk_store.ChunkStore(parts_folder(out), question, FACES),
        pytest.raises(OutputError, match="another run is writing"),
    ):
        resume(out)


def test_a_long_name_of_an_output_has_parts(tmp_path: Path) -> None:
    out = tmp_path / f"{'é' * 125}.npz"
    assert len(out.name.encode()) == 254
    with pytest.raises(Killed):
        explain_dataset(out, Job(), DATA, progress=kill_after(4))  # type: ignore[arg-type]
    assert resume(out)[0] == [4, 3]
