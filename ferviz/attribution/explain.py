"""`explain`: the maps of some faces in memory, and whether they are tested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ferviz.attribution.attribution_job import HASTY, MEASURED, NOMINAL, PATIENT, PLACED, PLACES, AttributionJob
from ferviz.attribution.explanation import Explanation
from ferviz.data.dataset import Dataset
from ferviz.data.hugging_face import is_hugging_face
from ferviz.data.provenance import Provenance
from ferviz.data.read import read_data
from ferviz.errors import UsageError
from ferviz.faces.crops import as_faces
from ferviz.faces.face import Face
from ferviz.models.face_selection import Where, select_faces
from ferviz.models.model import Model, as_model

MAX_TESTED = 48
"""Most maps of up to 64 x 64 pixels that `explain` tests unless it is asked to, as many as one picture shows; of larger ones fewer, and one
always. A test takes up to 64 passes through the network."""


def explain(
    model: Model,
    faces: Any,
    method: str = "gradcam",
    target: str | Iterable[str] | Mapping[str, float] = "predicted",
    layer: str | Sequence[str] | None = None,
    batch_size: int = 64,
    *,
    where: Where | None = None,
    seed: int = 0,
    test: bool | None = None,
    place: str = NOMINAL,
    **settings: Any,
) -> Explanation:
    """Explain what a network's answers about faces rest on, and test whether the maps point there.

    Args:
        model: a network.
        faces: a Face, a list of them, uint8 crops (N, H, W) or (N, H, W, 3), or a Dataset, whose rows, labels and splits the
            explanation keeps; a Hugging Face data set is read as one (see `read_data`). Pictures of a data set that show no face stop
            nothing: methods that need regions give them a typical face's.
        method: one of `ferviz.methods()`, or "auto" for the one that `ferviz.trust_report` found best for this network, or for the
            bundled one: of those up to 500 passes a face for up to 48 small faces, else of those up to 20.
        target: "predicted", a class, "all", a contrast such as "happy-sad", a weighting such as "2*happy-sad-fear", several of them,
            or {class: weight}.
        layer: a name, several (their maps are fused), or None for the last map; "input" is the picture.
        batch_size: faces in one pass; it bounds the memory and changes nothing else.
        where: which faces of a Dataset: conditions such as "true=fear predicted=sad confidence>0.6" (see `ferviz.data.where`), a
            boolean mask, or indices; None = all.
        seed: for methods that draw random numbers.
        test: whether each map is compared with a centred blob, by hiding and showing what it points at (up to 64 passes through the
            network a map); the answers are in the explanation's `trust`. None = up to 48 maps are (of pictures above 64 x 64 fewer),
            more are not.
        place: where a layer's cells are drawn: "nominal", evenly spread over the picture, or "measured", where they look: the centres of
            their receptive fields in this network, as `ferviz trust --write` kept them, else measured on the first faces.
        **settings: of the method. Where a method's maps can be signed, those of a contrast are, so that they show the evidence for
            either side.

    Returns:
        The explanation, in the order of the faces.

    Raises:
        UnknownNameError: an unknown method, setting, layer or class.
        UsageError: an argument that makes no sense.
        ModelError: the network or its engine cannot do what the method needs, or the network answers with NaN or infinity.
        NoFaceError: there are no faces, or the method needs the regions of a face and a picture shows none.
    """
    model = as_model(model)
    if is_hugging_face(faces):
        faces = read_data(faces)
    if isinstance(faces, Dataset):
        faces = select_faces(model, faces, where, batch_size)
    elif where is not None:
        raise UsageError("where chooses faces of a Dataset, which read_data returns; select those of a list yourself")
    else:
        faces = as_faces(faces)
    passes = PATIENT if is_quickly_tested(model, len(faces)) else HASTY
    job = AttributionJob.prepare(model, method, target, layer, settings, batch_size, seed, passes=passes)
    if place not in PLACES:
        raise UsageError(f"place is {' or '.join(PLACES)}, not {place!r:.60}")
    if place == MEASURED:
        job = job.at_measured_places(as_faces(faces.images[:PLACED]) if isinstance(faces, Dataset) else faces)
    return explain_faces(job, faces, test)


def explain_faces(job: AttributionJob, faces: Sequence[Face] | Dataset, test: bool | None = None) -> Explanation:
    """Explain faces in memory, those of a data set with their rows and labels.

    Args:
        job: how.
        faces: the faces, or a data set; pictures of one that show no face stop nothing.
        test: as for `explain`.

    Returns:
        The explanation, in the order of the faces.

    Raises:
        NoFaceError: there are no faces.
    """
    maps = len(faces) * len(job.targets)
    job = replace(job, test=is_quickly_tested(job.model, maps) if test is None else test)
    if not isinstance(faces, Dataset):
        return job.explain(faces)
    return replace(job.with_templates().explain(as_faces(faces.images)), provenance=Provenance.of(faces))


def is_quickly_tested(model: Model, maps: int) -> bool:
    """Return whether so many maps are tested without being asked.

    Args:
        model: the network.
        maps: how many.
    """
    height, width = model.input.size
    return maps <= max(1, MAX_TESTED * min(1.0, 64 * 64 / (height * width)))
