"""Run every graph of a TensorFlow Lite file once: a script that `ferviz.engines.tflite.admission` starts in a process of its own.

It imports nothing of ferviz. The file comes from standard input. Exit 0: all of it runs; 3: the interpreter refuses it, and the reason
is on standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

BATCHES = (1, 2)
SIDE = 32
"""Of an axis whose size the file leaves open, other than the first, which is the number of pictures."""


def run_all(content: bytes) -> None:
    """Run every graph that has a name, or else the first, on zeros and on other numbers.

    Args:
        content: the file.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=2)
    names = interpreter.get_signature_list()
    for name in names:
        runner = interpreter.get_signature_runner(name)
        details = runner.get_input_details()
        for feeds in _feeds(details):
            runner(**feeds)
    if not names:
        details = {detail["index"]: detail for detail in interpreter.get_input_details()}
        for feeds in _feeds(details):
            for index, values in feeds.items():
                interpreter.resize_tensor_input(index, values.shape)
            interpreter.allocate_tensors()
            for index, values in feeds.items():
                interpreter.set_tensor(index, values)
            interpreter.invoke()
            for detail in interpreter.get_output_details():
                interpreter.get_tensor(detail["index"])


def _feeds(details: dict[Any, dict[str, Any]]) -> Iterator[dict[Any, np.ndarray]]:
    random = np.random.default_rng(0)
    is_open = any((detail["shape_signature"] == -1).any() for detail in details.values())
    for batch in BATCHES if is_open else BATCHES[:1]:
        shapes = {
            key: [
                (batch if axis == 0 else SIDE) if n == -1 else int(n)
                for axis, n in enumerate(detail["shape_signature"])
            ]
            for key, detail in details.items()
        }
        makers: tuple[Callable[[list[int]], np.ndarray], ...] = (np.zeros, lambda shape: random.uniform(-1, 255, shape))
        for make in makers:
            yield {key: make(shapes[key]).clip(0, 100).astype(detail["dtype"]) for key, detail in details.items()}


if __name__ == "__main__":
    try:
        run_all(sys.stdin.buffer.read())
    except (ValueError, RuntimeError) as error:
        lines = str(error).strip().splitlines()
        sys.stdout.write(lines[0][:160].rstrip(". ") if lines else type(error).__name__)
        sys.stdout.flush()
        sys.exit(3)
