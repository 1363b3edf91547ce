"""Draws the screenshots of the studio: python tools/draw_studio.py docs/images [--rooms data] (needs playwright and Chromium)."""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ferviz.data.synthetic.cartoons import make

ROOMS = ("face", "camera", "network", "data")
PORTRAIT = Path(__file__).parents[1] / "examples" / "astronaut.png"
FER2013 = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
WIDTH = 1180


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
    content = page.screenshot(clip={"x": 0, "y": 0, "width": WIDTH, "height": height})
    Image.open(io.BytesIO(content)).convert("RGB").save(path, quality=88, method=6)


def write_faces(path: Path) -> None:
    """Write drawn faces as fer2013.csv has them: real faces of a data set may not be shown here."""
    faces = make(420, seed=9, task="emotions")
    lines = ["emotion,pixels,Usage"]
    for image, label in zip(faces.images, faces.labels, strict=True):
        lines.append(f"{FER2013.index(faces.names[label])},{' '.join(map(str, image.ravel()))},PublicTest")
    path.write_text("\n".join(lines) + "\n")


def draw_face(page: Any, folder: Path) -> None:
    """Draw the first room, and a stroke in it."""
    until(page, "studio.regionsExact && document.getElementById('verdict').textContent.match(/^(Tested|Not)/)")
    shoot(page, folder / "studio-face.webp", 960)
    box = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.35, box["y"] + box["height"] * 0.7)
    page.mouse.down()
    for step in np.arange(16):
        x, y = 0.35 + 0.02 * step, 0.70 + 0.04 * (step % 2)
        page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * y)
    page.mouse.up()
    page.wait_for_timeout(3000)
    shoot(page, folder / "studio-brush.webp", 700)
    page.click("#clear")
    page.wait_for_timeout(1000)


def write_video(path: Path) -> None:
    """Write a face that moves a little, as JPEGs one after the other, which Chromium plays as its camera."""
    portrait = Image.open(PORTRAIT).convert("RGB").resize((480, 480))
    with path.open("wb") as file:
        for number in range(60):
            frame, stream = Image.new("RGB", (640, 480), (90, 100, 110)), io.BytesIO()
            frame.paste(portrait, (80 + round(10 * np.sin(number / 9.55)), 0))
            frame.save(stream, "JPEG", quality=90)
            file.write(stream.getvalue())


def draw_camera(page: Any, folder: Path) -> None:
    """Draw the camera's room after some seconds of a face."""
    page.click("[data-room=camera]")
    page.click("#camera-start")
    page.click("#notice-yes")
    until(page, "studio.frames > 60")
    shoot(page, folder / "studio-camera.webp", 880)
    page.click("#camera-start")


def draw_network(page: Any, folder: Path) -> None:
    """Draw the channels of the last map, one of them over the face, with its dream and the faces that excite it."""
    page.click("[data-room=network]")
    until(page, "document.querySelectorAll('#grid > button').length > 10")
    page.click("#grid > button:nth-of-type(10)")
    until(page, "!document.getElementById('channel-faces').hidden")
    page.click("#dream-channel")
    until(page, "document.getElementById('dream-text').textContent")
    shoot(page, folder / "studio-network.webp", 960)


def draw_data(page: Any, folder: Path) -> None:
    """Draw the data room with the mean map of a cell."""
    page.click("[data-room=data]")
    until(page, "document.getElementById('data-summary').textContent.match(/^[0-9.]+ % right/)")
    page.click("#matrix button[data-cell='3/3']")
    page.click("#data-average")
    until(page, "!document.getElementById('mean').hidden")
    shoot(page, folder / "studio-data.webp", 960)


DRAWN = {"face": draw_face, "camera": draw_camera, "network": draw_network, "data": draw_data}


def main() -> None:
    """Draw the rooms."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rooms", nargs="+", choices=ROOMS, default=list(ROOMS))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        faces, video = Path(temporary) / "drawn.csv", Path(temporary) / "face.mjpeg"
        write_faces(faces)
        write_video(video)
        flags = [
            "--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={video}",
        ]  # fmt: skip
        words = [sys.executable, "-m", "ferviz", "studio", "--no-browser", "--quiet", "--data", str(faces)]
        server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
                page = browser.new_page(viewport={"width": WIDTH, "height": 1000})
                page.goto(server.stdout.readline().strip())
                until(page, "document.body.dataset.ready && studio.map")
                for room in arguments.rooms:
                    DRAWN[room](page, arguments.folder)
                browser.close()
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
