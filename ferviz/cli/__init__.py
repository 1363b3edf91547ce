"""The command line: a thin skin over the library; one file a command, imported only when that command runs."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

import click

from ferviz.__main__ import INTERRUPTED
from ferviz.cli.exit_codes import EXIT_CODES
from ferviz.cli.lazy import LazyGroup
from ferviz.errors import FervizError
from ferviz.printable import printable

COMMANDS = {
    "gradcam": "Show where a network looks: Grad-CAM over the face.",
    "explain": "Explain faces with any attribution method.",
    "compare": "Compare methods, layers or networks on the same faces.",
    "activations": "Draw the activations of a network's layers for a face.",
    "dream": "Dream: pictures that excite a class or a layer most.",
    "predict": "Predict the emotions of faces.",
    "video": "Predict or explain the faces of a video or a camera.",
    "live": "Watch a camera: the emotions of its faces, in the browser.",
    "studio": 'Play with a network in the browser: hide the mouth, and see "happy" vanish.',
    "dataset": "Explain the faces of a data set: all in a run that can be resumed, or some as a picture.",
    "scale": "Explain millions of faces: plan, run, merge.",
    "detectors": "List the face detectors, or fetch the network of one.",
    "compile": "Compile a network with its explanations, to run without TensorFlow.",
    "layers": "Print a network's input, its labels, and its layers with their shapes.",
    "data": "Describe and draw a data set.",
    "train": "Train a network.",
    "teach": "Teach a network to explain itself in one pass.",
    "evaluate": "Measure a network on labelled faces.",
    "study": "Ask a question over a data set.",
    "report": "Write what there is to say about a network as one HTML file that one can send.",
    "trust": "Find out which heatmaps to believe for a network.",
    "audit": "Find out whether a network's accuracy would be believed.",
    "check": "Test whether a network gets the input that it was trained on.",
}
"""Command name -> the line that `ferviz --help` shows. The file of the same name in commands/ holds `command`."""


class MainGroup(LazyGroup):
    """The group of all commands: its `--help` ends with the exit codes."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of exit codes.

        Args:
            ctx: the group's context.
            formatter: takes the text.
        """
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])


@click.group(
    cls=MainGroup,
    summaries=COMMANDS,
    package="ferviz.cli.commands",
    homes={"live": "video.live"},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="ferviz")
def group() -> None:
    """See what a facial-expression network looks at, and what it dreams of.

    Every command uses the bundled network unless --model names another. Start with: ferviz gradcam face.png
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; an expected error becomes one sentence on standard error.

    Args:
        arguments: the words behind "ferviz"; None = those of the process.

    Returns:
        The exit code.
    """
    try:
        result = group.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        context: Any = getattr(error, "ctx", None)
        hint = f" (see: {context.command_path} --help)" if context else ""
        _print_error(f"{error.format_message().rstrip('.')}{hint}")
        return error.exit_code
    except FervizError as error:
        _print_error(str(error))
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _print_error("interrupted")
        return INTERRUPTED
    except click.exceptions.Exit as error:
        return error.exit_code
    except OSError as error:
        if not _of_printing(error):
            raise
        # What is left in the buffer must not fail once more at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 0  # the reader went away (| head): nobody is left to read an error
        _print_error(
            f"standard output cannot be written ({error.strerror or error}); free some space, or send it elsewhere"
        )
        return 1
    except SystemExit:
        return 0  # click's way of saying that the reader went away


def _of_printing(error: BaseException) -> bool:
    """Return whether the error was raised where standard output is written, and not by the work of a command."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_code in (click.echo.__code__, run.__code__)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code; this is the console script.

    Args:
        arguments: as of `run`.
    """
    _prepare_streams()
    # Matplotlib warns of a home that cannot be written, and uses a temporary folder; the user need not know.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    sys.exit(_run_until_interrupted(arguments))


def _run_until_interrupted(arguments: Sequence[str] | None) -> int:
    """Run one command line; Ctrl-C ends it with 130, whatever a library that is being imported makes of the KeyboardInterrupt."""
    pressed = False

    def interrupt(*_: object) -> None:
        nonlocal pressed
        pressed = True
        raise KeyboardInterrupt

    # Where Ctrl-C is ignored (nohup), it stays so.
    handled = (
        threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) != signal.SIG_IGN
    )
    if handled:
        signal.signal(signal.SIGINT, interrupt)
    try:
        code = run(arguments)
    except Exception:
        if not pressed:
            raise
        _print_error("interrupted")
    if handled:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))  # nothing is left to be done
    return INTERRUPTED if pressed else code


def _prepare_streams() -> None:
    """Replace closed streams (`>&-`), and let file names pass that the terminal's encoding does not have."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", errors="replace"))
        elif isinstance(stream, io.TextIOWrapper):
            # Bytes of a file's name that are no UTF-8 are printed unchanged.
            utf8 = stream.encoding.lower().replace("-", "") == "utf8"
            stream.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")


def _print_error(sentence: str) -> None:
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    with contextlib.suppress(BrokenPipeError):  # nobody is left to read it
        click.echo(
            f"{click.style('ferviz:', fg='red', bold=True) if colour else 'ferviz:'} {printable(sentence)}", err=True
        )
