"""The studio's page as files: what the server serves and what `--export` writes are the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from ferviz.errors import OutputExistsError
from ferviz.files import atomic, make_folder
from ferviz.manifests import to_json
from ferviz.models.bundled import ASSETS
from ferviz.paths import exists, is_file, is_folder
from ferviz.web.page_data import StudioNetwork, example_pictures, page_data

TYPES = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".json": "application/json", ".wasm": "application/wasm", ".png": "image/png", ".jpg": "image/jpeg", ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8", ".mp4": "video/mp4", ".webm": "video/webm", ".mov": "video/quicktime",
}  # fmt: skip
"""Suffix -> content type; everything else is application/octet-stream."""

_MODELS = {"models/landmarks.tflite": "landmarks.tflite", "models/yunet.tflite": "yunet.tflite"}


@dataclass(frozen=True)
class Site:
    """The files of the page.

    Attributes:
        files: {path below the page's address: a file or its bytes}; "index.html" is the page itself.
        networks: how many of them are networks.
    """

    files: Mapping[str, Path | bytes] = field(repr=False)
    networks: int = 1

    def read(self, path: str) -> bytes:
        """Return a file's bytes.

        Args:
            path: one of `files`.
        """
        content = self.files[path]
        return content if isinstance(content, bytes) else content.read_bytes()

    def export(self, folder: Path, force: bool = False) -> int:
        """Write the files, so that any web server can serve the folder.

        Args:
            folder: it is made; one that is there and not empty needs `force`.
            force: write over files that are there.

        Returns:
            How many bytes were written.

        Raises:
            OutputExistsError: the folder is not empty.
            OutputError: it cannot be written.
        """
        if exists(folder) and not force and (not is_folder(folder) or any(folder.iterdir())):
            raise OutputExistsError(f"{folder} is there already; name another folder, or write over it with --force")
        total = 0
        for path in self.files:
            target = folder / path
            make_folder(target.parent)
            content = self.read(path)
            with atomic(target) as temporary:
                temporary.write_bytes(content)
            total += len(content)
        return total


def build_site(networks: Sequence[StudioNetwork], **choices: Any) -> Site:
    """Put the page's files together.

    Args:
        networks: at least one; the first is the one that is shown.
        **choices: as of `page_data`.
    """
    files: dict[str, Path | bytes] = {}
    root = Path(str(resources.files("ferviz") / "web" / "static"))
    for path in sorted(root.rglob("*")):
        if is_file(path):
            files[path.relative_to(root).as_posix()] = path
    files |= {name: ASSETS / asset for name, asset in _MODELS.items()}
    examples = [{"file": "examples/portrait.jpg", "title": "photograph (NASA)"}]
    for name, (title, content) in example_pictures().items():
        files[f"examples/{name}"] = content
        examples.append({"file": f"examples/{name}", "title": title})
    for network in networks:
        files[network.record["file"]] = network.content
        files |= network.dreams
        if network.grain:
            files[network.record["grain"]] = network.grain
    files["data.json"] = to_json(page_data(networks, examples, **choices)).encode()
    return Site(files, len(networks))


def content_type(path: str) -> str:
    """Return what a file is sent as.

    Args:
        path: its name.
    """
    return TYPES.get(Path(path).suffix.lower(), "application/octet-stream")
