"""Fetching a detector's network: from a local server, with the pinned fingerprints, or not at all."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ferviz.cli import run
from ferviz.errors import ModelError, UnknownNameError
from ferviz.faces.detectors import downloads
from ferviz.faces.detectors.downloads import DOWNLOADS, SHIPPED, Download, cached_model, fetch
from ferviz.known_files import is_shipped


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the URL under which a local server shows it."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FERVIZ_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A detector "tiny" of two small files, pinned."""
    content = b"a network"
    pin = hashlib.sha256(content).hexdigest()
    files = tuple(Download(name, f"http://127.0.0.1:9/{name}", pin) for name in ("net.bin", "net.txt"))
    monkeypatch.setitem(downloads.DOWNLOADS, "tiny", files)
    return content


def test_what_is_fetched_is_kept_and_checked(server: tuple[Path, str], tiny: bytes, cache: Path) -> None:
    folder, url = server
    for name in ("net.bin", "net.txt"):
        (folder / name).write_bytes(tiny)
    assert cached_model("tiny") is None
    path = fetch("tiny", url)
    assert path == cache / "detectors" / "net.bin" == cached_model("tiny")
    assert path.read_bytes() == tiny
    for name in ("net.bin", "net.txt"):
        (folder / name).unlink()
    assert fetch("tiny", url) == path  # no second visit
    path.write_bytes(b"damaged")
    with pytest.raises(ModelError, match="404"):
        fetch("tiny", url)


def test_other_bytes_are_thrown_away(server: tuple[Path, str], tiny: bytes, cache: Path) -> None:
    folder, url = server
    for name in ("net.bin", "net.txt"):
        (folder / name).write_bytes(tiny + b"!")
    with pytest.raises(ModelError, match=r"net\.bin"):
        fetch("tiny", url + "/")
    assert cached_model("tiny") is None
    assert [p.name for p in (cache / "detectors").iterdir()] == []


def test_a_part_is_not_the_whole(tiny: bytes, cache: Path) -> None:
    (cache / "detectors").mkdir(parents=True)
    (cache / "detectors" / "net.bin").write_bytes(tiny)
    assert cached_model("tiny") is None


def test_offline_is_a_sentence(tiny: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match="no connection") as caught:
        fetch("tiny")
    assert "\n" not in str(caught.value)
    assert run(["detectors", "get", "ssd", "--mirror", "http://127.0.0.1:9"]) == 4
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "--detector-model" in err
    with pytest.raises(UnknownNameError):
        fetch("haar")


def test_the_real_network_through_the_command(
    server: tuple[Path, str], shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, url = server
    for file in DOWNLOADS["ssd"]:
        (folder / file.name).write_bytes((shared_data / "detectors" / file.name).read_bytes())
    assert run(["detectors"]) == 0
    out = capsys.readouterr().out
    assert "auto is yunet here" in out
    assert "not ready: ferviz detectors get ssd" in out
    assert run(["detectors", "get", "ssd", "--mirror", url]) == 0
    assert run(["detectors"]) == 0
    assert "not ready: ferviz detectors get ssd" not in capsys.readouterr().out


def test_the_network_of_the_best_detector_is_part_of_ferviz(shared_data: Path) -> None:
    digest = hashlib.sha256(SHIPPED["yunet"].read_bytes()).hexdigest()
    assert digest == hashlib.sha256((shared_data / "detectors" / "yunet_2026may.onnx").read_bytes()).hexdigest()
    assert is_shipped(digest)
    assert SHIPPED["yunet"].with_suffix(".LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    with pytest.raises(UnknownNameError):
        fetch("yunet")


def test_the_pins_are_those_of_the_networks_that_were_measured(shared_data: Path) -> None:
    for files in DOWNLOADS.values():
        for file in files:
            path = shared_data / "detectors" / file.name
            assert hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
            assert file.url.startswith("https://")
