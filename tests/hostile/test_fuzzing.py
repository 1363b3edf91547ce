"""The fuzzer finds what it looks for: a target that does what no reader may is caught, and the case is known."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from fuzz.campaign import Tally, _count
from fuzz.guard import Guard
from fuzz.target import Target
from fuzz.targets import TARGETS
from fuzz.worker import make_case, run_case

from ferviz.errors import ModelError


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Guard:
    """One for the module: a hook stays for as long as Python runs."""
    folder = tmp_path_factory.mktemp("guard")
    for name in ("case", "home"):
        (folder / name).mkdir()
    return Guard((folder / "case",), (folder / "home",))


def refuse(path: Path) -> None:
    raise ModelError("it is damaged")


class ReportError(ModelError):
    """What ferviz' own errors cannot be any more: several lines."""

    def __str__(self) -> str:
        return "it is damaged\n  line 2\n  line 3"


def refuse_with_a_report(path: Path) -> None:
    raise ReportError


def fail(path: Path) -> None:
    raise KeyError("labels")


def write_outside(path: Path) -> None:
    (path.parents[1] / "home" / "x").write_text("x")


def write_like_native_code(path: Path) -> None:
    os.close(os.open(path.parents[1] / "home" / "y", os.O_WRONLY | os.O_CREAT))


def start_a_program(path: Path) -> None:
    subprocess.run(["true"], check=False)


def unpickle(path: Path) -> None:
    import pickle

    pickle.loads(pickle.dumps(Path()))


@pytest.mark.parametrize(
    ("run", "kind"),
    [
        (lambda path: None, "read"), (lambda path: (path.parent / "own").write_text("x"), "read"), (refuse, "refused"),
        (refuse_with_a_report, "sentence"), (fail, "traceback"), (write_outside, "written"), (write_like_native_code, "written"),
        (start_a_program, "executed"), (unpickle, "executed"),
    ],
)  # fmt: skip
def test_what_a_case_does_is_noticed(guard: Guard, run, kind: str) -> None:
    folder = guard.empty[0].parent
    target = Target("x", "x", ".x", dict, lambda data, rng, seeds: data, run)
    outcome = run_case(target, folder / "case" / "case.x", guard)
    assert outcome.kind == kind, outcome
    assert not list((folder / "home").iterdir())


def test_a_finding_is_kept_with_its_case(tmp_path: Path) -> None:
    target = Target("x", "x", ".x", dict, lambda data, rng, seeds: data, refuse)
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "case.x").write_bytes(b"the case")
    tally = Tally()
    _count(target, tmp_path, 7, 0, "refused", "it is damaged", tally)
    _count(target, tmp_path, 8, 0, "crashed", "exit -11: x", tally)
    assert tally.cases == 2
    assert tally.kinds == {"refused": 1, "crashed": 1}
    (kept,) = (tmp_path / "findings").glob("*.x")
    assert kept.read_bytes() == b"the case"
    assert "case 8" in kept.with_suffix(".txt").read_text()


@pytest.mark.parametrize("name", ["csv", "sidecar", "picture"])
def test_a_case_can_be_had_again(name: str) -> None:
    target = TARGETS[name]
    seeds = target.seeds()
    cases = [make_case(target, seeds, 1, number) for number in range(60)]
    assert cases == [make_case(target, seeds, 1, number) for number in range(60)]
    assert len(set(cases)) > 40, "mutations that change nothing find nothing"
    assert cases[50] != make_case(target, seeds, 2, 50)
