"""What commands write: where it goes if --out does not say so, and that it never takes the place of what is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ferviz.cli.sections import OptionGroup
from ferviz.paths import PathLike, check_is_no_input, exists, fit_name, is_same

if TYPE_CHECKING:
    from ferviz.cli.options.output_options import OutputOptions
    from ferviz.models.model import Model

ASKED = 80
"""Bytes of a default name that tell what was asked."""


def default_output(
    paths: Iterable[PathLike],
    command: str,
    suffix: str = ".png",
    *,
    asked: Iterable[str] = (),
    force: bool = False,
    inputs: Sequence[PathLike] = (),
    taken: Callable[[Path], bool] = exists,
) -> Path:
    """Return `<stem>_<command>_<what was asked>.png` in the working directory, with a number where such a file is there already.

    Args:
        paths: the command's arguments; the first one gives the stem. One that is too long is cut and ends in a hash.
        command: the command's name; "" leaves it out.
        suffix: of the file.
        asked: the words that were typed and distinguish this result from others of the same picture.
        force: a file that is there may be replaced, unless it is an input, so there is no number.
        inputs: the files that are read.
        taken: whether something would have to be replaced at a path.
    """
    first = next(iter(paths), "ferviz")
    stem = Path(first).stem or "ferviz"
    words = fit_name("".join(f"_{word}" for word in map(_plain, asked) if word), "", ASKED)
    ending = f"_{command}{words}" if command else words
    path, number = Path(fit_name(stem, f"{ending}{suffix}")), 2
    while (taken(path) and not force) or any(is_same(path, source) for source in inputs):
        path, number = Path(fit_name(stem, f"{ending}_{number}{suffix}")), number + 1
    return path


def output_path(
    output: OutputOptions,
    paths: Sequence[str],
    files: Sequence[Path],
    command: str,
    suffix: str = ".png",
    *,
    asked: Iterable[str] = (),
    inputs: Sequence[PathLike] = (),
    taken: Callable[[Path], bool] = exists,
) -> Path:
    """Return where to write: --out, or a name made from the first path, or from the first file if that is a pattern.

    Args:
        output: the command's options.
        paths: its arguments.
        files: the pictures that they stand for.
        command: the command's name.
        suffix, asked, inputs, taken: as of `default_output`.
    """
    if output.out:
        return Path(output.out)
    named = paths if not paths or exists(paths[0]) or not files else files
    return default_output(named, command, suffix, asked=asked, force=output.force, inputs=inputs, taken=taken)


def _plain(words: str) -> str:
    """-> words in letters that any file system takes: "happy,sad" as happy+sad."""
    return re.sub(r"[^\w.+-]+", "-", words.replace(" ", "").replace(",", "+")).strip("-.")


def typed(*names: str) -> list[str]:
    """Return the values of the options that were typed, as text; those that have their defaults are left out.

    Args:
        *names: the names of the parameters.
    """
    context = click.get_current_context(silent=True)
    if context is None:
        return []
    default = (None, click.core.ParameterSource.DEFAULT)
    values = [context.params.get(name) for name in names if context.get_parameter_source(name) not in default]
    return [",".join(map(str, v)) if isinstance(v, tuple) else str(v) for v in values]


def inputs_of(*groups: OptionGroup) -> list[PathLike]:
    """Return the files that options name to be read.

    Args:
        *groups: the command's options.
    """
    return [path for group in groups for path in group.inputs()]


def files_of(model: Model) -> list[PathLike]:
    """Return the files that a network was read from, its sidecar among them.

    Args:
        model: the network.
    """
    origin = model.origin
    return [] if origin is None else [f for path in (origin.path, *origin.files) for f in (path, *beside(path))]


def beside(network: PathLike) -> list[PathLike]:
    """Return where the sidecar of a network's file is looked for, and its statistics.

    Args:
        network: the file.
    """
    path = Path(network)
    if not path.name:
        return []
    return [path.with_name(name + end) for name in (path.name, path.stem) for end in (".ferviz.json", ".ferviz.npz")]


def check_outputs(outputs: Iterable[PathLike | None], inputs: Iterable[PathLike]) -> None:
    """Check that no two outputs are one file, and that none is read as an input.

    Args:
        outputs: the files to write; None is left out.
        inputs: the files that are read, and folders of which every file is.

    Raises:
        UsageError: one file is named for two outputs.
        OutputError: an output is an input, which is never replaced, whether or not --force is given.
    """
    from ferviz.errors import UsageError

    sources, written = list(inputs), [Path(path) for path in outputs if path is not None]
    for number, path in enumerate(written):
        if any(path.absolute() == other.absolute() or is_same(path, other) for other in written[:number]):
            raise UsageError(f"two outputs have the same name, {path}; give each a name of its own")
        check_is_no_input(path, sources)
