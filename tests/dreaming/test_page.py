"""The example of docs/extending/write-an-objective.md runs as it stands, and does what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferviz
from ferviz.dreaming.dream import DreamConfig

PAGE = Path(__file__).parents[2] / "docs" / "extending" / "write-an-objective.md"


@pytest.mark.slow
@pytest.mark.usefixtures("read_once")
def test_the_page_s_example_moves_a_layer_s_activation_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    made: list[Any] = []
    real = ferviz.dream

    def kept(*arguments: Any, **options: Any) -> Any:
        made.append(real(*arguments, config=DreamConfig(samples=1), **options))  # a quarter of the views, of the time
        return made[-1]

    monkeypatch.setattr(ferviz, "dream", kept)
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(code, str(PAGE), "exec"), names)
    (picture,) = tmp_path.glob("*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    model, layer = names["model"], names["layer"]
    plain = real(model, "angry", steps=32, config=DreamConfig(samples=1))

    def above(dream: Any) -> float:
        maps = np.abs(model.engine.activations(model.preprocess(dream.images), [layer])[0][0])
        upper, lower = maps[: len(maps) // 2].mean(), maps[-(len(maps) // 2) :].mean()
        return float((upper - lower) / (upper + lower))

    assert made[0].objective == (f"angry + 20 above {layer}",)
    assert above(made[0]) > above(plain) + 0.1
    assert made[0].probability[0] > 0.5
