"""One door for extensions: each function here is a decorator that registers what it decorates under a name.

    @ferviz.register.detector("skin", "the largest skin-coloured patch")
    class Skin: ...

From then on, in this process, the name works everywhere: in the functions of ferviz, on the command line, in the lists of
`ferviz.methods()` and its siblings. Other packages do the same without being imported through entry points (`ferviz.methods`,
`ferviz.detectors`, ...). A package of ferviz is only imported when something is registered in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from ferviz.data.dataset import Table
    from ferviz.engines.base import Engine
    from ferviz.faces.detectors.detector import Detector

F = TypeVar("F", bound=Callable[..., Any])
D = TypeVar("D", bound="Callable[..., Detector]")
R = TypeVar("R", bound="Callable[..., Table]")
E = TypeVar("E", bound="Callable[..., Engine]")
NO_SETTINGS: Mapping[str, Any] = {}


def method(
    name: str,
    summary: str,
    *,
    at: str = "layer",
    title: str = "",
    signed: Mapping[str, Any] = NO_SETTINGS,
    magnitude: bool = False,
    needs: Sequence[type] = (),
    caution: str = "",
    from_maps: bool = False,
) -> Callable[[F], F]:
    """Register an attribution method, for `ferviz.explain(method=name)` and --method.

    Args:
        name: the method's name.
        summary: one line about it.
        at, title, signed, magnitude, needs, caution, from_maps: as of `ferviz.attribution.methods.method.Method`.

    Returns:
        The decorator of a function `(MethodInput, **settings) -> MethodOutput`, or with `from_maps` of a function
        `(activation (N, h, w, C), gradient (N, T, h, w, C), **settings) -> maps (N, T, h, w)`.

    Raises:
        ValueError: the name is taken.
    """
    from ferviz.attribution.methods.method import Method
    from ferviz.attribution.methods.registry import METHODS

    def add(function: F) -> F:
        entry = Method(
            function,
            at,
            title=title,
            signed=signed,
            magnitude=magnitude,
            needs=tuple(needs),
            caution=caution,
            from_maps=from_maps,
        )
        METHODS.add(name, summary, entry)
        return function

    return add


def detector(name: str, summary: str) -> Callable[[D], D]:
    """Register a face detector, for `ferviz.find_faces(detector=name)` and --detector.

    Args:
        name: the detector's name.
        summary: one line about it.

    Returns:
        The decorator of a class, or of a function, that takes the path of a model file or None and returns a `Detector`.

    Raises:
        ValueError: the name is taken.
    """
    from ferviz.faces.detectors.registry import DETECTORS

    def add(opener: D) -> D:
        DETECTORS.add(name, summary, opener)
        return opener

    return add


def reader(
    name: str,
    summary: str,
    *,
    recognises: Callable[..., bool],
    key: Callable[..., str] | None = None,
) -> Callable[[R], R]:
    """Register a reader of labelled faces, for `ferviz.read_data(reader=name)` and --reader.

    Args:
        name: the reader's name.
        summary: one line about it.
        recognises: takes a path and returns whether this reader reads it.
        key: takes a path and returns the hash under which the data are cached; None = the SHA-256 of the content.

    Returns:
        The decorator of a function (path, skip_bad, classes) -> `Table`.

    Raises:
        ValueError: the name is taken.
    """
    from ferviz.data.read import READERS, Reader
    from ferviz.files import sha256

    def add(read: R) -> R:
        READERS.add(name, summary, Reader(recognises, read, key or sha256))
        return read

    return add


def architecture(name: str, summary: str) -> Callable[[F], F]:
    """Register an architecture, for `ferviz.train(architecture=name)` and --architecture.

    Args:
        name: the architecture's name.
        summary: one line about it.

    Returns:
        The decorator of a function `build(classes, *, seed, logits, **options) -> keras.Model`.

    Raises:
        ValueError: the name is taken.
    """
    from ferviz.models.architectures import ARCHITECTURES

    def add(build: F) -> F:
        ARCHITECTURES.add(name, summary, build)
        return build

    return add


def engine(name: str, summary: str, *, recognises: Callable[[Any], bool], note: str = "") -> Callable[[E], E]:
    """Register an engine, which then opens the networks that it recognises in `ferviz.load_model` and --model.

    Args:
        name: the engine's name.
        summary: one line about it.
        recognises: takes a Path or an object in memory and returns whether this engine runs it, by its content and without importing
            a framework.
        note: a sentence for the user about what such a network cannot do.

    Returns:
        The decorator of a function (source, trust) -> `Engine`.

    Raises:
        ValueError: the name is taken.
    """
    from ferviz.engines.registry import ENGINES, Opener

    def add(opener: E) -> E:
        ENGINES.add(name, summary, Opener(recognises, opener, note))
        return opener

    return add


def writer(suffix: str, summary: str, *, needs: Sequence[str]) -> Callable[[F], F]:
    """Register a file format, for the `save` of every result that has what the format needs, and for --out.

    Args:
        suffix: the suffix with its dot, in small letters: ".html".
        summary: one line about the format.
        needs: methods of `Result` of which a result must have one: "picture", "plot", "to_arrays", "to_dict", "table".

    Returns:
        The decorator of a function (result, path, options) that writes the file.

    Raises:
        ValueError: the suffix is taken.
    """
    from ferviz.writers import WRITERS, Writer

    def add(write: F) -> F:
        WRITERS.add(suffix, summary, Writer(write, tuple(needs)))
        return write

    return add
