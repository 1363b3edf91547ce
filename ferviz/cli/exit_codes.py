"""The exit codes: the same for every command."""

from __future__ import annotations

from ferviz.__main__ import INTERRUPTED

EXIT_CODES = {
    0: "done",
    2: "usage: an option, a method, a layer or a class that does not exist",
    3: "a picture or video that cannot be read",
    4: "a network that cannot be read, or cannot do what was asked",
    5: "no face was found",
    6: "a data set that cannot be read",
    7: "the output exists already",
    INTERRUPTED: "interrupted with Ctrl-C; nothing half-written stays",
    1: "anything else, such as an output that cannot be written",
}
"""Exit code -> what it means; the classes of `ferviz.errors` carry them."""
