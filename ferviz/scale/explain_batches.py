"""A callable for pipelines of one's own: a batch of pictures in, the same batch with their explanations out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ferviz.attribution.attribution_job import AttributionJob
from ferviz.errors import FervizError, PictureError, UsageError
from ferviz.faces.face import Face
from ferviz.images import read_image
from ferviz.printable import printable
from ferviz.scale.face_table import EXPLAINED, FAILED, UNREADABLE, pack_maps, probability_column
from ferviz.scale.settings import ScaleSettings


class Explain:
    """Explains batches, for `map_batches` of Ray Data and its like; the network is loaded when the object is made, once in a process.

        dataset.map_batches(ferviz.scale.Explain, fn_constructor_kwargs={"model": "my.ferviz"}, batch_size=64,
                            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=8), num_cpus=1)

    Args:
        model: as of `ferviz.load_model`; a file.
        column: of the batch, with the pictures: the bytes of files, paths, or uint8 arrays; each is one face crop.
        **settings: as the attributes of `ferviz.scale.ScaleSettings`: method, target, layer, ...

    Attributes:
        settings: all settings.
        map_size: (h, w) of the maps.
    """

    def __init__(self, model: Any = None, column: str = "image", **settings: Any) -> None:
        self.settings = ScaleSettings.prepare(model, **settings)
        self.column = column
        self.map_size = tuple(self.settings.facts["map_size"])
        job = self.settings.open()
        if not isinstance(job, AttributionJob):
            raise UsageError("a pipeline's batches get heatmaps; name a method, such as gradcam")
        self._job = job

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Explain a batch.

        Args:
            batch: {column: N values}.

        Returns:
            The batch with further columns of N rows: `status` ("explained", "unreadable" or "failed") and `reason`, `label`, `p_<class>`
            float32 (NaN where there is no answer), `verdict` ("" where it is not tested), and for the T targets `map` (N, T, h * w)
            float16 with `map_scale` (N, T) float32; of pictures without an answer both are zeros.

        Raises:
            UsageError: the batch has no such column.
        """
        if self.column not in batch:
            raise UsageError(f"a batch has no column {self.column!r}; it has {', '.join(map(str, batch))}")
        pictures = list(batch[self.column])
        labels, targets = self._job.model.labels, len(self._job.targets)
        height, width = self.map_size
        answer: dict[str, Any] = {
            "status": np.full(len(pictures), UNREADABLE, object),
            "reason": np.full(len(pictures), "", object),
            "label": np.full(len(pictures), "", object),
            **{probability_column(label): np.full(len(pictures), np.nan, np.float32) for label in labels},
            "verdict": np.full((len(pictures), targets), "", object),
            "map": np.zeros((len(pictures), targets, height * width), np.float16),
            "map_scale": np.zeros((len(pictures), targets), np.float32),
        }
        faces: dict[int, Face] = {}
        for row, picture in enumerate(pictures):
            try:
                faces[row] = Face(read_image(picture))
            except PictureError as error:
                answer["reason"][row] = str(error).replace("the given bytes", "it")
        rows = list(faces)
        for start in range(0, len(rows), self.settings.batch_size):
            self._fill(answer, faces, rows[start : start + self.settings.batch_size])
        return {**batch, **answer}

    def _fill(self, answer: dict[str, Any], faces: Mapping[int, Face], rows: list[int]) -> None:
        try:
            explanation = self._job([faces[row] for row in rows])
        except FervizError as error:
            if len(rows) == 1:
                answer["status"][rows[0]], answer["reason"][rows[0]] = FAILED, str(error)
                return
            for row in rows:
                self._fill(answer, faces, [row])
            return
        for index, row in enumerate(rows):
            prediction = explanation.predictions[index]
            answer["status"][row], answer["label"][row] = EXPLAINED, printable(prediction.label)
            for label, value in prediction.probabilities.items():
                answer[probability_column(label)][row] = value
            answer["map"][row], answer["map_scale"][row] = pack_maps(explanation.raw[index])
            if explanation.trust is not None:
                answer["verdict"][row] = [verdict.outcome for verdict in explanation.trust.verdicts[index]]
