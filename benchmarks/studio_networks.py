"""Published networks in the studio's page: dropped on it, compiled, asked about a face, and held against Python's own answer.

    python benchmarks/studio_networks.py FOLDER ... [--only NAME ...] [--face face.png] [--architecture FILE=MY_NET.PY:CLASS[@INPUT]]

A file that the page takes is dropped on the page of `ferviz studio`, which compiles it; of others (an architecture with its weights beside
it, a folder, PyTorch's weights) what `ferviz compile` makes is dropped. Then a face of 48 x 48 pixels is dropped (--face; a drawn one
unless given), and the page's probabilities and its Grad-CAM of the predicted class are compared with those of `ferviz.load_model` and
`ferviz.explain` with the network as it is, not compiled. It prints a table: MiB of the compiled file, the milliseconds of an answer and
of a map (medians of --repeats), the largest differences, of the map as a share of its largest value, who computes the answer (LiteRT, or
the page's own kernels), and what ferviz says about a network that it does not take.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from studio import start

import ferviz
from ferviz.data.synthetic.cartoons import make
from ferviz.web.network_store import SUFFIXES

SECONDS = 900
SKIPPED = (".md", ".txt")
TIMED = """async ([repeats, weights]) => {
  const { picture } = studio.face, answers = [], maps = [], middle = (times) => times.sort((a, b) => a - b)[times.length >> 1];
  const timed = async (list, ...call) => {
    const begin = performance.now();
    await studio.engine.call(...call);
    list.push(performance.now() - begin);
  };
  for (let i = 0; i < repeats; i++) {
    await timed(answers, 'logits', picture);
    await timed(maps, 'explain', picture, 'gradcam', studio.layer, weights, false);
  }
  return [middle(answers), middle(maps)];
}"""


class Studio:
    """The page of a running studio.

    Args:
        page: of the browser.
        address: of the studio.
    """

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        page.goto(address)
        self.until("document.body.dataset.ready")

    def until(self, condition: str) -> None:
        """Wait for a condition of the page."""
        end = time.monotonic() + SECONDS
        while not self.page.evaluate(f"() => Boolean({condition})"):
            if time.monotonic() > end:
                raise ferviz.FervizError(f"the page did not come to: {condition}")
            self.page.wait_for_timeout(20)

    def drop(self, path: Path) -> None:
        """Drop a network on the page.

        Raises:
            FervizError: the page says why it does not take it.
        """
        self.page.evaluate(
            "() => Object.assign(document.getElementById('message'), { className: '', textContent: '' })"
        )
        self.page.set_input_files(
            "#file", {"name": path.name, "mimeType": "application/octet-stream", "buffer": path.read_bytes()}
        )
        box = "document.getElementById('message')"
        self.until(f"{box}.className === 'error' || {box}.textContent.startsWith({(path.name + ' is open')!r})")
        if self.page.evaluate(f"{box}.className") == "error":
            raise ferviz.FervizError(self.page.inner_text("#message"))

    def show(self, face: np.ndarray) -> None:
        """Drop a face on the page, and wait for its map."""
        stream = io.BytesIO()
        Image.fromarray(face).save(stream, "PNG")
        self.page.evaluate("void (studio.face = studio.map = null)")
        self.page.set_input_files("#file", {"name": "face.png", "mimeType": "image/png", "buffer": stream.getvalue()})
        self.until("studio.face && studio.map")


def examine(studio: Studio, path: Path, face: np.ndarray, repeats: int, settings: dict[str, Any]) -> list[str]:
    """-> a row about one network."""
    try:
        model = ferviz.load_model(path, cache=False, engine=settings.pop("engine", "auto"), **settings)
    except ferviz.FervizError as error:
        return ["", "", "", "", "", f"not read: {error}"]
    size = "x".join(str(side or "any") for side in (*model.input.size, model.input.channels))
    row = [f"{size}, {len(model.labels)}"]
    try:
        with tempfile.TemporaryDirectory() as folder:
            takes = not settings and path.suffix.lower() in SUFFIXES and not path.with_suffix(".json").exists()
            if not takes:
                ferviz.compile_model(model, Path(folder) / "compiled.ferviz")
            studio.drop(path if takes else Path(folder) / "compiled.ferviz")
    except ferviz.FervizError as error:
        return [*row, "no", "", "", "", str(error)]
    studio.show(face)
    page, explained = studio.page, ferviz.explain(model, face[None], method="gradcam", test=False)
    label = model.probabilities(face[None])[0]
    logits, map_ = np.array(page.evaluate("studio.original")), np.array(page.evaluate("[...studio.map.map]"))
    raw = explained.raw[0, 0]
    method, layer = page.evaluate("[studio.map.method, studio.map.layer]")
    assert (method, layer) == ("gradcam", explained.layer), (method, layer, explained.layer)
    apart = np.abs(model.probabilities_of(logits[None])[0] - label).max()
    maps = np.abs(map_.reshape(raw.shape) - raw).max() / max(np.abs(raw).max(), 1e-12)
    weights = [float(k == logits.argmax()) for k in range(len(model.labels))]
    hastened = page.evaluate("studio.engine.hastened")
    size_ = page.evaluate("studio.engine.bytes.length") / 2**20
    times = page.evaluate(TIMED, [repeats, weights])
    how = "dropped" if takes else "compiled, dropped"
    equal = "" if max(apart, maps) <= 1e-4 else "**differs by more than 1e-4**"
    runs = "own kernels" if hastened and "own" in hastened else f"LiteRT: {(hastened or {}).get('reason', '')}"
    return [
        *row,
        f"{how}, {size_:.1f}",
        f"{times[0]:.1f}, {times[1]:.1f}",
        f"{apart:.0e}",
        f"{maps:.0e}",
        f"{equal or runs}",
    ]


def files(folders: list[Path], only: list[str]) -> Iterator[Path]:
    """The networks of folders."""
    for folder in folders:
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() not in SKIPPED and (not only or path.name in only):
                yield path


def main() -> None:
    """Print the table."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--architecture", action="append", default=[], metavar="FILE=MY_NET.PY:CLASS[@INPUT]")
    parser.add_argument("--face", type=Path)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    classes = dict(entry.partition("=")[::2] for entry in options.architecture)
    face = (
        make(1, seed=5, task="emotions").images[0]
        if options.face is None
        else np.asarray(Image.open(options.face).convert("L"))
    )
    server, address, _ = start([], SECONDS)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            studio = Studio(browser.new_page(), address)
            print(
                "| network | input, classes | in the page | answer, map, ms | probabilities | map | |\n|---|---|---|---|---|---|---|"
            )
            for path in files(options.folders, options.only):
                settings: dict[str, Any] = {}
                if path.name in classes:
                    architecture, _, shape = classes[path.name].partition("@")
                    settings = {"architecture": architecture, "input": shape or "48x48x1"}
                row = [
                    str(cell).replace(f"{path.parent}/", "").replace("|", "/")
                    for cell in examine(studio, path, face, options.repeats, settings)
                ]
                print(f"| {path.name} | {' | '.join(row)} |", flush=True)
            browser.close()
    finally:
        server.terminate()
        server.wait(SECONDS)


if __name__ == "__main__":
    main()
