"""Draws the canvas of docs/how-to/notebooks.md: python tools/draw_canvas.py [FILE.webp] (needs anywidget, playwright and Chromium)."""

from __future__ import annotations

import base64
import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image

import ferviz

ROOT = Path(__file__).resolve().parents[1]
TRAITS = ("facts", "photo", "masks", "painted", "regions", "target", "asked", "answer")
PAGE = """
async ([module, state]) => {
  const bytes = (text) => new DataView(Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0)).buffer);
  const values = JSON.parse(state, (_, value) => (value && value.base64 !== undefined ? bytes(value.base64) : value));
  const { default: widget } = await import(URL.createObjectURL(new Blob([module], { type: "text/javascript" })));
  widget.render({ model: { get: (name) => values[name], set() {}, on() {}, off() {}, save_changes() {} }, el: document.body });
  await new Promise((resolve) => setTimeout(resolve, 500));
}
"""


def main() -> None:
    """Draw the portrait with its mouth hidden."""
    from playwright.sync_api import sync_playwright

    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images" / "notebook-canvas.webp"
    model = ferviz.load_model()
    canvas = ferviz.canvas(model, ferviz.find_faces(ROOT / "examples" / "astronaut.png", largest=True)[0])
    widget = canvas.hide("mouth").widget

    def packed(value: Any) -> Any:
        return {"base64": base64.b64encode(value).decode()}

    state = json.dumps({name: getattr(widget, name) for name in TRAITS}, default=packed)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 860, "height": 500}, device_scale_factor=1.5)
        page.add_style_tag(content=f"body {{ margin: 0 }} {widget._css}")
        page.evaluate(PAGE, [widget._esm, state])
        content = page.locator(".ferviz-canvas").screenshot()
        browser.close()
    Image.open(io.BytesIO(content)).convert("RGB").save(path, quality=86, method=6)
    print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
