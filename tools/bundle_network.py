"""`python tools/bundle_network.py RUN DATA`: make a run's best network the one that ferviz is shipped with.

Reads the file as every user does, measures it once more on the split that chose it, and writes bundled.keras
with its sidecar and its compiled form (bundled.ferviz) into ferviz/assets/. Nothing is written when the file is too
large, its labels are not FER2013's seven, or its accuracy is not the one that its run measured.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from ferviz.data.dataset import Dataset
from ferviz.emotions import SCHEMES
from ferviz.errors import DataError, ModelError, OutputError
from ferviz.files import atomic, sha256, write_text
from ferviz.known_files import SHIPPED
from ferviz.manifests import manifest, to_json
from ferviz.models.network_address import parse_network
from ferviz.training.run_folder import CONFIG, HISTORY

ASSETS = Path(__file__).resolve().parents[1] / "ferviz" / "assets"
MAX_BYTES = 5_000_000
MAX_COMPILED = 6_000_000
TOLERANCE = 0.004
"""Largest difference in accuracy between bfloat16 (in the run) and float32 (in the file): 14 of 3,589 faces."""


def bundle(run: Path, data: Dataset, assets: Path = ASSETS, network: str = "best") -> dict[str, Any]:
    """Write bundled.keras, its sidecar and its compiled form from a run folder.

    Args:
        run: a run folder, finished or not.
        data: the data with the run's validation split.
        assets: the folder to write to.
        network: "best" or "last".

    Returns:
        The sidecar's facts about the network.

    Raises:
        ModelError: the file is missing or too large, or its labels are not FER2013's seven.
        DataError: its accuracy is not the one that the run measured.
        OutputError: the folder is missing or cannot be written.
    """
    from ferviz.models.load import load_model

    path = run / f"{network}.keras"
    if not path.is_file():
        raise ModelError(f"{run} has no {path.name}; train first")
    saved = json.loads((run / CONFIG).read_text(encoding="utf-8"))
    validation = saved["config"]["validation"]
    history = _history(run / HISTORY)
    row = max(history, key=lambda r: r["val_accuracy"]) if network == "best" else history[-1]
    model = load_model(path, engine="keras")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ModelError(f"{path} has {size:,} bytes; the bundled network may have {MAX_BYTES:,}")
    if model.labels != SCHEMES["7"].labels:
        raise ModelError(
            f"{path} has the labels {', '.join(model.labels)}; the bundled network needs FER2013's seven in their order"
        )
    measured = measure(model, data.take(data.split == validation))
    if abs(measured["accuracy"] - row["val_accuracy"]) > TOLERANCE:
        raise DataError(
            f"{path} has an accuracy of {measured['accuracy']:.4f} on {validation}, its run measured {row['val_accuracy']:.4f}; "
            "give the data that it was trained on"
        )
    fitted = "FER2013 Training" + (f", without copies of {validation}" if saved["config"].get("drop_copies") else "")
    about = manifest(
        what="trained by `ferviz train`, made the bundled network by `python tools/bundle_network.py`",
        architecture=saved["architecture"], options=saved["options"], config=saved["config"],
        data={"rows": saved["data"]["rows"], "fitted": fitted, "chosen by": validation},
        init_from=_file(saved["init_from"]) if saved.get("init_from") else None,
        epoch=int(row["epoch"]), measured=measured, bytes=size, sha256=sha256(path),
        teachers=[_file(name) for name in saved["config"]["teachers"]],
    )  # fmt: skip
    spec = {"height": model.input.height, "width": model.input.width, "scaling": "0..255", "resize": "uint8"}
    document = {"schema_version": 1, "labels": list(model.labels), "input": spec, "about": about}
    if not assets.is_dir():
        raise OutputError(f"{assets} is not there; run this from a checkout of ferviz")
    with atomic(assets / "bundled.keras") as temporary:
        temporary.write_bytes(path.read_bytes())
    write_text(assets / "bundled.ferviz.json", to_json(document, indent=2) + "\n")
    compile_bundled(assets)
    return about


def _file(address: str) -> dict[str, str | None]:
    path = Path(parse_network(address)[0])
    return {"file": path.name, "sha256": sha256(path) if path.is_file() else None}


def compile_bundled(assets: Path = ASSETS) -> Path:
    """Write bundled.ferviz, the compiled form of bundled.keras, which runs without TensorFlow. `teach_bundled.py` then teaches it.

    Args:
        assets: the folder of both.

    Returns:
        The path of the compiled file.

    Raises:
        ModelError: it is too large to be shipped.
        OutputError: it cannot be written.
    """
    from ferviz.models.compiled.compile import compile_model
    from ferviz.models.compiled.file import write_compiled
    from ferviz.models.load import load_model

    compiled = compile_model(load_model(assets / "bundled.keras", engine="keras"))
    if len(compiled.network.content) > MAX_COMPILED:
        raise ModelError(
            f"the compiled network has {len(compiled.network.content):,} bytes; it may have {MAX_COMPILED:,}"
        )
    path = write_compiled(assets / "bundled.ferviz", compiled, force=True)
    note_shipped(compiled.network.content, assets)
    return path


def note_shipped(content: bytes, assets: Path = ASSETS) -> None:
    """Write down the SHA-256 of the bundled network's graphs, which then run without being tried first.

    Args:
        content: the LiteRT file inside bundled.ferviz.
        assets: the folder of both.
    """
    digest = hashlib.sha256(content).hexdigest()
    known = assets / SHIPPED.name
    lines = known.read_text(encoding="ascii").splitlines() if known.is_file() else []
    others = [line for line in lines if "bundled.ferviz" not in line]
    write_text(known, "\n".join([f"{digest}  bundled.ferviz (its graphs)", *others]) + "\n")


def measure(model: Any, part: Dataset) -> dict[str, Any]:
    """Return accuracy, accuracy with the mirror image's answer averaged in, and the recall of each class.

    Args:
        model: the network.
        part: the faces.
    """
    plain = model.probabilities(part.images)
    both = plain + model.probabilities(np.ascontiguousarray(part.images[:, :, ::-1]))
    right = plain.argmax(1) == part.labels
    return {
        "faces": len(part),
        "accuracy": round(float(right.mean()), 4),
        "accuracy_with_flip": round(float((both.argmax(1) == part.labels).mean()), 4),
        "recall": {n: round(float(right[part.labels == i].mean()), 3) for i, n in enumerate(part.names)},
    }


def _history(path: Path) -> list[dict[str, float]]:
    header, *rows = path.read_text(encoding="utf-8").split()
    return [dict(zip(header.split(","), map(float, row.split(",")), strict=True)) for row in rows]


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("data")
@click.option("--network", type=click.Choice(["best", "last"]), default="best", show_default=True)
def main(run: Path, data: str, network: str) -> None:
    """Make RUN's network the bundled one, measured on DATA (fer2013.csv)."""
    from ferviz.data.read import read_data

    about = bundle(run, read_data(data), network=network)
    click.echo(to_json({k: about[k] for k in ("epoch", "measured", "bytes", "sha256")}, indent=2))


if __name__ == "__main__":
    main()
