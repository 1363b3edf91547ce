"""The process that works for the studio's page: it opens networks and data when a job first needs them, and answers with events.

Its first message is the opening, {"networks": [arguments of `load_model`], "data": {arguments of `Labelled`} or null, "cache": a folder or
null}; every further one is a job. Each event goes back as one message.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ferviz.errors import FervizError, ModelError, UsageError
from ferviz.manifests import to_json
from ferviz.models.load import load_model
from ferviz.models.model import Model
from ferviz.sandbox.messages import channel, read_message, write_message
from ferviz.web.labelled import Labelled

MAX_JOB = 64 * 1024**2
MAX_NETWORKS = 4
"""Networks that are kept open."""

EVERY = 0.15
"""Seconds between two events about progress."""

Report = Callable[[Mapping[str, Any]], None]
Task = Callable[["Workbench", Mapping[str, Any], Report], None]


class Workbench:
    """Networks and data of the page, opened when they are first needed.

    Args:
        opening: the first message.
    """

    def __init__(self, opening: Mapping[str, Any]) -> None:
        self._sources: list[dict[str, Any]] = list(opening["networks"])
        self._data = opening.get("data")
        self._models: dict[str, Model] = {}
        self._labelled: Labelled | None = None
        self.kept: dict[Any, Any] = {}
        """What a task keeps for the next one of its kind."""

    def network(self, name: Any = 0) -> Model:
        """Return a network of the page.

        Args:
            name: its number, or the path of a compiled one that was dropped on the page.

        Raises:
            ModelError: it cannot be opened.
        """
        key = str(name)
        if key not in self._models:
            while len(self._models) >= MAX_NETWORKS:
                del self._models[next(iter(self._models))]
            source = self._sources[name] if isinstance(name, int) else {"path": name}
            self._models[key] = load_model(source["path"], **{k: v for k, v in source.items() if k != "path"})
        return self._models[key]

    @property
    def data(self) -> Labelled:
        """The labelled faces.

        Raises:
            UsageError: the studio was started without.
        """
        if self._data is None:
            raise UsageError("this needs labelled faces; start the studio with --data DATA")
        if self._labelled is None:
            self._labelled = Labelled.read(**self._data).matched(self.network().labels)
        return self._labelled


def picture_of(job: Mapping[str, Any], model: Model) -> np.ndarray:
    """Return the picture of a job, (1, h, w, c) float32, 0..255, at the network's input size.

    Args:
        job: the picture's values in base64 stand under "picture".
        model: the network.

    Raises:
        UsageError: it is of another size, or its values are no grey levels.
    """
    shape = (1, *model.input.size, model.input.channels)
    try:
        values = np.frombuffer(base64.b64decode(job["picture"], validate=True), "<f4")
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError("the picture did not arrive whole; try it again") from error
    if values.size != np.prod(shape) or not np.isfinite(values).all() or values.min() < -64 or values.max() > 320:
        raise UsageError("the picture is not one of this network's input")
    return values.reshape(shape).astype(np.float32)


def packed(values: np.ndarray) -> str:
    """Return an array's values as text: base64 of little-endian floats, or of bytes.

    Args:
        values: any shape; uint8 stays, everything else becomes float32.
    """
    kind = np.uint8 if values.dtype == np.uint8 else "<f4"
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()


def seldom(report: Report) -> Report:
    """Return a function that passes on an event only if the last one was some time ago.

    Args:
        report: takes the events.
    """
    last = [0.0]

    def pass_on(event: Mapping[str, Any]) -> None:
        now = time.monotonic()
        if now - last[0] >= EVERY:
            last[0] = now
            report(event)

    return pass_on


def tasks() -> dict[str, Task]:
    """Return {name: task} of everything that the page can ask for."""
    from ferviz.web.work.channel_task import study_channel
    from ferviz.web.work.data_tasks import average_maps, check_network, predict_data
    from ferviz.web.work.dream_task import grow_dream
    from ferviz.web.work.explain_task import explain_picture

    return {
        "explain": explain_picture, "dream": grow_dream, "channel": study_channel, "predict": predict_data,
        "maps": average_maps, "check": check_network,
    }  # fmt: skip


def answer(bench: Workbench, job: Mapping[str, Any], report: Report) -> None:
    """Do one job; the last event says how it ended.

    Args:
        bench: networks and data.
        job: the task's name under "task", and its arguments.
        report: takes the events.
    """
    try:
        task = tasks().get(str(job.get("task")))
        if task is None:
            raise UsageError("there is no such task")
        task(bench, job, report)
    except FervizError as error:
        report({"error": str(error)})
    except MemoryError:
        report({"error": str(ModelError("the memory was not enough for this; take a smaller network"))})
    else:
        report({"end": True})


def main() -> None:
    """Answer jobs until the server closes the pipe."""
    with contextlib.suppress(AttributeError, OSError):
        os.nice(5)  # the page's own work, which somebody waits for, comes first
    reader, writer = channel()
    with contextlib.suppress(EOFError, OSError):
        opening = json.loads(read_message(reader, MAX_JOB))
        if opening.get("cache"):
            os.environ["FERVIZ_CACHE"] = opening["cache"]
        bench = Workbench(opening)
        while True:
            job = json.loads(read_message(reader, MAX_JOB))
            answer(bench, job, lambda event: write_message(writer, to_json(event).encode()))


if __name__ == "__main__":
    main()
    sys.exit(0)
