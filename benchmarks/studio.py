"""Measures the studio's page in a headless Chromium: a stroke, the first heatmap, the camera, the data room, and how many bytes are loaded.

    python benchmarks/studio.py [--strokes 60] [--seconds 15] [--data fer2013.csv] [--limit 60] [--flags="--enable-unsafe-webgpu"]

Times are those of the page itself: a stroke's from the movement of the brush to the classes' bars. The camera is Chromium's fake one, which
plays a file that is made here: the photograph of examples/, moved a little from frame to frame. No measurement waits longer than --limit
seconds; one that does is printed as such, and the next one begins. --flags are further words for Chromium, such as it needs on some
machines to reach the graphics processor without a screen. Needs the packages of the development group, and Chromium.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PORTRAIT = Path(__file__).parents[1] / "examples" / "astronaut.png"
FRAMES = 60
PASS = """async () => {
  const told = await studio.engine.hastened;
  return told?.own ? `${told.litert.toFixed(1)}, ${told.own.toFixed(1)}` : `LiteRT's: ${told?.reason}`;
}"""


class LateError(Exception):
    """Something did not come true in time."""


class Bench:
    """A page, the time that each measurement may take, and the rows of the table.

    Args:
        page: the page.
        limit: seconds.
    """

    def __init__(self, page: Any, limit: float) -> None:
        self.page, self.limit = page, limit

    def until(self, condition: str) -> None:
        """Wait for a condition of the page, within the limit of the measurement."""
        while not self.page.evaluate(f"() => Boolean({condition})"):
            if time.monotonic() > self.end:
                raise LateError(f"{condition}; the page says: {self.page.inner_text('#message') or 'nothing'}")
            self.page.wait_for_timeout(10)

    def measure(self, name: str, work: Callable[[], list[tuple[str, str]]]) -> None:
        """Measure something, and print its rows."""
        self.end = time.monotonic() + self.limit
        try:
            rows = work()
        except LateError as error:
            rows = [(name, f"not within {self.limit:.0f} s ({error})")]
        for row in rows:
            print(f"| {row[0]} | {row[1]} |", flush=True)


def write_video(path: Path) -> None:
    """Write a face that moves, as JPEGs one after the other, which Chromium plays as its camera."""
    portrait = Image.open(PORTRAIT).convert("RGB").resize((480, 480))
    with path.open("wb") as file:
        for number in range(FRAMES):
            frame, stream = Image.new("RGB", (640, 480), (90, 100, 110)), io.BytesIO()
            shift = 12 * np.sin(2 * np.pi * number / FRAMES)
            frame.paste(portrait, (80 + round(shift), round(shift / 2)))
            frame.save(stream, "JPEG", quality=90)
            file.write(stream.getvalue())


def start(words: list[str], limit: float) -> tuple[subprocess.Popen[str], str, float]:
    """-> the server, its address, and how long it took to print that."""
    begin = time.monotonic()
    command = [sys.executable, "-m", "ferviz", "studio", "--no-browser", "--quiet", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    if not address:
        raise SystemExit(f"ferviz studio ended with {process.wait(limit)}")
    return process, address, time.monotonic() - begin


def opening(bench: Bench, address: str) -> list[tuple[str, str]]:
    """-> rows about the first seconds."""
    page, loaded = bench.page, dict[str, int]()
    page.on("response", lambda answer: loaded.update({answer.url: int(answer.headers.get("content-length", 0))}))
    begin = time.monotonic()
    page.goto(address, timeout=1000 * bench.limit)
    rows = [("page shown, s", f"{time.monotonic() - begin:.2f}")]
    bench.until("studio.map")
    rows.append(("first heatmap, s", f"{time.monotonic() - begin:.2f}"))
    return [*rows, ("bytes loaded, MiB", f"{sum(loaded.values()) / 2**20:.1f}")]


def regions(bench: Bench) -> list[tuple[str, str]]:
    """-> rows about what is computed while one looks: with the first face, and again when the workers are there."""
    rows = []
    for face in ("first face", "next face"):
        bench.until("studio.regionsExact")
        estimate, exact = bench.page.evaluate("[studio.estimateMilliseconds, studio.regionMilliseconds]")
        rows += [
            (f"estimated regions, {face}, s", f"{estimate / 1000:.2f}"),
            (f"exact regions, {face}, s", f"{exact / 1000:.2f}"),
        ]
        bench.until("document.getElementById('verdict').textContent.match(/^(Tested|Not)/)")
        if face == "first face":
            bench.page.evaluate("studio.regionsExact = false; document.querySelector('#examples button').click()")
    return [
        *rows,
        ("map, ms", f"{bench.page.evaluate('studio.map.milliseconds'):.0f}"),
        (
            "regions were computed on",
            bench.page.evaluate("studio.engine.graphics ? 'the graphics processor' : 'the processor'"),
        ),
        ("one pass by LiteRT, by the page's kernels, ms", bench.page.evaluate(PASS)),
    ]


def strokes(bench: Bench, count: int) -> list[tuple[str, str]]:
    """-> rows about strokes over the face, one at a time: to the bars, and to the map of the changed picture."""
    page, rng = bench.page, np.random.default_rng(0)
    page.click("[data-room=face]")
    box = page.locator("#stage").bounding_box()
    page.evaluate("studio.latencies.length = 0")
    maps = []
    for _ in range(count):
        x, y = rng.uniform(0.2, 0.8, 2)
        before = page.evaluate("studio.latencies.length")
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + x * box["width"] + 12, box["y"] + y * box["height"])
        page.mouse.up()
        bench.until(f"studio.latencies.length > {before}")
        page.wait_for_timeout(150)
        maps.append(page.evaluate("studio.map.milliseconds"))
    times = np.array(page.evaluate("studio.latencies"))
    return [
        ("stroke to bars, ms, median", f"{np.median(times):.0f}"), ("stroke to bars, ms, 95 %", f"{np.percentile(times, 95):.0f}"),
        ("map of a changed picture, ms, 95 %", f"{np.percentile(maps, 95):.0f}"),
    ]  # fmt: skip


def camera(bench: Bench, seconds: float) -> list[tuple[str, str]]:
    """-> rows about the camera."""
    page = bench.page
    page.click("[data-room=camera]")
    page.click("#camera-start")
    page.click("#notice-yes")
    bench.until("studio.frames > 10")
    before, begin = page.evaluate("studio.frames"), time.monotonic()
    page.wait_for_timeout(1000 * min(seconds, bench.limit))
    rate = (page.evaluate("studio.frames") - before) / (time.monotonic() - begin)
    told = page.inner_text("#rate")
    page.click("#camera-start")
    return [("frames a second", f"{rate:.1f} ({told or 'the page says nothing'})")]


def data(bench: Bench) -> list[tuple[str, str]]:
    """-> rows about the data room."""
    bench.page.click("[data-room=data]")
    bench.until("studio.dataMilliseconds")
    rows = [("first faces of the data room, s", f"{bench.page.evaluate('studio.dataMilliseconds') / 1000:.2f}")]
    begin = time.monotonic()
    bench.until("document.getElementById('data-progress').hidden")
    summary = bench.page.inner_text("#data-summary")
    return [*rows, ("every face answered, s", f"{time.monotonic() - begin:.1f} ({summary})")]


def main() -> None:
    """Print the table."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strokes", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--data", help="labelled faces for the data room; all of them are shown")
    parser.add_argument("--limit", type=float, default=60, help="seconds of each measurement")
    parser.add_argument("--flags", default="", help="further words for Chromium")
    arguments = parser.parse_args()
    words = ["--data", arguments.data, "--split", "all"] if arguments.data else []
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "face.mjpeg"
        write_video(video)
        flags = [
            "--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={video}", *arguments.flags.split(),
        ]  # fmt: skip
        server, address, started = start(words, arguments.limit)
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
                bench = Bench(browser.new_page(viewport={"width": 1280, "height": 1000}), arguments.limit)
                bench.measure("start to address", lambda: [("start to address, s", f"{started:.2f}")])
                bench.measure("first heatmap", lambda: opening(bench, address))
                bench.measure("exact regions", lambda: regions(bench))
                bench.measure("strokes", lambda: strokes(bench, arguments.strokes))
                bench.measure("camera", lambda: camera(bench, arguments.seconds))
                if arguments.data:
                    bench.measure("data room", lambda: data(bench))
                browser.close()
        finally:
            server.terminate()
            server.wait(arguments.limit)


if __name__ == "__main__":
    main()
