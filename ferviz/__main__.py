"""python -m ferviz, and the console script: ready for Ctrl-C before anything else is imported."""

from __future__ import annotations

import os

INTERRUPTED = 130
"""The exit code after Ctrl-C, as of a shell."""


def main() -> None:
    """Run the command line. Ctrl-C while modules are still being imported ends the process at once and without a word."""
    try:
        import signal

        # A handler that raises would be no help: libraries that are being imported turn exceptions into their own.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
        from ferviz.cli import main as command

        command()
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
