"""One tree of expected errors; each class carries the exit code that the command line ends with::

    FervizError                1   an expected error without a class of its own
    ├── UsageError             2   an argument makes no sense
    │   └── UnknownNameError   2   a method, layer, class, detector ... that does not exist (lists those that do)
    ├── PictureError           3   a picture or video that cannot be read
    ├── ModelError             4   a network that cannot be read, or lacks what is needed
    │   ├── UntrustedModelError 4  a network file that asks for code to be run
    │   ├── NotCompiledError    4  a compiled network that lacks what was asked for; its original has it
    │   └── NotFiniteError      4  a network that answers with NaN or infinity
    ├── NoFaceError            5   no face was found
    ├── DataError              6   a data set that cannot be read (file, line, column)
    └── OutputError            1   an output that cannot be written (disk full, no permission)
        └── OutputExistsError  7   the output is already there and may not be overwritten

Every message is one sentence on one line: what was wrong, where, and what to do. Names that come from files (of classes, layers, files)
may hold anything; in a message their control characters, line breaks and lone surrogates are escapes.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import ClassVar

from ferviz.printable import printable

_LONGEST = 3000  # characters of a message; the names in it may come from a file and be as long as that


class FervizError(Exception):
    """Base of every expected error; the command line prints it as one sentence and ends with `exit_code`.

    Attributes:
        exit_code: the command's exit code.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(message, _LONGEST))


class UsageError(FervizError):
    """An argument that makes no sense, or does not fit another one."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that does not exist; the message lists those that do and suggests the nearest.

    Args:
        kind: what was looked up, e.g. "layer".
        name: the name that the caller gave.
        known: the names that exist, in the order to show.
        where: the place that was searched, e.g. "this model"; left out when empty.
    """

    def __init__(self, kind: str, name: object, known: Iterable[str], where: str = "") -> None:
        names = [str(k) for k in known]
        close = difflib.get_close_matches(str(name).lower(), [n.lower() for n in names], n=1, cutoff=0.6)
        hint = next((f"; did you mean {n!r}?" for n in names if close and n.lower() == close[0]), "")
        if len(names) > 24:
            names = [*names[:12], f"... {len(names) - 24} more ...", *names[-12:]]
        inside = f" in {where}" if where else ""
        listed = f"it has {', '.join(names)}" if where else f"known are {', '.join(names)}"
        super().__init__(
            f"{kind} {str(name)!r} is not{inside or ' known'}; {listed if names else 'there is none'}{hint}"
        )
        self.name, self.known = name, names


def check_integer(name: str, value: object, minimum: int) -> None:
    """Check that an argument is an integer that is large enough.

    Args:
        name: the argument's name, for the message.
        value: what the caller passed.
        minimum: the smallest integer that is allowed.

    Raises:
        UsageError: `value` is no integer (bool counts as none), or it is smaller than `minimum`.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < minimum:
        raise UsageError(f"{name} must be a whole number of {minimum} or more, not {value!r:.60}")


class PictureError(FervizError):
    """A picture or video that cannot be read."""

    exit_code = 3


class ModelError(FervizError):
    """A network that cannot be read, or that lacks what is needed."""

    exit_code = 4


class UntrustedModelError(ModelError):
    """A network file that asks for code to be run."""


class NotCompiledError(ModelError):
    """The compiled network does not hold what was asked for; the network that it was compiled from does.

    Attributes:
        reason: what is missing.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; ask the network itself with engine keras (or auto)")
        self.reason = reason


class NotFiniteError(ModelError):
    """A network answers with NaN or infinity, which is no prediction.

    Args:
        name: the network's name.
        rows: the indices of such faces.
        count: how many faces were asked about.
    """

    def __init__(self, name: str, rows: Sequence[int], count: int) -> None:
        where = (
            ""
            if count == 1
            else f" for {len(rows)} of {count} faces" + (f", the first at index {rows[0]}" if len(rows) < count else "")
        )
        super().__init__(
            f"the network {name!r} answers with NaN or infinity{where}; its weights are damaged or too large, so load it from a good "
            "file or train it again"
        )
        self.rows = tuple(rows)


class NoFaceError(FervizError):
    """A picture without a face."""

    exit_code = 5


class DataError(FervizError):
    """A data set or a saved result that cannot be read; the message names file, line and column."""

    exit_code = 6


class OutputError(FervizError):
    """An output that cannot be written: the disk is full, or permission is missing."""

    exit_code = 1


class OutputExistsError(OutputError):
    """An output that is already there and may not be replaced."""

    exit_code = 7
