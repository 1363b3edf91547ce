"""Every script in examples/ runs as its README says."""

from __future__ import annotations

import csv
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ferviz.attribution.methods.registry import METHODS
from ferviz.data.read import READERS
from ferviz.data.synthetic import cartoons
from ferviz.engines.registry import ENGINES
from ferviz.errors import OutputExistsError, UnknownNameError
from ferviz.evaluation.metrics import wilson
from ferviz.faces.detectors.registry import DETECTORS
from ferviz.models.architectures import ARCHITECTURES
from ferviz.writers import WRITERS

EXAMPLES = Path(__file__).parents[1] / "examples"
LONG = {"video_timeline.py"}  # sixty frames; tests/video covers its steps
OWN = {"sweep.py"}  # has a test of its own
REGISTRIES = (METHODS, DETECTORS, READERS, ARCHITECTURES, ENGINES, WRITERS)


@pytest.fixture(autouse=True, scope="module")
def opened_once(read_once: None, frozen_once: None) -> None:
    """The bundled network is read, and frozen for dreams, once for all examples."""


@pytest.fixture(autouse=True)
def registries_as_they_were() -> Iterator[None]:
    """What an example registers is gone after it, as it is with the end of its process."""
    before = [{name: registry.entry(name) for name in registry} for registry in REGISTRIES]
    yield
    for registry, entries in zip(REGISTRIES, before, strict=True):
        registry._entries.clear()
        registry._entries.update(entries)


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted(p.name for p in EXAMPLES.glob("*.py") if p.name not in LONG | OWN))
def test_example_runs(script, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [script])
    runpy.run_path(str(EXAMPLES / script), run_name="__main__")
    written = [line for line in capsys.readouterr().out.splitlines() if line.startswith("written:")]
    assert written
    assert [p for p in tmp_path.iterdir() if p.stat().st_size > 100]


@pytest.mark.slow
def test_a_sweep_goes_on_where_it_was_left(tmp_path, monkeypatch, capsys):
    def sweep(*words: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["sweep.py", *words])
        runpy.run_path(str(EXAMPLES / "sweep.py"), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    make = cartoons.make
    monkeypatch.setattr(cartoons, "make", lambda count, **more: make(count // 3, **more))
    monkeypatch.chdir(tmp_path)
    lines = sweep("epochs=1", "learning_rate=.01,.05")
    names = ["epochs-1_learning_rate-0.01", "epochs-1_learning_rate-0.05"]
    assert lines[:2] == [f"{name}: training" for name in names]
    shares = [line for line in lines if line.endswith(tuple(names)) and " % (" in line]
    assert len(shares) == 2
    accuracy = [float(line.split()[0]) for line in shares]
    assert accuracy == sorted(accuracy, reverse=True)
    assert sum("of 90 faces different labels" in line for line in lines) == 1
    with (tmp_path / "sweep" / "epochs-1_learning_rate-0.01" / "history.csv").open() as file:
        best = max(float(row["val_accuracy"]) for row in csv.DictReader(file))
    low, high = wilson(round(best * 90), 90)
    (line,) = (line for line in shares if line.endswith("0.01"))
    assert line.startswith(f"{100 * best:5.1f} % ({100 * low:.1f} to {100 * high:.1f})")
    assert all((tmp_path / "sweep" / name).stat().st_size > 10_000 for name in ("curves.png", "disagreements.png"))

    # One run was cut off before its end, one is finished.
    networks = {name: (tmp_path / "sweep" / name / "best.keras").read_bytes() for name in names}
    (tmp_path / "sweep" / names[1] / "manifest.json").unlink()
    lines = sweep("learning_rate=.01,.05", "epochs=1")
    assert lines[:2] == [f"{names[0]}: trained already", f"{names[1]}: going on"]
    assert (tmp_path / "sweep" / names[0] / "best.keras").read_bytes() == networks[names[0]]

    with pytest.raises(OutputExistsError, match="another configuration, architecture or data"):
        sweep("learning_rate=.01", "epochs=1", "--architecture", "plain")
    with pytest.raises(UnknownNameError, match="did you mean 'epochs'"):
        sweep("epoch=2")


def test_every_example_is_in_the_readme():
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert not [p.name for p in EXAMPLES.glob("*.py") if f"`{p.name}`" not in readme]
