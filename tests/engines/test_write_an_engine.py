"""The engine of docs/extending/write-an-engine.md runs as it stands, keeps the contract, and carries every method that it promises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferviz
from ferviz.attribution.methods.registry import METHODS
from ferviz.engines.base import INPUT, Engine
from ferviz.errors import FervizError, UnknownNameError

PAGE = Path(__file__).parents[2] / "docs" / "extending" / "write-an-engine.md"
NEEDS_MORE = {"ablationcam", "guided-backprop"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {"__name__": "page"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("page"))
        exec(compile(code, str(PAGE), "exec"), names)
        assert Path("layercam.png").read_bytes().startswith(b"\x89PNG")
    return names


def test_it_is_an_engine_and_its_gradients_are_finite_differences(page: dict[str, Any]) -> None:
    engine, model = page["engine"], page["model"]
    assert isinstance(engine, Engine)
    batch = model.preprocess(list(page["faces"][:2]))
    weights = np.random.default_rng(1).normal(size=(2, 2, 3)).astype("float32")
    picture, gradient, logits = engine.gradients(batch, INPUT, weights)
    assert picture is batch
    assert gradient.shape == (2, 2, 48, 48, 1)
    np.testing.assert_allclose(logits, engine.logits(batch), rtol=1e-6)
    step = np.zeros(batch.shape)  # float64, so that the step can be too small to cross a ReLU's corner
    step[:, 20, 30] = 1e-7
    change = (engine.logits(batch + step) - engine.logits(batch - step)) / 2e-7
    np.testing.assert_allclose(
        gradient[:, :, 20, 30, 0], np.einsum("ntk,nk->nt", weights, change), rtol=1e-4, atol=1e-6
    )
    with pytest.raises(UnknownNameError, match="conv"):
        engine.gradients(batch, "conf", weights)


def test_every_method_that_needs_no_more_runs_on_it(page: dict[str, Any]) -> None:
    model, faces = page["model"], page["faces"][:2]
    quick = {"rise": {"masks": 8}, "smoothgrad": {"samples": 2}, "integrated-gradients": {"steps": 4}}
    typical = {name: {"template": True} for name in METHODS if "template" in METHODS[name].settings}
    for name in METHODS:
        if ":" in name or METHODS[name].needs_explainer:
            continue
        if name in NEEDS_MORE:
            with pytest.raises(FervizError, match="the numpy engine"):
                ferviz.explain(model, faces, method=name)
            continue
        found = ferviz.explain(model, faces, method=name, target="all", **(quick | typical).get(name, {}))
        assert found.heatmaps.shape == (2, 3, 48, 48)
    activation, _, _ = page["engine"].gradients(model.preprocess(list(faces)), "conv", np.zeros((2, 1, 3), np.float32))
    cam = np.maximum(np.einsum("nhwc,ck->nkhw", activation, page["engine"].matrix), 0)
    found = ferviz.explain(model, faces, method="gradcam", target="all")
    np.testing.assert_allclose(
        found.raw * activation[0, ..., 0].size, cam, rtol=0, atol=1e-4 * cam.max()
    )  # CAM for a GAP head
