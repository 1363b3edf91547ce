"""The graphics processor: it is used where its answers are the processor's, and what it leaves undone is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow

SETS = [0, 3, 255]
ASK = """async (engine) => {
  const { picture, masks } = studio.face, parts = engine.parts(%s).map((part) => [picture, masks, 'harmonic', part]);
  return (await engine.spread('coalitions', parts)).flat();
}"""
ONE_BY_ONE = "async () => studio.engine.call('coalitions', studio.face.picture, studio.face.masks, 'harmonic', %s)"


@pytest.fixture(scope="module")
def page(open_page: Any, start_browser: Callable[..., Any]) -> Any:
    """The page in a browser whose graphics processor is a program, so that it is there on every machine."""
    words = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--disable-gpu-watchdog")
    page = open_page("#/network/relu8/1", among=start_browser(*words))
    page.until("said.some(({ text }) => text.startsWith('Channel 1 of relu8'))")
    return page


def accelerate(page: Any, **options: Any) -> tuple[bool, str]:
    """-> whether the graphics processor is used, and the reason why it is not."""
    used, reason = page.evaluate(
        "async (options) => [await studio.engine.accelerate(options), studio.engine.withoutGraphics]", options
    )
    if not used and "no graphics processor" in reason:
        pytest.skip("this Chromium has no software for WebGPU")
    return used, reason


def test_a_program_is_no_graphics_processor(page: Any) -> None:
    used, reason = accelerate(page)
    assert not used
    assert "is a program" in reason
    assert page.evaluate("studio.engine.graphics") is None
    assert reason in page.inner_text("footer")
    assert page.complaints == []


def test_it_answers_as_the_processor_does(page: Any) -> None:
    used, reason = accelerate(page, software=True, batch=2)
    assert used, reason
    told = np.array(page.evaluate(f"async () => ({ASK % SETS})(studio.engine)"))
    assert page.evaluate("studio.engine.graphics !== null"), page.evaluate("studio.engine.withoutGraphics")
    expected = np.array(page.evaluate(ONE_BY_ONE % SETS))
    np.testing.assert_allclose(told, expected, atol=1e-4 * np.ptp(expected))


def test_wrong_answers_are_not_used(page: Any) -> None:
    # This program has no numbers of sixteen bits, and gives zeros without a complaint.
    used, reason = accelerate(page, software=True, batch=2, precision="fp16")
    assert not used
    assert "answers are not the processor's" in reason
    assert page.evaluate("studio.engine.graphics") is None


def test_what_a_lost_processor_leaves_undone_is_done(page: Any) -> None:
    told = page.evaluate(
        """async () => {
          const { engine } = studio, helper = { ...engine.front, close() {} };
          let calls = 0;
          helper.call = (...words) => (calls++ ? Promise.reject(new Error("the device was lost")) : engine.call(...words));
          Object.assign(engine, { graphics: helper, batch: 2 });
          const answers = await (%s)(engine);
          return { answers, calls, graphics: engine.graphics, reason: engine.withoutGraphics };
        }"""
        % (ASK % SETS)
    )
    assert (told["calls"], told["graphics"], told["reason"]) == (2, None, "the device was lost")
    np.testing.assert_allclose(told["answers"], page.evaluate(ONE_BY_ONE % SETS), atol=1e-5)
