"""`python tools/measure_faces.py fer2013.csv [OUT.npz]`: measure the face statistics that ferviz brings along.

Reads FER2013's Training faces and writes their means, spectrum and principal components (averages only, no single face) to
ferviz/assets/face_statistics.npz, or to another file.
"""

from __future__ import annotations

from pathlib import Path

import click

from ferviz.data.read import read_data
from ferviz.dreaming.face_statistics import measure, save

ASSET = Path(__file__).resolve().parents[1] / "ferviz" / "assets" / "face_statistics.npz"


@click.command()
@click.argument("data")
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path), default=ASSET)
def main(data: str, out: Path) -> None:
    """Measure the Training faces of DATA (fer2013.csv) and write their statistics to OUT."""
    faces = read_data(data, split="Training")
    save(measure(faces.images, faces.labels, faces.names), out, "FER2013, Training rows")
    click.echo(f"wrote {out}")


if __name__ == "__main__":
    main()
