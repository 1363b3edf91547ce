"""`python tools/teach_bundled.py DATA [--minutes 240] [--resume]`: teach the bundled network to explain itself.

Writes ferviz/assets/bundled.ferviz anew, the compiled network with its explainer, and its hash. Afterwards `benchmarks/teach.py DATA`
measures it on faces that nothing was fitted to.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import click
from bundle_network import ASSETS, MAX_COMPILED, note_shipped

from ferviz.errors import ModelError
from ferviz.manifests import to_json
from ferviz.models.compiled.file import read_compiled
from ferviz.models.load import load_model
from ferviz.training.explainer.teach import TeachConfig, TeachingProgress, teach


def bundle_explainer(taught: Path, assets: Path = ASSETS) -> None:
    """Make a taught file the compiled form of the bundled network.

    Args:
        taught: what `teach` wrote for bundled.keras.
        assets: the folder of the bundled network.

    Raises:
        ModelError: the file is another network's, was not taught, or is too large to be shipped.
    """
    compiled, bundled = read_compiled(taught), load_model()
    if compiled.sha256 != bundled.sha256 or compiled.lesson is None:
        raise ModelError(f"{taught} does not hold the bundled network with an explainer; teach it again")
    if len(compiled.network.content) > MAX_COMPILED:
        raise ModelError(f"{taught} has {len(compiled.network.content):,} bytes; it may have {MAX_COMPILED:,}")
    part = assets / "bundled.ferviz.part"
    shutil.copyfile(taught, part)
    part.replace(assets / "bundled.ferviz")
    note_shipped(compiled.network.content, assets)


@click.command()
@click.argument("data")
@click.option("--minutes", type=float, default=240, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("bundled.ferviz"), show_default=True)
@click.option("--resume", is_flag=True)
def main(data: str, minutes: float, out: Path, resume: bool) -> None:
    """Teach the bundled network with the Training rows of DATA (fer2013.csv)."""

    def say(p: TeachingProgress) -> None:
        click.echo(f"{p.stage}: {p.done:,} of {p.total:,} {p.note}", err=True)

    config = TeachConfig(faces=27_138, width=64, epochs=60)
    run = teach(load_model(), data, out=out, minutes=minutes, config=config, resume=resume, force=True, progress=say)
    bundle_explainer(run.path)
    click.echo(to_json(run.to_dict(), indent=2))


if __name__ == "__main__":
    main()
