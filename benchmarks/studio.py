"""Measures the studio's page in a headless Chromium: what a stroke, a face and the camera take, and how many bytes are loaded.

    python benchmarks/studio.py [--strokes 60] [--seconds 15] [--video face.mjpeg]

Times are those of the page itself: a stroke's from the movement of the brush to the classes' bars. The camera is Chromium's fake one, which
plays the file of --video (a face), or shows a pattern without faces. Needs the packages of the development group, and Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from typing import Any

import numpy as np


def until(page: Any, condition: str, seconds: float = 300) -> None:
    """Wait for a condition of the page."""
    end = time.monotonic() + seconds
    while not page.evaluate(f"() => Boolean({condition})"):
        if time.monotonic() > end:
            raise SystemExit(f"{condition} did not come true: {page.inner_text('#message')}")
        page.wait_for_timeout(20)


def start() -> tuple[subprocess.Popen[str], str, float]:
    """-> the server, its address, and how long it took to print that."""
    begin = time.monotonic()
    words = [sys.executable, "-m", "ferviz", "studio", "--no-browser", "--quiet"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    return process, address, time.monotonic() - begin


def strokes(page: Any, count: int) -> np.ndarray:
    """-> milliseconds of strokes over the face, one at a time."""
    box = page.locator("#stage").bounding_box()
    page.evaluate("studio.latencies.length = 0")
    rng = np.random.default_rng(0)
    for _ in range(count):
        x, y = rng.uniform(0.2, 0.8, 2)
        before = page.evaluate("studio.latencies.length")
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + x * box["width"] + 12, box["y"] + y * box["height"])
        page.mouse.up()
        until(page, f"studio.latencies.length > {before}")
        page.wait_for_timeout(150)
    return np.array(page.evaluate("studio.latencies"))


def main() -> None:
    """Print the table."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strokes", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--video")
    arguments = parser.parse_args()
    flags = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    if arguments.video:
        flags.append(f"--use-file-for-fake-video-capture={arguments.video}")
    server, address, started = start()
    rows = [("start to address, s", f"{started:.2f}")]
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            loaded: dict[str, int] = {}
            page.on(
                "response", lambda answer: loaded.update({answer.url: int(answer.headers.get("content-length", 0))})
            )
            begin = time.monotonic()
            page.goto(address)
            rows.append(("page shown, s", f"{time.monotonic() - begin:.2f}"))
            until(page, "studio.map")
            rows.append(("first heatmap, s", f"{time.monotonic() - begin:.2f}"))
            rows.append(("bytes loaded, MiB", f"{sum(loaded.values()) / 2**20:.1f}"))
            until(page, "studio.regionValues && document.getElementById('verdict').textContent.match(/^(Tested|Not)/)")
            rows.append(("exact regions, s", f"{page.evaluate('studio.regionMilliseconds') / 1000:.2f}"))
            times = strokes(page, arguments.strokes)
            rows.append(("stroke to bars, ms, median", f"{np.median(times):.0f}"))
            rows.append(("stroke to bars, ms, 95 %", f"{np.percentile(times, 95):.0f}"))
            page.click("[data-room=camera]")
            page.click("#camera-start")
            page.click("#notice-yes")
            until(page, "studio.frames > 20")
            before = page.evaluate("studio.frames")
            page.wait_for_timeout(1000 * arguments.seconds)
            frames = page.evaluate("studio.frames") - before
            rows.append(("explained frames a second", f"{frames / arguments.seconds:.1f}"))
            browser.close()
    finally:
        server.terminate()
    for name, value in rows:
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
