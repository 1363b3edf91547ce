"""The page as people use it, in a real browser: painting, keys, the camera, networks, and what is no picture."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ferviz
from ferviz.models.compiled.file import pack_compiled
from ferviz.trust.verdict import judge
from ferviz.web.page_data import _compiled

from .conftest import REST

pytestmark = pytest.mark.slow

PORTRAIT = Path(__file__).parents[2] / "examples" / "astronaut.png"


@pytest.fixture(scope="module")
def page(open_page: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    # Entered through the room of the network, in which no map is tested and no region measured by itself.
    page = open_page("#/network/relu8/1")
    page.until("said.some(({ text }) => text.startsWith('Channel 1 of relu8'))")
    page.evaluate(REST)
    page.click("[data-room=face]")
    page.evaluate("() => { delete studio.engine.spread; }")
    # The helpers are there, too, however many the processor is good for.
    page.evaluate("studio.engine.spread('logits', Array(8).fill([studio.face.picture]))")
    page.given = tmp_path_factory.mktemp("given")
    return page


def give(page: Any, name: str, content: bytes) -> None:
    (page.given / name).write_bytes(content)
    page.set_input_files("#file", page.given / name)


def test_nothing_complains_and_no_other_host_is_asked(page: Any, served: Any) -> None:
    assert page.complaints == []
    assert {url.split("/")[2] for url in page.sent if not url.startswith(("blob:", "data:"))} == {
        f"127.0.0.1:{served.port}"
    }
    assert "token" not in page.url


def test_a_stroke_moves_the_bars_and_undo_takes_it_back(page: Any) -> None:
    before, sent = page.inner_text("#bars"), len(page.sent)  # a browser loads the examples' pictures when it likes
    box = page.locator("#stage").bounding_box()
    place = [box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.76]
    page.mouse.move(place[0] - 60, place[1])
    page.mouse.down()
    page.mouse.move(place[0] + 60, place[1], steps=4)
    page.mouse.up()
    page.until("studio.current && studio.latencies.length")
    page.until("document.getElementById('change').textContent.includes('log-odds')")
    assert page.inner_text("#bars") != before
    assert page.locator("#unseen").is_visible()
    assert page.evaluate("studio.hidden.some(Boolean)")
    while page.locator("#undo").is_enabled():
        page.keyboard.press("Control+z")
    page.until("!studio.hidden.some(Boolean) && !studio.current")
    assert page.inner_text("#bars") == before
    assert [url for url in page.sent[sent:] if "/examples/" not in url] == [], "nothing was asked of any server"


def test_the_keyboard_hides_and_shows(page: Any) -> None:
    page.mouse.move(2, 2)
    page.focus("#stage")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "Space"):
        page.keyboard.press(key)
    page.until("studio.current")
    hidden = np.reshape(page.evaluate("[...studio.hidden]"), (48, 48))
    rows, columns = np.nonzero(hidden > 0.5)
    assert (round(rows.mean()), round(columns.mean())) == (26, 25)
    page.keyboard.press("Shift+Space")
    page.until("!studio.hidden.some(share => share > .01)")
    if page.is_enabled("#clear"):
        page.click("#clear")


def test_a_contrast_is_chosen_with_shift(page: Any) -> None:
    page.click(".bar:nth-child(4)")
    page.click(".bar:nth-child(5)", modifiers=["Shift"])
    page.until("studio.target.minus === 4 && studio.map.map.some(value => value < 0)")
    page.until("document.getElementById('map-note').textContent.includes('happy rather than sad')")
    page.click(".bar:nth-child(4)")
    page.until("studio.target.minus === null")


def test_a_region_of_the_table_is_hidden(page: Any) -> None:
    page.uncheck("#regions tr:nth-child(7) input")
    page.until("studio.current")
    assert page.evaluate("studio.face.masks[6].every((share, i) => Math.abs(share - studio.hidden[i]) < 1e-6)")
    page.check("#regions tr:nth-child(7) input")
    page.until("!studio.hidden.some(Boolean)")


def test_the_verdict_is_that_of_python(page: Any) -> None:
    model = ferviz.load_model()
    page.until("studio.map")
    made = page.evaluate(
        """async () => {
          studio.target = { plus: 3, minus: null, follow: false };
          const face = studio.face, weights = studio.engine.table.labels.map((_, k) => Number(k === 3));
          const map = await studio.engine.call('explain', face.picture, 'gradcam', 'relu8', weights, false);
          const verdict = await (await import('/ui/answer.js')).judge(map);
          return { verdict, picture: [...face.picture.data] };
        }"""
    )
    picture = np.reshape(made["picture"], (1, 48, 48, 1))
    crop = picture[..., 0].astype(np.uint8)
    weights = np.eye(7, dtype=np.float32)[3][None, None]
    explanation = ferviz.explain(model, crop, method="gradcam", layer="relu8", target="happy")
    expected = judge(model, picture.astype(np.float32), explanation.heatmaps, weights).verdicts[0][0]
    assert made["verdict"]["outcome"] == expected.outcome
    for fill, margin in made["verdict"]["margin"].items():
        assert margin == pytest.approx(expected.margin[fill], abs=0.01)


def test_every_class_has_its_map_and_one_scale(page: Any) -> None:
    page.select_option("#method", "gradcam")
    page.until(
        "studio.map && studio.map.method === 'gradcam' && studio.classMaps && studio.classMaps.method === 'gradcam'"
    )
    crop = np.reshape(page.evaluate("[...studio.face.picture.data]"), (1, 48, 48)).astype(np.uint8)
    explanation = ferviz.explain(ferviz.load_model(), crop, method="gradcam", layer="relu8", target="all", test=False)
    maps = [np.reshape(each, (12, 12)) for each in page.evaluate("studio.classMaps.maps.map((map) => [...map])")]
    np.testing.assert_allclose(maps, explanation.raw[0], atol=1e-4 * np.abs(explanation.raw).max())
    assert page.evaluate("studio.classMaps.vmax") == pytest.approx(np.abs(maps).max())


def test_colours_stand_for_the_same_while_one_paints(page: Any) -> None:
    before = page.evaluate("[Math.max(...studio.map.map), studio.map.vmax]")
    assert before[0] == before[1]
    page.uncheck("#regions tr:nth-child(7) input")
    page.until(
        "studio.hidden.some(Boolean) && document.getElementById('map-note').textContent.includes('the whole face\u2019s scale')"
    )
    after = page.evaluate("[Math.max(...studio.map.map), studio.map.vmax]")
    assert after[1] == before[1] != after[0]
    page.check("#regions tr:nth-child(7) input")
    page.until("!document.getElementById('map-note').textContent.includes('scale')")


def bomb() -> bytes:
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header + bytes(64)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>" * 2, "no picture"), ("bomb.png", bomb(), "50000 x 50000"),
        ("cut.png", PORTRAIT.read_bytes()[:5000], "damaged"), ("large.png", bytes(9 * 2**20), "8 MiB"), ("empty.png", b"", "no picture"),
        ("a.ferviz", b"no network", "compile MODEL"),
    ],
)  # fmt: skip
def test_what_cannot_be_opened_is_one_sentence_and_the_page_goes_on(
    page: Any, name: str, content: bytes, words: str
) -> None:
    give(page, name, content)
    assert words in page.next_error()
    assert page.evaluate("studio.face !== null")


@pytest.mark.parametrize(("at", "words"), [(-56, "version"), (1000, "checksum"), (-20, "checksum")])
def test_a_damaged_network_is_one_sentence(page: Any, at: int, words: str) -> None:
    content = bytearray(pack_compiled(_compiled(ferviz.load_model())))
    content[at] ^= 0x55
    give(page, "network.ferviz", bytes(content))
    assert words in page.next_error()
    assert page.evaluate("studio.engine.table.name") == "bundled"


def test_a_picture_without_a_face_can_be_a_face(page: Any) -> None:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 400, 3), np.uint8)).save(stream, "PNG")
    page.evaluate("document.querySelector('[data-room=network]').click()")
    give(page, "noise.png", stream.getvalue())
    assert "No face" in page.next_error()
    assert page.is_visible("#marker"), "it is marked in the first room"
    page.evaluate("document.querySelector('[data-room=network]').click()")
    page.evaluate("document.querySelector('#box').click()")
    page.until("studio.crop.width === 400")
    assert page.evaluate("studio.face.source") in ("template", "network")


def test_a_network_of_ones_own_opens_in_the_place_of_the_first(page: Any) -> None:
    names = ("wut", "ekel", "angst", "<b>glück</b>", "trauer", "staunen", "ruhe")
    own = ferviz.load_model(labels=names, engine="litert")
    page.evaluate("() => { document.getElementById('microscope').hidden = false; }")
    give(page, "eigenes.ferviz", pack_compiled(_compiled(own)))
    page.until("studio.engine.table.labels[0] === 'wut' && document.getElementById('microscope').hidden")
    assert page.inner_text(".bar:nth-child(4) span:first-of-type") == names[3]
    assert "unchecked" in page.inner_text("#network")


def test_the_server_may_be_gone(page: Any) -> None:
    page.evaluate("document.querySelector('[data-room=face]').click()")
    page.route("**/examples/*", lambda route: route.abort())
    page.evaluate(
        "studio.shownMilliseconds = 0; document.querySelector('#box').click(); document.querySelector('#examples button').click()"
    )
    page.until("studio.shownMilliseconds")
    error = page.next_error()
    assert page.inner_text("#message") == error, (
        "the face that was on its way is shown, and the sentence of the error stays"
    )
    page.unroute("**/examples/*")


def test_the_camera_asks_first_is_explained_and_stops(open_page: Any, equipped_browser: Any) -> None:
    page = open_page("#/camera", among=equipped_browser)
    page.evaluate("void (studio.data.notice = 'A <b>lesson</b> about faces.')")
    page.select_option("#method", "rise")
    page.click("#camera-start")
    assert "A <b>lesson</b> about faces." in page.inner_text("#notice")
    assert "none is stored" in page.inner_text("#notice")
    assert page.evaluate("document.getElementById('video').srcObject === null"), "the camera waits for the answer"
    page.click("#notice-yes")
    page.until("document.getElementById('rate').textContent.includes('frames a second, 1 face')")
    page.until("document.getElementById('change').textContent.includes('the map shows')")
    assert "takes too long" in page.inner_text("#change"), "hundreds of passes are none for a camera"
    page.select_option("#method", "gradcam")
    page.until("!document.getElementById('change').textContent.includes('takes too long')")
    page.until(
        "document.getElementById('timeline').getContext('2d').getImageData(0, 0, 576, 96).data.some((value) => value > 0)"
    )
    page.click("#full")
    page.until("document.fullscreenElement && document.fullscreenElement.id === 'frame'")
    page.evaluate("document.exitFullscreen()")
    # The frozen face is not measured.
    page.evaluate(REST)
    page.click("#freeze")
    page.until("studio.room === 'face' && studio.face && studio.map")
    assert page.evaluate("document.getElementById('video').srcObject === null"), "a frozen camera is off"
    assert page.evaluate("studio.face.source") == "detector"
    page.click("[data-room=camera]")
    page.click("#camera-start")
    page.click("#notice-yes")
    page.until("document.getElementById('rate').textContent.includes('frames a second')")
    page.evaluate("document.getElementById('video').srcObject.getVideoTracks()[0].dispatchEvent(new Event('ended'))")
    assert "unplugged" in page.next_error()
    assert page.evaluate("document.getElementById('video').srcObject === null")
    for name, words in (
        ("NotAllowedError", "allowed"),
        ("NotFoundError", "no camera"),
        ("NotReadableError", "another program"),
    ):
        page.evaluate(
            f"void (navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', '{name}')))"
        )
        page.click("#camera-start")
        page.click("#notice-yes")
        assert words in page.next_error()
    assert page.complaints == []


def test_a_narrow_page_does_not_scroll_sideways(open_page: Any) -> None:
    page = open_page(ready=False, color_scheme="dark")
    page.set_viewport_size({"width": 320, "height": 700})
    for room in ("face", "camera", "network"):
        page.evaluate(f"document.body.dataset.room = '{room}'")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
    unnamed = page.evaluate(
        """[...document.querySelectorAll('button, input, select')].filter(node => node.offsetParent &&
           !(node.innerText || node.getAttribute('aria-label') || node.labels?.[0]?.innerText || node.title).trim()).length"""
    )
    assert unnamed == 0


def test_a_browser_without_webassembly_gets_a_sentence(open_page: Any) -> None:
    body = (
        "delete self.WebAssembly; export async function prepare() {} "
        "export async function openLandmarks() { await (await import('./network.js')).startRuntime(); }"
    )
    answer = {"body": body, "content_type": "text/javascript"}
    page = open_page(
        ready=False, before=lambda page: page.route("**/engine/service.js", lambda route: route.fulfill(**answer))
    )
    page.until("document.body.dataset.ready === 'failed'")
    assert "WebAssembly" in page.inner_text("#message")
    page.context.close()
