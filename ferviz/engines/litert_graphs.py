"""The graphs of one LiteRT file, run by name over any number of pictures, in parts that keep the memory bounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ferviz.engines.base import Array
from ferviz.errors import ModelError
from ferviz.native_logs import silenced

MEMORY = 48 * 1024**2
"""Bytes of results that one run of a graph may hold; larger batches are run in parts."""

MAX_PICTURES = 16
"""Pictures of up to 64 x 64 pixels in one run; fewer of larger ones, and a quarter where a gradient goes all the way back, since what
lies between keeps its place in memory until then. More are slower, for they do not fit the processor's caches: 64 cost 1.16 times
as much a picture, and 1.6 times with gradients at every layer."""


class LiteRTGraphs:
    """The graphs of one LiteRT file, by name.

    Args:
        content: the file.
        threads: of the processor.

    Raises:
        ModelError: LiteRT cannot read it.
    """

    def __init__(self, content: bytes, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
            self._signatures: dict[str, Any] = self._interpreter.get_signature_list()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"LiteRT cannot read the compiled network ({_first(error)}); compile it again") from error
        self._runners: dict[str, Any] = {}
        self._all: dict[str, list[Any]] = {}
        self._started: set[str] = set()

    def __contains__(self, name: object) -> bool:
        return name in self._signatures

    def expect(self, name: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Check what a graph takes and gives.

        Args:
            name: of the graph.
            inputs, outputs: {name: shape}, None = any, -1 = a free size.

        Raises:
            ModelError: it has others.
        """
        have = self._signatures.get(name)
        if have is None or set(have["inputs"]) != set(inputs) or set(have["outputs"]) != set(outputs):
            raise ModelError(f"the compiled network's graph {name!r} is not what its table says; compile it again")
        runner = self._runner(name)
        for wanted, details in ((inputs, runner.get_input_details()), (outputs, runner.get_output_details())):
            for key, shape in wanted.items():
                detail = details[key]
                if detail["dtype"] is not np.float32 or (shape and tuple(detail["shape_signature"]) != shape):
                    raise ModelError(
                        f"the compiled network's {name!r} has another {key!r} than its table says; compile it again"
                    )

    def run(self, name: str, outputs: list[str], feeds: dict[str, Array]) -> dict[str, Array]:
        """Run one graph over any number of rows.

        Args:
            name: of the graph.
            outputs: the wanted ones.
            feeds: {input: (N, ...) float32}.

        Returns:
            {output: (N, ...) float32}.

        Raises:
            ModelError: LiteRT cannot run it.
        """
        runner = self._runner(name)
        count = len(next(iter(feeds.values())))
        narrowed = hasattr(runner, "_outputs")
        if narrowed:  # the last run may have wanted other outputs
            runner._outputs = self._all[name]
        details = runner.get_output_details()
        if count == 0:
            return {key: np.zeros((0, *details[key]["shape"][1:]), np.float32) for key in outputs}
        row = sum(int(np.prod(d["shape"][1:], dtype=np.int64)) * 4 for d in details.values())
        rows = int(np.clip(min(MEMORY // max(row, 1), _at_once(feeds)), 1, MAX_PICTURES))
        if narrowed:  # copy out only what is wanted; without this attribute everything is
            runner._outputs = [pair for pair in self._all[name] if pair[0] in outputs]
        results: dict[str, Array] = {}
        for start in range(0, count, rows):
            chunk = {key: value[start : start + rows] for key, value in feeds.items()}
            try:
                answer = self._call(name, runner, chunk)
            except (ValueError, RuntimeError) as error:
                raise ModelError(
                    f"LiteRT could not run the compiled network ({_first(error)}); compile it again"
                ) from error
            size = len(next(iter(chunk.values())))
            for key in outputs:
                if answer[key].shape[:1] != (size,):
                    raise ModelError(
                        f"the compiled network answers {size} pictures with {key!r} of shape {answer[key].shape}; compile it again"
                    )
            if count <= rows:
                return {key: answer[key] for key in outputs}
            for key in outputs:
                if start == 0:
                    results[key] = np.empty((count, *answer[key].shape[1:]), np.float32)
                results[key][start : start + rows] = answer[key]
        return results

    def _call(self, name: str, runner: Callable[..., dict[str, Array]], feeds: dict[str, Array]) -> dict[str, Array]:
        if name in self._started:
            return runner(**feeds)
        with silenced(everything=True):  # the first run of a graph announces the processor back end
            answer = runner(**feeds)
        self._started.add(name)
        return answer

    def _runner(self, name: str) -> Any:
        if name not in self._runners:
            self._runners[name] = self._interpreter.get_signature_runner(name)
            self._all[name] = list(getattr(self._runners[name], "_outputs", ()))
        return self._runners[name]


def _at_once(feeds: dict[str, Array]) -> int:
    picture = feeds.get("picture")
    if picture is None:
        return MAX_PICTURES
    most = min(MAX_PICTURES, MAX_PICTURES * 64 * 64 // max(picture.shape[1] * picture.shape[2], 1))
    return most // 4 if "weights" in feeds else most


def _first(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:160].rstrip(". ") if lines else type(error).__name__
