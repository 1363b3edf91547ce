"""Pictures in, results out: dropped, pasted, with several faces or with none that is found; files, links and commands that say the same."""

from __future__ import annotations

import base64
import io
import json
import math
import re
import shlex
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ferviz
from ferviz.cli import run
from ferviz.data.synthetic.cartoons import make
from ferviz.models.compiled.file import pack_compiled
from ferviz.web import network_store
from ferviz.web.page_data import _compiled

from .conftest import REST

pytestmark = pytest.mark.slow

PORTRAIT = Path(__file__).parents[2] / "examples" / "astronaut.png"


@pytest.fixture(scope="module")
def page(open_page: Any) -> Any:
    page = open_page("#/network/relu8/1")
    page.until("said.some(({ text }) => text.startsWith('Channel 1 of relu8'))")
    page.evaluate(REST)
    page.click("[data-room=face]")
    return page


def png(picture: np.ndarray | Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(stream, "PNG", **options)
    return stream.getvalue()


def hand_over(page: Any, event: str, content: bytes, name: str = "a.png") -> None:
    """Drop or paste a file, as the browser does it."""
    page.evaluate(
        """([event, content, name]) => {
          const bytes = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0)), data = new DataTransfer();
          data.items.add(new File([bytes], name, { type: 'image/png' }));
          const options = { bubbles: true, cancelable: true };
          document.body.dispatchEvent(event === 'paste' ? new ClipboardEvent('paste', { ...options, clipboardData: data })
            : new DragEvent('drop', { ...options, dataTransfer: data }));
        }""",
        [event, base64.b64encode(content).decode(), name],
    )


@pytest.mark.parametrize(("event", "level"), [("drop", 70), ("paste", 90)])
def test_a_picture_is_dropped_or_pasted(page: Any, event: str, level: int) -> None:
    hand_over(page, event, png(np.full((40, 40), level, np.uint8)))
    page.until(f"studio.face && studio.crop.width === 40 && studio.face.picture.data[0] === {level}")


def test_of_several_faces_one_is_chosen(page: Any) -> None:
    portrait = Image.open(PORTRAIT).convert("RGB").resize((256, 256))
    both = Image.new("RGB", (512, 256))
    both.paste(portrait, (0, 0))
    both.paste(portrait.point(lambda level: level // 2), (256, 0))
    page.evaluate("studio.shownMilliseconds = 0")
    hand_over(page, "drop", png(both))
    page.until("document.querySelectorAll('#faces button').length === 2 && studio.shownMilliseconds")
    levels = []
    for face in (1, 0):
        page.evaluate("window.before = studio.face.picture")
        page.click(f"#faces button[data-face='{face}']")
        page.until("studio.face.picture !== window.before")
        assert page.get_attribute(f"#faces button[data-face='{face}']", "aria-pressed") == "true"
        assert page.get_attribute(f"#faces button[data-face='{1 - face}']", "aria-pressed") == "false"
        levels.append(page.evaluate("studio.face.picture.data.reduce((a, b) => a + b) / 2304"))
    assert levels[0] == pytest.approx(levels[1] / 2, rel=0.1)


def test_a_square_is_drawn_where_no_face_is_found(page: Any) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (200, 400, 3), np.uint8)
    hand_over(page, "drop", png(picture))
    assert "No face" in page.next_error()
    assert page.evaluate("document.getElementById('stage').inert")
    box = page.locator("#marker").bounding_box()
    unit = box["width"] / 400  # the picture lies across the square stage
    top = box["y"] + (box["height"] - 200 * unit) / 2
    page.mouse.move(box["x"] + 300 * unit, top + 150 * unit)
    page.mouse.down()
    page.mouse.move(box["x"] + 240 * unit, top + 50 * unit, steps=3)  # up and to the left: the longer way counts
    page.mouse.up()
    square = page.evaluate("studio.square")
    assert [square["x"], square["y"], square["side"]] == pytest.approx([200, 50, 100], abs=1.5)
    page.focus("#marker")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("+")
    page.keyboard.press("-")
    moved = page.evaluate("studio.square")
    assert [moved["x"] - square["x"], moved["y"], moved["side"]] == pytest.approx([4, square["y"], square["side"]])
    page.keyboard.press("Enter")
    left, upper = (math.floor(moved[name] + 0.5) for name in ("x", "y"))
    right, lower = (math.floor(moved[name] + moved["side"] + 0.5) for name in ("x", "y"))
    page.until(f"studio.crop.width === {right - left} && studio.crop.height === {lower - upper}")
    crop = np.reshape(page.evaluate("[...studio.crop.rgba]"), (lower - upper, right - left, 4))[..., :3]
    np.testing.assert_array_equal(crop, picture[upper:lower, left:right])
    assert page.locator("#marker").is_hidden()
    assert not page.evaluate("document.getElementById('stage').inert")
    page.click("#mark")
    page.keyboard.press("Escape")
    assert page.locator("#marker").is_hidden()


def test_values_are_told_under_the_mouse(page: Any) -> None:
    page.until("studio.map && studio.face.masks")
    box = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 10.5 / 48, box["y"] + box["height"] * 20.5 / 48)
    page.until("document.getElementById('under').textContent.startsWith('x 10, y 20')")
    value = page.evaluate(
        """async () => { const { map, width, height } = studio.map, { resizeMap } = await import('/ui/heat.js');
             return resizeMap(map, width, height, 48, 48)[20 * 48 + 10]; }"""
    )
    told = re.search(r"map (\S+)", page.inner_text("#under"))
    assert told
    assert float(told[1]) == pytest.approx(value, rel=0.01, abs=1e-9)


def test_a_click_hides_a_region_with_what_is_chosen_to_stand_there(page: Any) -> None:
    page.focus("[data-tool=paint]")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("[data-tool=region]", "aria-checked") == "true"
    page.select_option("#fill", "grey")
    box = page.locator("#stage").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.until("studio.current")
    region, hidden = page.evaluate(
        """() => { const at = 24 * 48 + 24, shares = studio.face.masks.map((mask) => mask[at]), r = shares.indexOf(Math.max(...shares));
             return [r, studio.face.masks[r].every((share, i) => Math.abs(share - studio.hidden[i]) < 1e-6)]; }"""
    )
    assert hidden
    assert not page.is_checked(f"#regions tr:nth-child({region + 1}) input")
    filled = page.evaluate("[...studio.current.picture.data].filter((_, i) => studio.hidden[i] > .9999)")
    np.testing.assert_allclose(filled, 128, atol=0.1)
    page.select_option("#fill", "harmonic")
    page.click("#clear")
    page.until("!studio.current")
    assert page.is_checked(f"#regions tr:nth-child({region + 1}) input"), "the box says what is hidden, whoever hid it"
    page.click("#undo")
    page.until("studio.current")
    assert not page.is_checked(f"#regions tr:nth-child({region + 1}) input")
    page.click("#undo")
    assert page.is_checked(f"#regions tr:nth-child({region + 1}) input"), "a region is one step"
    page.click("[data-tool=paint]")


def test_a_held_key_shows_the_exact_values(page: Any) -> None:
    page.evaluate(
        "void Object.assign(studio, { regionsExact: true, regionValues: studio.face.masks.map((_, r) => r - 3) })"
    )
    page.focus("#exact")
    page.keyboard.down("x")
    assert page.get_attribute("#exact", "aria-pressed") == "true"
    page.keyboard.up("x")
    assert page.get_attribute("#exact", "aria-pressed") == "false"
    page.evaluate("void Object.assign(studio, { regionsExact: false, regionValues: null })")


ADDED = [0.5, -0.25, 1.0, 2.0, 0.0, -1.5, 3.0, 0.125]
"""What each region adds to the log-odds of the first class, in an answer that is made up."""


def test_regions_are_shown_with_their_sums_and_what_their_borders_decide(page: Any) -> None:
    page.click(".bar:nth-child(1)")
    page.evaluate(
        """(added) => {
          let asked = 0;
          studio.engine.spread = async (call, parts) => {
            if (call !== 'coalitions') throw new Error('cancelled');
            return parts.map(([, , , sets]) => sets.map((set) => {
              const share = [1, 0.5, 1.5][Math.floor(asked++ / 256)], seen = added.filter((_, r) => set >> r & 1);
              return studio.engine.table.labels.map((_, k) => (k ? 0 : share * seen.reduce((sum, value) => sum + value, 0)));
            }));
          };
        }""",
        ADDED,
    )
    page.select_option("#fill", "mean")
    page.until("studio.regionsExact")
    np.testing.assert_allclose(page.evaluate("studio.regionValues"), ADDED, atol=1e-9)
    assert page.locator("#regions tfoot output").all_inner_texts() == ["+3.00", "+4.88"]
    assert "upper face (brows, eyes)" in page.inner_text("#regions tfoot")
    page.click("#borders")
    page.until("studio.regionSpread")
    low, high = np.transpose(page.evaluate("studio.regionSpread"))
    np.testing.assert_allclose([low, high], np.sort([0.5 * np.array(ADDED), 1.5 * np.array(ADDED)], axis=0), atol=1e-9)
    assert page.get_attribute("#regions tr:nth-child(7) path", "d") == f"M{100 * 1.5 / 4.5} 7H100"
    page.evaluate(REST)
    page.select_option("#fill", "harmonic")


PAINTED = """async () => {
  const canvas = new OffscreenCanvas(576, 576), places = [...Array(48 * 48).keys()];
  (await import('/ui/stage.js')).paint(canvas);
  const { data } = canvas.getContext('2d').getImageData(0, 0, 576, 576);
  return places.map((i) => data[4 * ((12 * Math.floor(i / 48) + 6) * 576 + 12 * (i % 48) + 6)]);
}"""
"""What lies in the middle of each pixel of the network's picture."""


def test_a_region_is_shown_where_it_is(page: Any) -> None:
    page.mouse.move(2, 2)
    page.evaluate("void (studio.opacity = 0)")
    light = np.array(page.evaluate(PAINTED), float)
    page.hover("#regions tr:nth-child(7)")
    page.until("document.querySelector('#regions tr:nth-child(7)').matches(':hover')")
    mask, dark = np.array(page.evaluate("[...studio.face.masks[6]]")), np.array(page.evaluate(PAINTED), float)
    assert np.abs(dark - light)[mask > 0.98].max() <= 0.03 * 255
    assert (dark < 0.6 * light + 2)[mask < 0.02].all()
    page.mouse.move(2, 2)
    page.evaluate("void (studio.opacity = .7)")


def test_nothing_is_stored_but_the_cookie(page: Any) -> None:
    kept = page.evaluate(
        """async () => [localStorage.length, sessionStorage.length, (await indexedDB.databases()).length,
                        (await caches.keys()).length, document.cookie]"""
    )
    assert kept == [0, 0, 0, 0, ""]


# -- taking it along -------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crop() -> np.ndarray:
    return make(1, seed=8, task="emotions").images[0]


@pytest.fixture(scope="module")
def shown(page: Any, crop: np.ndarray) -> Any:
    """The page with a face crop that carries a note of the one who took it, and a contrast."""
    from PIL.PngImagePlugin import PngInfo

    note = PngInfo()
    note.add_text("Author", "somebody's name")
    hand_over(page, "drop", png(crop, pnginfo=note), "name of somebody.png")
    page.until(f"studio.crop.width === 48 && studio.face.picture.data[100] === {crop.ravel()[100]}")
    page.select_option("#method", "hirescam")
    page.click(".bar:nth-child(4)")
    page.click(".bar:nth-child(5)", modifiers=["Shift"])
    page.until(
        "studio.map && studio.map.method === 'hirescam' && studio.target.minus === 4"
        " && document.getElementById('map-note').textContent.includes('happy rather than sad')"
    )
    return page


def taken(page: Any, what: str, folder: Path) -> Path:
    with page.expect_download() as download:
        page.click(f"[data-take={what}]")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def copied(page: Any, what: str) -> str:
    """-> the text that was copied."""
    page.evaluate(
        "() => { window.clipped = null; navigator.clipboard.writeText = async (text) => { clipped = text; }; }"
    )
    page.click(f"[data-take={what}]")
    page.until("window.clipped !== null")
    return str(page.evaluate("window.clipped"))


def test_the_record_is_what_the_command_and_the_python_compute(
    shown: Any, crop: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = json.loads(taken(shown, "json", tmp_path).read_text())
    model = ferviz.load_model()
    assert (record["model"]["sha256"], record["target"]) == (model.sha256, "happy-sad")
    assert record["probabilities"]["happy"] == pytest.approx(model.probabilities(crop[None])[0, 3], abs=1e-4)
    monkeypatch.chdir(tmp_path)
    Path("face.png").write_bytes(png(crop))
    words = shlex.split(copied(shown, "command"))
    assert words == shlex.split(record["command_line"])
    assert words[0] == "ferviz"
    assert run([*words[1:], "--out", "out.npz", "--quiet"]) == 0
    space: dict[str, Any] = {}
    exec(copied(shown, "python"), space)
    for explanation in (ferviz.Explanation.load("out.npz"), space["explanation"]):
        np.testing.assert_allclose(record["raw"], explanation.raw[0, 0], atol=1e-4 * np.abs(explanation.raw).max())
    assert Path("explained.png").is_file()


def test_files_say_what_is_shown_and_nothing_about_who_took_it(shown: Any, tmp_path: Path) -> None:
    picture = Image.open(io.BytesIO(taken(shown, "png", tmp_path).read_bytes()))
    assert picture.size == (576, 576)
    assert not picture.info.get("Author")
    drawing = taken(shown, "svg", tmp_path).read_text()
    words = [node.text for node in ET.fromstring(drawing).iter("{http://www.w3.org/2000/svg}text")]
    assert set(ferviz.load_model().labels) <= set(words)
    assert any("happy rather than sad" in str(word) for word in words)
    page = taken(shown, "html", tmp_path).read_text()
    for text in (drawing, page, json.dumps(shown.evaluate("studio.target"))):
        assert "somebody" not in text
        assert "127.0.0.1" not in text


def test_files_can_leave_the_face_out(shown: Any, tmp_path: Path) -> None:
    shown.check("#without-face")
    shown.evaluate("void (studio.opacity = 0)")
    pixels = np.asarray(Image.open(taken(shown, "png", tmp_path)).convert("RGB"))
    assert (pixels == 128).all(), "where there is no map, there is nothing"
    assert json.loads(taken(shown, "json", tmp_path).read_text())["landmarks"] is None
    shown.evaluate("void (studio.opacity = .7)")
    shown.uncheck("#without-face")


def test_the_page_of_one_face_asks_nobody(shown: Any, tmp_path: Path) -> None:
    path = taken(shown, "html", tmp_path)
    page = shown.context.new_page()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(path.as_uri())
    page.wait_for_load_state()
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert complaints == []
    assert page.evaluate("document.querySelector('image').getBBox().width") == 576
    record = json.loads(page.inner_text("#record") or page.evaluate("document.getElementById('record').textContent"))
    assert record["method"] == "hirescam"
    page.close()


def test_a_link_leads_back(shown: Any) -> None:
    link = copied(shown, "link")
    assert "somebody" not in link
    assert "token" not in link
    read = shown.evaluate(
        """async (link) => { const before = location.href; history.replaceState(null, '', link);
             const read = (await import('/ui/take_along.js')).readLink(); history.replaceState(null, '', before); return read; }""",
        link,
    )
    assert (read["room"], read["method"], read["targetWord"]) == ("face", "hirescam", "happy-sad")
    assert (read["layer"], read["fill"]) == (shown.evaluate("studio.layer"), "harmonic")


def test_what_cannot_be_copied_is_said(shown: Any) -> None:
    shown.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not allowed')); }")
    shown.click("[data-take=command]")
    shown.until("said.some(({ text }) => text.includes('copy by hand: ferviz explain'))")
    assert shown.complaints == []


# -- another network ---------------------------------------------------------------------------------------------------------------


def test_a_network_of_keras_goes_to_this_machine_and_comes_back_compiled(
    page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("wut", "ekel", "angst", "glück", "trauer", "staunen", "ruhe")
    sent = []

    async def compile_file(source: Path, out: Path, _: Any) -> None:
        sent.append((source.suffix, source.read_bytes()))
        if b"broken" in sent[-1][1]:
            raise network_store.RefusedError(422, "the network is no HDF5 file")
        out.write_bytes(pack_compiled(_compiled(ferviz.load_model(labels=names, engine="litert"))))

    monkeypatch.setattr(network_store, "_compile", compile_file)
    kind = "application/octet-stream"
    page.set_input_files("#file", {"name": "my.h5", "mimeType": kind, "buffer": b"a network"})
    page.until("studio.engine.table.labels[0] === 'wut' && said.some(({ text }) => text.startsWith('my.h5 is open'))")
    assert sent == [(".h5", b"a network")]
    assert page.inner_text("#network-name").startswith("my.h5: 7 classes")
    assert "unchecked" in page.inner_text("#badge")
    assert page.is_visible("#unchecked")
    page.set_input_files("#file", {"name": "other.keras", "mimeType": kind, "buffer": b"broken"})
    assert page.next_error() == "The network is no HDF5 file."
    assert page.evaluate("studio.engine.table.labels[0]") == "wut", "the network before is still open"
