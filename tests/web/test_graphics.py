"""The exported page on a plain web server, and the graphics processor: used if it answers as the processor does, replaced when it goes."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

import ferviz
from ferviz.web.kept_dreams import KeptDreams
from ferviz.web.page_data import studio_network
from ferviz.web.site import Site, build_site

pytestmark = pytest.mark.slow

SETS = [0, 3, 255]
ASK = """async (engine) => {
  const { picture, masks } = studio.face, parts = engine.parts(%s).map((part) => [picture, masks, 'harmonic', part]);
  return (await engine.spread('coalitions', parts)).flat();
}"""
ONE_BY_ONE = "async () => studio.engine.call('coalitions', studio.face.picture, studio.face.masks, 'harmonic', %s)"


class Quiet(SimpleHTTPRequestHandler):
    extensions_map: ClassVar = {
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Host:
    """A web server that knows files and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.server.server_port}/somewhere/index.html"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def exported() -> Site:
    choices = {"server": False, "notice": "", "camera": None, "video": False, "data": False}
    stream = io.BytesIO()
    Image.new("L", (48, 48), 77).save(stream, "PNG")
    values = {"first": [0, -1.0], "last": [0, 6.25], "predicted": [0, 3], "probability": [0, 0.5]}
    dreams = KeptDreams(
        "relu8",
        {f"dreams/network/relu8/{n}.png": stream.getvalue() for n in range(2)},
        {"files": "dreams/network/relu8/{}.png", **values},
    )
    return build_site([studio_network(ferviz.load_model(), "network", dreams)], **choices)


@pytest.fixture(scope="module")
def page(
    open_page: Any, equipped_browser: Any, exported: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """The exported page on a web server that knows nothing of ferviz."""
    folder = tmp_path_factory.mktemp("host")
    exported.export(folder / "somewhere")
    host = Host(folder)
    page = open_page("#/network/relu8/1", server=host, among=equipped_browser)
    page.until("said.some(({ text }) => text.startsWith('Channel 1 of relu8'))")
    yield page
    host.server.shutdown()
    host.server.server_close()


def test_the_exported_page_needs_no_python(page: Any, exported: Site) -> None:
    folder = page.url.split("index.html")[0]
    asked = {url.removeprefix(folder) for url in page.sent if not url.startswith(("blob:", "data:"))}
    assert asked - {"index.html#/network/relu8/1"} <= set(exported.files)
    groups = page.evaluate("[...document.querySelectorAll('#method optgroup')].map(({ label }) => label)")
    assert groups == ["at once", "8 to 256 passes, in this page"]
    assert not page.is_visible("[data-room=data]")
    assert "6.25" in page.inner_text("#dream-text")
    assert "happy, 50 %" in page.inner_text("#dream-text")
    assert page.evaluate("document.getElementById('dream').getContext('2d').getImageData(90, 90, 1, 1).data[0]") == 77
    page.click("#grid .strip button:last-child")
    page.until("document.querySelectorAll('#grid > button img').length > 1")
    page.click("#grid > button:nth-of-type(3)")
    page.until("document.getElementById('dream-text').textContent.includes('ferviz dream --layer relu8 --channel 2')")
    assert not page.is_visible("#dream"), "of this one there is no dream"
    page.set_input_files("#file", {"name": "a.h5", "mimeType": "application/octet-stream", "buffer": b"x"})
    assert "ferviz compile MODEL" in page.next_error()


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
