"""What fuzzing has found, read again: each file ends in a sentence, and leaves nothing behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ferviz.errors import FervizError

CORPUS = Path(__file__).resolve().parent / "corpus"
OPEN: dict[str, str] = json.loads((CORPUS / "open.json").read_text(encoding="utf-8"))
"""{finding: why it is not mended yet}."""

FINDINGS = sorted(path.relative_to(CORPUS).as_posix() for path in CORPUS.glob("*/*"))


def test_open_findings_are_in_the_corpus() -> None:
    assert set(OPEN) <= set(FINDINGS)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.xfail(reason=OPEN[name], strict=True, run="crash" not in name))
        if name in OPEN
        else name
        for name in FINDINGS
    ],
)
def test_a_finding_ends_in_a_sentence(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fuzz.targets import TARGETS

    target = TARGETS[name.split("/")[0]]
    for folder in ("case", "empty"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    path = Path(shutil.copy(CORPUS / name, tmp_path / "case" / f"case{target.suffix}"))
    sentence = ""
    try:
        target.run(path)
    except FervizError as error:
        sentence = str(error)
    assert "\n" not in sentence
    assert not list((tmp_path / "empty").iterdir())
