"""The wheel as somebody gets it: installed into an environment of its own and run far from the checkout."""

from __future__ import annotations

import os
import posixpath
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASSETS = {
    "bundled.keras",
    "bundled.ferviz",
    "bundled.ferviz.json",
    "face_statistics.npz",
    "yunet.onnx",
    "yunet.LICENSE",
    "known.sha256",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (built,) = folder.glob("ferviz-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of a virtual environment that has the wheel, and this environment's packages but ferviz."""
    home = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(home, with_pip=False)
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / Path(sys.executable).name
    command = [
        sys.executable,
        "-m",
        "pip",
        "--quiet",
        "--python",
        str(python),
        "install",
        "--no-deps",
        "--no-index",
        str(wheel),
    ]
    subprocess.run(command, check=True, capture_output=True, text=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    # A path in a .pth file is searched for packages, but .pth files there (the editable install of the checkout) are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return scripts


def run(program: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | {
        "FERVIZ_CACHE": str(folder / "cache")
    }
    return subprocess.run(
        [str(program), *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_what_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert {Path(name).name for name in names if name.startswith("ferviz/assets/")} >= ASSETS
        assert "ferviz/py.typed" in names
        assert {name.split("/")[0].split("-")[0] for name in names} == {"ferviz"}
        modules = {Path(name) for name in names if name.endswith(".py")}
    assert modules == {p.relative_to(ROOT) for p in (ROOT / "ferviz").rglob("*.py")}


def test_the_wheel_names_every_file_of_the_page(wheel: Path) -> None:
    from ferviz.web.site import _MODELS

    static = ROOT / "ferviz" / "web" / "static"
    with zipfile.ZipFile(wheel) as archive:
        packed = {info.filename: info.file_size for info in archive.infolist()}
        words = {
            name: archive.read(name).decode()
            for name in packed
            if name.startswith("ferviz/web/static/")
            and name.endswith((".js", ".html", ".css"))
            and "/vendor/" not in name
        }
    files = {path.relative_to(ROOT).as_posix(): path.stat().st_size for path in static.rglob("*") if path.is_file()}
    assert {name: packed.get(name) for name in files} == files
    assert {f"ferviz/assets/{asset}" for asset in _MODELS.values()} <= set(packed)
    # What the page's own files name is there: modules, workers, styles and icons.
    pattern = r"""(?:from|import|import\(|new URL\(|href=|src=|url\()\s*["']([\w./-]+\.(?:js|css|svg|html|wasm))["']"""
    links = {
        (name, posixpath.normpath(posixpath.join(posixpath.dirname(name), link)))
        for name, text in words.items()
        for link in re.findall(pattern, text)
    }
    assert len(links) > 50, "the pattern still fits how the files name each other"
    assert [link for link in sorted(links) if link[1] not in packed] == []


@pytest.mark.slow
def test_a_heatmap_from_the_installed_wheel(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "face.png").write_bytes((ROOT / "examples" / "astronaut.png").read_bytes())
    where = run(installed / Path(sys.executable).name, "-c", "import ferviz; print(ferviz.__file__)", folder=tmp_path)
    assert Path(where.stdout.strip()).is_relative_to(installed.parent), where.stderr
    done = run(installed / "ferviz", "gradcam", "face.png", "--out", "map.png", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "map.png").read_bytes()[:4] == b"\x89PNG"
    again = run(installed / "ferviz", "--version", folder=tmp_path)
    assert again.returncode == 0
