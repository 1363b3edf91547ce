"""Training as a whole: what a run leaves, what it refuses, and that leaving and taking it up changes nothing."""

from __future__ import annotations

import csv
import errno
import json
import shutil
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferviz.data.dataset import Dataset
from ferviz.errors import DataError, ModelError, OutputError, OutputExistsError, UsageError
from ferviz.models.load import load_model
from ferviz.training import checkpoint
from ferviz.training.config import Augmentation, TrainConfig
from ferviz.training.fine_tuning import pair_from_file
from ferviz.training.loop import Learner
from ferviz.training.run_folder import new_plan
from ferviz.training.train import TrainingProgress, train

from .conftest import TINY

pytestmark = pytest.mark.slow
SHORT = TrainConfig(epochs=2, batch_size=32, warmup=0.5, precision="float32")
USUAL: dict[str, Any] = {"architecture": "residual", "options": None, "labels": None, "init_from": None}
LOOK = Augmentation(flip=0.5, shift=0.5, rotate=0, zoom=0, erase=0, brightness=0.05, contrast=0.05)


class CutError(Exception):
    """Stands for whatever ends a run from outside."""


def cut_at(epoch: int, step: int) -> Callable[[TrainingProgress], None]:
    def watch(p: TrainingProgress) -> None:
        if (p.epoch, p.step) == (epoch, step) and p.validated is None:
            raise CutError

    return watch


def weights(folder: Path, name: str = "last") -> list[np.ndarray]:
    return load_model(folder / f"{name}.keras").engine.network.get_weights()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def finished(stripes: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "a"
    train(stripes, out=folder, options=TINY, config=replace(SHORT, seed=5))
    return folder


@pytest.fixture
def again(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run."""
    return Path(shutil.copytree(finished, tmp_path / "again"))


def test_a_network_learns_and_its_file_says_what_it_is(stripes: Dataset, tmp_path: Path) -> None:
    # As many steps as 24 epochs of 32 faces a step, with half as many networks to write.
    config = replace(SHORT, epochs=12, batch_size=16, learning_rate=0.03, augmentation=LOOK, ema=0.8)
    options = TINY | {"widths": [12], "blocks": [2], "stem": 8, "dropout": 0.0}
    run = train(stripes, out=tmp_path / "run", options=options, config=config)
    assert run.best["val_accuracy"] > 0.9
    model = load_model(run.folder / "best.keras")
    assert model.labels == stripes.names
    assert (model.input.height, model.input.channels, model.input.scaling) == (24, 1, "0..255")
    assert model.notes == ()
    judged = stripes.take(stripes.split == "PublicTest")
    accuracy = (model.logits(judged.images).argmax(1) == judged.labels).mean()
    assert accuracy == pytest.approx(run.best["val_accuracy"], abs=1e-6)


def test_what_a_run_leaves(finished: Path) -> None:
    left = {path.name for path in finished.iterdir()}
    assert left == {
        "best.keras", "best.ferviz.json", "last.keras", "last.ferviz.json", "config.json", "history.csv", "curves.png",
        "manifest.json", "state.npz",
    }  # fmt: skip
    rows = list(csv.DictReader((finished / "history.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    manifest = json.loads((finished / "manifest.json").read_text())
    assert manifest["config"]["seed"] == 5
    assert manifest["data"]["sha256"] == "0" * 64
    assert "keras" in manifest["versions"]
    best = max(rows, key=lambda row: float(row["val_accuracy"]))
    assert manifest["best"]["epoch"] == int(best["epoch"])


def test_same_seed_same_network_other_seed_another(stripes: Dataset, finished: Path, tmp_path: Path) -> None:
    train(stripes, out=tmp_path / "b", options=TINY, config=replace(SHORT, seed=5))
    for a, b in zip(weights(tmp_path / "b"), weights(finished), strict=True):
        np.testing.assert_array_equal(a, b)
    train(stripes, out=tmp_path / "c", options=TINY, config=replace(SHORT, seed=6))
    assert any((a != b).any() for a, b in zip(weights(tmp_path / "c"), weights(finished), strict=True))


def test_a_run_that_was_cut_off_ends_where_it_would_have(stripes: Dataset, finished: Path, tmp_path: Path) -> None:
    """Cut off before there is any state, and at the last step of an epoch."""
    for moment in ((1, 3), (2, 7)):
        with pytest.raises(CutError):
            train(
                stripes, out=tmp_path / "b", options=TINY, config=replace(SHORT, seed=5), progress=cut_at(*moment),
                resume=moment != (1, 3),
            )  # fmt: skip
    train(stripes, out=tmp_path / "b", resume=True, config=SHORT)
    for name in ("last", "best"):
        for a, b in zip(weights(tmp_path / "b", name), weights(finished, name), strict=True):
            np.testing.assert_array_equal(a, b)
    columns = [
        [row.rsplit(",", 1)[0] for row in (f / "history.csv").read_text().split()] for f in (tmp_path / "b", finished)
    ]
    assert columns[0] == columns[1]  # all but the seconds


def test_a_finished_run_resumes_to_itself_and_can_be_lengthened(stripes: Dataset, again: Path) -> None:
    before = (again / "last.keras").read_bytes()
    train(stripes, out=again, resume=True, config=SHORT)
    assert (again / "last.keras").read_bytes() == before
    run = train(stripes, out=again, resume=True, config=replace(SHORT, epochs=3))
    assert [row["epoch"] for row in run.history] == [1, 2, 3]
    assert json.loads((again / "config.json").read_text())["config"]["epochs"] == 3


def test_disk_full_leaves_the_last_good_state(stripes: Dataset, again: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = (again / "state.npz").read_bytes()

    def full(file: Any, **arrays: Any) -> None:
        file.write(b"half a file")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.np, "savez", full)
        with pytest.raises(OutputError, match="No space left"):
            train(stripes, out=again, resume=True, config=replace(SHORT, epochs=3))
    assert (again / "state.npz").read_bytes() == good
    assert not list(again.glob(".*"))
    assert len(train(stripes, out=again, resume=True, config=replace(SHORT, epochs=3)).history) == 3


def test_early_stopping(stripes: Dataset, tmp_path: Path) -> None:
    run = train(
        stripes,
        out=tmp_path / "a",
        options=TINY,
        config=replace(SHORT, epochs=9, learning_rate=0.0, ema=0.0, early_stopping=2, batch_size=100),
    )
    assert len(run.history) < 9


def test_other_labels(stripes: Dataset, tmp_path: Path) -> None:
    run = train(stripes, out=tmp_path / "a", labels="6-merged", options=TINY, config=replace(SHORT, epochs=1))
    model = load_model(run.folder / "best.keras")
    assert model.labels == ("angry", "fear", "happy", "sad", "surprise", "neutral")
    train(stripes, out=tmp_path / "a", resume=True, config=replace(SHORT, epochs=2))
    assert load_model(run.folder / "last.keras").labels == model.labels


def test_votes_and_teachers(stripes: Dataset, finished: Path, tmp_path: Path) -> None:
    config = replace(SHORT, epochs=1, ferplus_weight=0.3)
    train(
        stripes,
        out=tmp_path / "a",
        options=TINY,
        config=replace(config, teachers=(str(finished / "best.keras"),) * 2),
    )
    assert load_model(tmp_path / "a" / "best.keras").engine.logits(np.zeros((1, 24, 24, 1), np.float32)).shape == (1, 7)
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert manifest["config"]["ferplus_weight"] == 0.3
    assert len(manifest["config"]["teachers"]) == 2
    with pytest.raises(DataError, match="votes"):
        train(replace(stripes, votes=None), out=tmp_path / "b", options=TINY, config=config)
    with pytest.raises(ModelError, match="contempt"):
        train(
            stripes,
            labels=("happy", "contempt"),
            out=tmp_path / "c",
            options=TINY,
            config=replace(SHORT, teachers=(str(finished / "best.keras"),)),
        )


def test_fine_tuning_starts_from_the_file(stripes: Dataset, finished: Path, tmp_path: Path) -> None:
    still = replace(SHORT, epochs=1, learning_rate=0.0, ema=0.0, freeze=2)
    run = train(stripes, out=tmp_path / "a", config=still, init_from=finished / "last.keras")
    old, new = load_model(finished / "last.keras"), load_model(run.folder / "last.keras")
    np.testing.assert_allclose(
        new.probabilities(stripes.images), old.probabilities(stripes.images), rtol=1e-4, atol=1e-5
    )
    other = train(
        stripes,
        labels="positive-negative",
        out=tmp_path / "b",
        config=replace(SHORT, freeze=1),
        init_from=finished / "last.keras",
    )
    assert load_model(other.folder / "last.keras").labels == ("negative", "positive")
    assert len(other.history) == 2


def test_fine_tuning_computes_in_the_precision_that_is_asked_for(finished: Path) -> None:
    network = finished / "last.keras"
    core, saved = pair_from_file(str(network), load_model(network).labels, "bfloat16")
    kinds = {layer.compute_dtype for layer in core._flatten_layers() if layer.weights and not hasattr(layer, "layers")}
    assert kinds == {"bfloat16", "float32"}  # float32: the last layer, whose logits the loss takes
    assert {str(w.dtype) for w in core.trainable_weights} == {"float32"}
    assert {layer.compute_dtype for layer in saved._flatten_layers()} == {"float32"}
    for ours, theirs in zip(core.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_copies_of_validation_faces_are_left_out(stripes: Dataset, tmp_path: Path) -> None:
    images = stripes.images.copy()
    images[[0, 1, 2]] = images[4]  # face 4 is one of PublicTest
    data = replace(stripes, images=images)
    with_copies, _ = new_plan(tmp_path, data, config=SHORT, **USUAL).parts()
    without, validating = new_plan(tmp_path, data, config=replace(SHORT, drop_copies=True), **USUAL).parts()
    assert set(with_copies.rows) - set(without.rows) == {0, 1, 2}
    assert 4 in validating.rows
    images[:] = images[4]
    with pytest.raises(DataError, match="copy"):
        new_plan(tmp_path, replace(data, images=images), config=replace(SHORT, drop_copies=True), **USUAL)


def test_mini_xception_trains_here(stripes: Dataset, tmp_path: Path) -> None:
    config = replace(SHORT, epochs=1, batch_size=64)
    run = train(stripes, architecture="mini_xception", out=tmp_path / "a", options={"widths": [8]}, config=config)
    assert np.isfinite(run.history[0]["loss"])


def test_refusals(stripes: Dataset, finished: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputExistsError, match="--resume"):
        train(stripes, out=finished, options=TINY, config=SHORT)
    with pytest.raises(UsageError, match="no run to resume"):
        train(stripes, out=tmp_path / "nothing", resume=True)
    with pytest.raises(DataError, match="other data"):
        train(replace(stripes, sha256="f" * 64), out=finished, resume=True, config=SHORT)
    with pytest.raises(DataError, match="Training"):
        train(stripes.take(stripes.split == "PublicTest"), out=tmp_path / "b")
    with pytest.raises(DataError, match="Exam"):
        train(stripes, out=tmp_path / "b", config=TrainConfig(validation="Exam"))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        train(stripes, out=tmp_path / "file" / "run", options=TINY)


def test_a_loss_that_is_no_number_ends_the_run(
    stripes: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Learner, "step", lambda self, batch, rate: float("nan"))
    with pytest.raises(DataError, match="epoch 1, step 1"):
        train(stripes, out=tmp_path / "a", options=TINY, config=SHORT)
    assert not (tmp_path / "a" / "last.keras").exists()


def test_answers_that_are_no_numbers_end_the_run_before_they_are_saved(
    stripes: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Learner, "step", lambda self, batch, rate: 0.0
    )  # the last step's weights, after a loss that was a number
    monkeypatch.setattr(Learner, "logits", lambda self, images: np.full((len(images), self.classes), np.nan))
    with pytest.raises(DataError, match="NaN or infinity after epoch 1"):
        train(stripes, out=tmp_path / "a", options=TINY, config=SHORT)
    assert not (tmp_path / "a" / "last.keras").exists()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def flip(path: Path) -> None:
    """Change a bit in the largest member of an archive."""
    with zipfile.ZipFile(path) as archive:
        member = max(archive.infolist(), key=lambda info: info.compress_size)
    data = bytearray(path.read_bytes())
    name, extra = struct.unpack_from("<HH", data, member.header_offset + 26)
    data[member.header_offset + 30 + name + extra + member.compress_size - 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["config.json", "state.npz"])
@pytest.mark.parametrize("text", [None, "", "[]", "{}", "null", "[" * 99_999, '{"architecture": 1, "config": []}'])
def test_a_damaged_state_is_said_to_be(text: str | None, name: str, stripes: Dataset, again: Path) -> None:
    if text is None:
        cut(again / name)
    else:
        (again / name).write_text(text)
    with pytest.raises(DataError, match=f"{name} is damaged"):
        if name == "config.json":
            train(stripes, out=again, resume=True, config=SHORT)
        else:
            checkpoint.load_state(again)


@pytest.mark.parametrize(
    "counters",
    ["[]", "{}", "null", "7", '{"epoch": 2, "history": [], "plan": ""}', '{"epoch": 2, "history": null, "plan": ""}',
     '{"epoch": "2", "history": [{}, {}], "plan": ""}', '{"epoch": [], "history": [], "plan": []}'],
)  # fmt: skip
def test_counters_that_make_no_sense_are_damage(counters: str, again: Path) -> None:
    with np.load(again / "state.npz") as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(again / "state.npz", **arrays | {"counters": np.array(counters)})  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"state\.npz is damaged"):
        checkpoint.load_state(again)


def test_a_changed_bit_of_the_state_is_damage(again: Path) -> None:
    flip(again / "state.npz")
    with pytest.raises(DataError, match=r"state\.npz is damaged"):
        checkpoint.load_state(again)


@pytest.mark.parametrize(
    ("key", "value"), [("seed", 6), ("flip", 0.25), ("batch_size", None), ("architecture", "plain")]
)
def test_a_changed_configuration_is_not_resumed(key: str, value: Any, stripes: Dataset, again: Path) -> None:
    """Its beginning would be that of one run and its end that of another one."""
    document = json.loads((again / "config.json").read_text())
    place = next(d for d in (document, document["config"], document["config"]["augmentation"]) if key in d)
    place[key] = value
    (again / "config.json").write_text(json.dumps(document))
    with pytest.raises((DataError, UsageError)):
        train(stripes, out=again, resume=True, config=replace(SHORT, epochs=3))


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink])
def test_a_damaged_network_is_written_again_from_the_state(damage: Any, stripes: Dataset, again: Path) -> None:
    before = weights(again)
    damage(again / "last.keras")
    (again / "last.ferviz.json").write_text("[]")
    train(stripes, out=again, resume=True, config=SHORT)
    for a, b in zip(weights(again), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_lost_best_network_ends_the_run(stripes: Dataset, again: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weights are nowhere else: the next good epoch would become the best one, and nobody would know."""
    state = checkpoint.load_state(again)
    assert state is not None
    rows = [state.history[0] | {"val_accuracy": 1.0}, state.history[1] | {"val_accuracy": 0.5}]
    checkpoint.save_state(again, replace(state, history=rows))
    flip(again / "best.keras")
    with pytest.raises(DataError, match=r"best\.keras, the network of epoch 1, is missing or damaged"):
        train(stripes, out=again, resume=True, config=replace(SHORT, epochs=3))


@pytest.mark.parametrize("space", [1000, 15_000])
def test_a_network_that_does_not_fit_on_the_disk(space: int, full_after: Any, stripes: Dataset, again: Path) -> None:
    before = {path.name: path.read_bytes() for path in again.iterdir() if path.is_file()}
    with full_after(space), pytest.raises(OutputError, match="File too large"):
        train(stripes, out=again, resume=True, config=replace(SHORT, epochs=3))
    after = {path.name: path.read_bytes() for path in again.iterdir() if path.is_file()}
    assert {name for name in before if after[name] != before[name]} <= {"config.json"}
    assert after.keys() == before.keys()
