"""The heatmaps of a study: each face's of one class."""

from __future__ import annotations

import numpy as np

from ferviz.attribution.attribution_job import AttributionJob
from ferviz.engines.base import Array
from ferviz.faces.crops import as_faces
from ferviz.models.model import Model
from ferviz.studies.study_faces import Progress, StudyFaces


def class_maps(
    model: Model,
    faces: StudyFaces,
    classes: np.ndarray,
    method: str,
    seed: int,
    batch_size: int,
    progress: Progress | None,
) -> tuple[Array, str]:
    """Return each face's heatmap of a class, (N, h, w), and the names of method and layer.

    Args:
        model: the network.
        faces: the faces.
        classes: (N,), an index into the network's labels.
        method: of attribution.
        seed: of the method.
        batch_size: pictures in one pass.
        progress: takes a phrase.
    """
    job, maps = AttributionJob.prepare(model, method, "all", None, None, batch_size, seed).with_templates(), []
    for start in range(0, len(faces), batch_size):
        if progress:
            progress(f"heatmaps, {start:,} of {len(faces):,} faces")
        part = job(as_faces(faces.data.images[start : start + batch_size]))
        maps.append(part.heatmaps[np.arange(len(part)), classes[start : start + batch_size]])
    return np.concatenate(maps), f"{job.name} {'+'.join(job.layers)}".strip()
