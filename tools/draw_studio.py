"""Draws the documentation's screenshots of the studio: python tools/draw_studio.py docs/images (needs playwright and Chromium)."""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image


def until(page: Any, condition: str) -> None:
    """Wait for a condition of the page."""
    for _ in range(15000):
        if page.evaluate(f"() => Boolean({condition})"):
            return
        page.wait_for_timeout(20)
    raise SystemExit(f"{condition} did not come true: {page.inner_text('#message')}")


def shoot(page: Any, path: Path, height: int) -> None:
    """Write a screenshot as WebP, which keeps the photograph small."""
    page.mouse.move(2, 2)
    page.wait_for_timeout(300)
    content = page.screenshot(clip={"x": 0, "y": 0, "width": 1180, "height": height})
    Image.open(io.BytesIO(content)).convert("RGB").save(path, quality=88, method=6)


def main() -> None:
    """Draw every room."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    words = [sys.executable, "-m", "ferviz", "studio", "--no-browser", "--quiet"]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1180, "height": 1000})
            page.goto(server.stdout.readline().strip())
            until(page, "studio.regionValues && document.getElementById('verdict').textContent.match(/^(Tested|Not)/)")
            shoot(page, folder / "studio-face.webp", 960)
            box = page.locator("#stage").bounding_box()
            page.mouse.move(box["x"] + box["width"] * 0.35, box["y"] + box["height"] * 0.7)
            page.mouse.down()
            for step in range(16):
                page.mouse.move(
                    box["x"] + box["width"] * (0.35 + 0.02 * step),
                    box["y"] + box["height"] * (0.70 + 0.04 * (step % 2)),
                )
            page.mouse.up()
            page.wait_for_timeout(3000)
            shoot(page, folder / "studio-brush.webp", 700)
            page.click("#clear")
            page.wait_for_timeout(1000)
            page.click("[data-room=network]")
            page.wait_for_timeout(1500)
            page.click("#grid > button:nth-of-type(10)")
            shoot(page, folder / "studio-network.webp", 960)
            browser.close()
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
