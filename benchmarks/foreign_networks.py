"""Networks of other frameworks: which files load, which are explained by Grad-CAM, which compile, and why not.

    python benchmarks/foreign_networks.py FOLDER [--architecture weights.pth=my_net.py:MyNet] [--exports] [--compile]

FOLDER holds files as people publish them (.onnx, .tflite, .pth, .pt ...); `--architecture` names the class of one that holds weights only.
`--exports` adds networks of torchvision and timm, with random weights and seven classes, as PyTorch and written as ONNX by both of its
exporters, one process each. It prints a table: layers, whether Grad-CAM answers, whether it compiles (`--compile`), processor seconds,
and the sentence that says why not.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

NAMES = (
    "torchvision:resnet18", "torchvision:squeezenet1_1", "torchvision:mobilenet_v3_small", "torchvision:shufflenet_v2_x0_5",
    "timm:efficientnet_b0", "timm:rexnet_100", "timm:mobilevit_s", "timm:convnext_atto", "timm:vit_tiny_patch16_224", "timm:levit_128s",
)  # fmt: skip
"""Kinds of networks that people train on faces; HSEmotion's and DDAMFN's are among timm's and torchvision's."""

EXPORT = """
import sys, torch
name, exporter, path = sys.argv[1:]
where, _, kind = name.partition(":")
torch.manual_seed(0)
if where == "timm":
    import timm
    net = timm.create_model(kind, num_classes=7).eval()
else:
    import torchvision
    net = torchvision.models.get_model(kind, num_classes=7).eval()
side = 224 if any(word in kind for word in ("vit", "levit")) else 96
pictures = torch.zeros(2, 3, side, side)
from ferviz.engines.torch.onnx_exporters import export_by_dynamo, export_by_tracing
content = (export_by_tracing if exporter == "tracing" else export_by_dynamo)(net, pictures)
open(path, "wb").write(content)
"""


def examine(source: Any, compiles: bool, **settings: Any) -> tuple[str, str, str, str]:
    """Return what loading, Grad-CAM and compiling come to, and the reason of the first that fails."""
    import ferviz

    outcome = ["no", "no", "-"]
    try:
        model = ferviz.load_model(source, cache=False, **settings)
        outcome[0] = f"{len(model.layers)} layers"
        side = model.input.size[0] or 96
        faces = np.random.default_rng(0).integers(0, 256, (2, side, side)).astype(np.uint8)
        maps = ferviz.explain(model, faces, method="gradcam", test=False).heatmaps
        assert np.isfinite(maps).all()
        outcome[1] = "yes"
        if compiles:
            outcome[2] = "no"
            ferviz.compile_model(model, layers=[])
            outcome[2] = "yes"
    except ferviz.FervizError as error:
        return outcome[0], outcome[1], outcome[2], str(error)
    return outcome[0], outcome[1], outcome[2], ""


def exported(folder: Path) -> Iterator[tuple[str, Path, str | None]]:
    """Write networks as ONNX; yield (name, file, why it could not be written)."""
    for name in NAMES:
        for exporter in ("tracing", "dynamo"):
            path = folder / f"{name.replace(':', '_')}_{exporter}.onnx"
            command = [sys.executable, "-c", EXPORT, name, exporter, str(path)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=600)
            reason = None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["?"])[-1][:160]
            yield f"{name}, {exporter}", path, reason


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--architecture", action="append", default=[], metavar="FILE=MY_NET.PY:CLASS[@INPUT]")
    parser.add_argument("--exports", action="store_true")
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    classes = dict(entry.partition("=")[::2] for entry in options.architecture)
    print("| file | loads | Grad-CAM | compiles | s | reason |\n|---|---|---|---|---|---|")

    def row(name: str, source: Any, **settings: Any) -> None:
        start = time.process_time()
        loads, map_, compiled, reason = examine(source, options.compile, **settings)
        reason = reason.replace(str(options.folder), "").replace("|", "/").lstrip("/")
        print(f"| {name} | {loads} | {map_} | {compiled} | {time.process_time() - start:.1f} | {reason} |", flush=True)

    for path in sorted(options.folder.iterdir()):
        if path.suffix.lower() in (".md", ".txt") or path.is_dir():
            continue
        settings: dict[str, Any] = {}
        if path.name in classes:
            architecture, _, shape = classes[path.name].partition("@")
            settings = {"architecture": architecture, "input": shape or "48x48x1"}
        row(path.name, path, **settings)
    if options.exports:
        with tempfile.TemporaryDirectory() as text:
            for name, path, problem in exported(Path(text)):
                if problem:
                    print(f"| {name} | - | - | - | - | PyTorch cannot write it: {problem} |", flush=True)
                else:
                    row(name, path)


if __name__ == "__main__":
    main()
