"""Data sets explained into a file: the same numbers as in memory, in chunks, and whole again after an interruption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferviz.attribution.attribution_job import AttributionJob
from ferviz.attribution.explain import explain
from ferviz.attribution.stream import explain_dataset
from ferviz.data.dataset import Dataset
from ferviz.errors import OutputError, OutputExistsError, UsageError
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model

LABELS = ("angry", "happy", "sad", "fear")


@pytest.fixture
def model(engine: Any) -> Model:
    return Model("net", "f00d", LABELS, InputSpec(18, 18, 1), engine("functional"))


@pytest.fixture
def data() -> Dataset:
    images = np.random.default_rng(0).integers(0, 256, (11, 18, 18)).astype(np.uint8)
    return Dataset(images, np.arange(11) % 7, np.full(11, "Training"), np.arange(11), sha256="abc")


class Killed(BaseException):
    """As a signal would."""


def stop_after(n: int) -> Any:
    def progress(chunks: Any, total: int) -> Any:
        for i, chunk in enumerate(chunks, 1):
            yield chunk
            if i == n:
                raise Killed

    return progress


job = AttributionJob.prepare


def test_the_file_holds_what_explain_answers(model: Model, data: Dataset, tmp_path: Path) -> None:
    told: list[int] = []

    def progress(chunks: Any, total: int) -> Any:
        assert total == 11
        for chunk in chunks:
            told.append(chunk)
            yield chunk

    out = explain_dataset(tmp_path / "maps.npz", job(model, "gradcam", "all", batch_size=4), data, progress=progress)
    assert told == [4, 4, 3]
    whole = explain(model, data.images, "gradcam", "all")
    with np.load(out, allow_pickle=False) as file:
        assert set(file.files) == {
            "heatmaps", "raw", "probabilities", "images", "labels", "true", "split", "rows", "manifest",
        }  # fmt: skip
        np.testing.assert_allclose(file["heatmaps"], whole.heatmaps, atol=1e-5)
        np.testing.assert_allclose(file["raw"], whole.raw, atol=1e-5)
        np.testing.assert_allclose(
            file["probabilities"], [list(p.probabilities.values()) for p in whole.predictions], atol=1e-5
        )
        np.testing.assert_array_equal(file["rows"], data.rows)
        assert '"targets"' in str(file["manifest"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["maps.npz"]


@pytest.mark.parametrize("chunks", [1, 2])
def test_an_interrupted_run_goes_on_where_it_stopped(model: Model, data: Dataset, tmp_path: Path, chunks: int) -> None:
    out = tmp_path / "maps.npz"
    with pytest.raises(Killed):
        explain_dataset(out, job(model, batch_size=4), data, progress=stop_after(chunks))
    assert not out.exists()
    with pytest.raises(OutputError, match="interrupted run; continue it with --resume"):
        explain_dataset(out, job(model, batch_size=4), data)
    told: list[int] = []

    def progress(chunks: Any, total: int) -> Any:
        for chunk in chunks:
            told.append(chunk)
            yield chunk

    explain_dataset(out, job(model, batch_size=4), data, resume=True, progress=progress)
    assert sum(told) == 11 - 4 * chunks
    with np.load(out) as file:
        np.testing.assert_allclose(file["raw"], explain(model, data.images).raw, atol=1e-5)


def test_another_question_does_not_continue_it(model: Model, data: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "maps.npz"
    with pytest.raises(Killed):
        explain_dataset(out, job(model, batch_size=4), data, progress=stop_after(1))
    with pytest.raises(OutputError, match=r"another question \(targets differ\)"):
        explain_dataset(out, job(model, target="happy", batch_size=4), data, resume=True)
    explain_dataset(out, job(model, target="happy", batch_size=4), data, force=True)
    with pytest.raises(OutputExistsError):
        explain_dataset(out, job(model, batch_size=4), data)


def test_resuming_what_never_began_is_beginning(model: Model, data: Dataset, tmp_path: Path) -> None:
    (tmp_path / "maps.npz.parts").mkdir()  # killed before its first chunk
    explain_dataset(tmp_path / "maps.npz", job(model), data, resume=True)
    explain_dataset(tmp_path / "other.npz", job(model), data, resume=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["maps.npz", "other.npz"]


def test_bad_outputs(model: Model, data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"maps\.png.*\.npz"):
        explain_dataset(tmp_path / "maps.png", job(model), data)
    with pytest.raises(OutputError, match="is not there"):
        explain_dataset(tmp_path / "no" / "maps.npz", job(model), data)
    with pytest.raises(UsageError, match="no faces"):
        explain_dataset(tmp_path / "maps.npz", job(model), data.take(np.zeros(11, bool)))
    assert not list(tmp_path.iterdir())
