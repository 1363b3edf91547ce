"""The process that runs somebody's SavedModel, within the limits of `ferviz.sandbox`: a module that `SavedModelEngine` starts.

Argument: the folder. It sends one message when the network is loaded, then one answer for each pair of messages (a shape and a batch).
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from ferviz.engines.savedmodel.graph_runner import GraphRunner, describe_error, import_runtime
from ferviz.errors import ModelError, UntrustedModelError
from ferviz.sandbox import MEMORY, MISSING
from ferviz.sandbox.messages import channel, read_message, write_message


def main(folder: Path) -> None:
    """Load a network and answer until the parent closes the pipe.

    Args:
        folder: the folder with saved_model.pb.
    """
    reader, writer = channel()
    tempfile.tempdir = (
        tempfile.tempdir or "/"
    )  # Python tries to write where it looks for one, and importing TensorFlow asks
    import_runtime()
    try:
        runner = GraphRunner(folder)
        greeting = {"signature": dataclasses.asdict(runner.signature)}
    except ModelError as error:
        untrusted = isinstance(error, UntrustedModelError)
        write_message(writer, json.dumps({"error": str(error), "untrusted": untrusted}).encode())
        return
    write_message(writer, json.dumps(greeting).encode())
    while True:
        try:
            shape = np.frombuffer(read_message(reader), np.int64)
            batch = np.frombuffer(read_message(reader), np.float32).reshape(tuple(shape))
        except EOFError:
            return
        try:
            answer = runner(batch)
            content = (
                b"+"
                + np.array(answer.shape, np.int64).tobytes().ljust(64, b"\0")[:64]
                + np.ascontiguousarray(answer).tobytes()
            )
        except MemoryError:
            raise
        except (
            Exception
        ) as error:  # any error of any operation in somebody's graph; the parent raises it again as its own
            content = b"-" + f"{type(error).__name__}: {describe_error(error)}".encode("utf-8", "replace")
        write_message(writer, content)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except ImportError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(MISSING)
    except MemoryError:
        sys.exit(MEMORY)
