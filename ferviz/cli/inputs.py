"""What commands read: networks and labelled faces."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ferviz.cli.console import Console
from ferviz.cli.options.input_options import DataOptions, FaceOptions
from ferviz.cli.options.network_options import ModelOptions
from ferviz.errors import UsageError
from ferviz.paths import exists

if TYPE_CHECKING:
    from ferviz.data.dataset import Dataset
    from ferviz.models.model import Model

BAD_ROWS = 10
"""Bad rows that are printed one by one."""


def open_model(options: ModelOptions, console: Console) -> Model:
    """Load a network, and print what had to be assumed about it.

    Args:
        options: which network.
        console: where the assumptions are printed.

    Raises:
        ModelError: the network cannot be read, or the options do not fit it.
    """
    from ferviz.models.load import load_model

    model = load_model(options.model, **options.arguments(), cache=not options.no_cache)
    for note in model.notes:
        console.warn(note)
    return model


def check_detector(options: FaceOptions) -> None:
    """Open the detector that is named, so that a wrong name or file is one error, before any work.

    Args:
        options: how faces are searched.

    Raises:
        UnknownNameError: there is no such detector.
        ModelError: its network cannot be read.
    """
    if (options.detector == "auto" and options.detector_model is None) or options.detector == "none":
        return
    from ferviz.faces.detectors.registry import open_detector

    open_detector(options.detector, options.detector_model)


def keep_compiled(model: Model, options: ModelOptions, console: Console) -> bool:
    """Compile a network that ran on TensorFlow into the cache folder, so that its next explanation starts at once.

    Call it after the results are written. Nothing is done with --no-cache, --engine keras or onnx, or for compiled networks.

    Args:
        model: the network.
        options: how it was loaded.
        console: where progress is printed.

    Returns:
        Whether it was compiled now.
    """
    if options.no_cache or options.engine in ("keras", "onnx") or model.origin is None:
        return False
    from ferviz.models.compiled.cache import keep

    return keep(model, model.origin, console.say) is not None


LEFT_OUT = "left out"
"""What stands for the label of faces that the label scheme has none for."""


def open_data(
    path: str,
    options: DataOptions,
    console: Console,
    *,
    split: str | Sequence[str] | None = None,
    seed: int = 0,
    explained: bool = False,
) -> Dataset:
    """Read labelled faces, and print which rows were skipped.

    Args:
        path: the data set.
        options: its labels and its reader. `options.split` is not read: some commands split after reading.
        console: where warnings and skipped rows are printed.
        split: the split to read, as of `read_data`.
        seed: of a random split.
        explained: the folder of a sharded run, and its merged table, are data sets, too.

    Raises:
        DataError: the data cannot be read.
    """
    from ferviz.data.read import read_data

    if explained and split is None and _is_run(path):
        from ferviz.scale import read_explained

        if options.votes is not None:
            raise UsageError("the tables of a run have no votes; leave --votes out, or name the data set itself")
        return read_explained(path, options.scheme)
    with printed_warnings(console):
        data = read_data(
            path,
            labels=options.scheme,
            votes=options.votes,
            split=split,
            skip_bad=options.skip_bad,
            reader=options.reader,
            seed=seed,
        )
    if any(word != name for word, name in data.label_mapping.items()):
        console.say(
            f"labels: {', '.join(f'{word} -> {name or LEFT_OUT}' for word, name in sorted(data.label_mapping.items()))}"
        )
    for row in data.bad[:BAD_ROWS]:
        console.warn(f"skipped {row}")
    if len(data.bad) > BAD_ROWS:
        console.warn(f"skipped {len(data.bad) - BAD_ROWS:,} more bad rows")
    return data


def _is_run(path: str) -> bool:
    place = Path(path)
    if not (exists(place / "plan.json") or place.suffix.lower() == ".parquet"):
        return False  # without pyarrow
    from ferviz.scale.explained.run_records import is_explained

    return is_explained(place)


@contextlib.contextmanager
def printed_warnings(console: Console) -> Iterator[None]:
    """Print what the library warns of within the block, each sentence once.

    Args:
        console: where the sentences are printed.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    for sentence in dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, UserWarning)):
        console.warn(sentence)
