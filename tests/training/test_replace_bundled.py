"""Replacing the bundled network is one command, whose steps are there, are taken once, and stop where the network itself fails."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture(scope="module")
def tool(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("tools/replace_bundled.py")


@pytest.fixture
def taken(tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the scripts that were called; a checkout and a run of empty files, and no process."""
    called: list[str] = []

    def run(command: list[str], **_: Any) -> SimpleNamespace:
        called.append(" ".join(command[2:]) if command[1] == "-m" else Path(command[1]).stem)
        return SimpleNamespace(returncode=int(called[-1] == failing.get("name")))

    failing: dict[str, str] = {}
    monkeypatch.setattr(subprocess, "run", run)
    for name, value in (("ROOT", tmp_path), ("ASSETS", tmp_path), ("IMAGES", tmp_path)):
        monkeypatch.setattr(tool, name, value)
    for name in (
        "bundled.keras",
        "bundled.ferviz",
        "run/best.keras",
        "run/history.csv",
        "fer2013.csv",
        "votes.csv",
        "benchmarks/x",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("first")
    monkeypatch.setattr(tool, "failing", failing, raising=False)
    return called


def call(tool: ModuleType, folder: Path, *more: str) -> Any:
    words = [str(folder / name) for name in ("run", "fer2013.csv", "votes.csv", "work")]
    return CliRunner().invoke(tool.main, [*words, *more])


def test_every_step_is_a_script_with_these_options(tool: ModuleType) -> None:
    for step in tool.steps(*map(Path, ("run", "fer2013.csv", "fer2013new.csv", "work")), ["a.keras"]):
        if step.words[0] == "-m":
            continue
        source = Path(step.words[0]).read_text(encoding="utf-8")
        for word in step.words[1:]:
            assert not word.startswith("--") or f'"{word}"' in source, (step.name, word)
        needed = re.findall(r'add_argument\("[a-z]+"(?![^\n]*nargs)|@click\.argument\(', source)
        assert len(list(takewhile(lambda word: not word.startswith("--"), step.words[1:]))) >= len(needed), step.name


def test_steps_are_taken_once_and_again_for_another_network(tool: ModuleType, taken: list[str], tmp_path: Path) -> None:
    assert call(tool, tmp_path).exit_code == 0
    assert taken[:3] == ["bundle_network", "teach_bundled", "calibrate_bundled"]
    names = [step.name for step in tool.steps(*[tmp_path] * 4, [])]
    assert len(taken) == len(names) == len(set(names))
    assert (tmp_path / "benchmarks" / "training-history.csv").read_text() == "first"
    everything = taken.copy()
    taken.clear()
    assert call(tool, tmp_path).exit_code == 0
    assert taken == []
    (tmp_path / "bundled.ferviz").write_text("second")  # taught anew: the network itself is the same
    assert call(tool, tmp_path).exit_code == 0
    assert taken == everything[2:]


def test_without_a_network_nothing_is_drawn(tool: ModuleType, taken: list[str], tmp_path: Path) -> None:
    tool.failing["name"] = "teach_bundled"
    answer = call(tool, tmp_path)
    assert answer.exit_code == 1
    assert "failed: teach_bundled" in answer.output
    assert taken == ["bundle_network", "teach_bundled"]
    tool.failing["name"] = "draw_studio"
    taken.clear()
    assert "failed: draw_studio" in call(tool, tmp_path).output
    assert "bundle_network" not in taken
    assert taken[-1] == "trust"  # a picture that fails keeps no figure back
    assert call(tool, tmp_path, "--only", "dance").exit_code == 2
