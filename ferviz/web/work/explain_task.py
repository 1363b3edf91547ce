"""The task "explain": a method that takes hundreds of passes, with its progress."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from ferviz.attribution.attribution_job import AttributionJob
from ferviz.attribution.methods.method import run_method
from ferviz.attribution.request import MethodInput
from ferviz.engines.base import INPUT
from ferviz.faces.regions import FaceRegions
from ferviz.models.model import Model
from ferviz.models.prediction import check_finite
from ferviz.web.work.workbench import Report, Workbench, packed, picture_of, seldom

BATCH = 16

_COUNTED = ("logits", "gradients", "logits_from", "guided_gradients")


def explain_picture(bench: Workbench, job: Mapping[str, Any], report: Report) -> None:
    """Explain the picture that the page shows, exactly as it is there.

    Args:
        bench: the networks.
        job: network, picture, method, layer, weights (one number a class), points ((5, 2) landmarks in the picture's pixels), seed.
        report: takes {"passes", "of"} on the way, and {"map", "width", "height", "logits"}.
    """
    model = bench.network(job.get("network", 0))
    picture = picture_of(job, model)
    prepared = AttributionJob.prepare(
        model,
        str(job["method"]),
        weights_of(job, model),
        job.get("layer") or None,
        None,
        BATCH,
        int(job.get("seed", 0)),
    )
    counted = seldom(report)
    total = passes_of(prepared, picture.shape[1:3])
    engine = counting(model.engine, lambda passes: counted({"passes": passes, "of": total}))
    report({"passes": 0, "of": total})
    spec, layer = model.input, prepared.layers[0] if prepared.layers else INPUT
    request = MethodInput(
        engine, spec.scaled(picture), layer, prepared.weights, BATCH, prepared.seed, picture, spec,
        regions_of(job, picture) if prepared.method.needs_regions else None, prepared.explainer,
    )  # fmt: skip
    output = run_method(prepared.method, request, **prepared.settings)
    check_finite(output.logits, model.name)
    heat = output.raw[0, 0]
    report({"map": packed(heat), "height": heat.shape[0], "width": heat.shape[1], "logits": output.logits[0].tolist()})


def weights_of(job: Mapping[str, Any], model: Model) -> dict[str, float]:
    """Return the target of a job as {class: weight}.

    Args:
        job: one number a class under "weights".
        model: the network.
    """
    given = [float(value) for value in job["weights"]]
    return {label: weight for label, weight in zip(model.labels, given, strict=True) if weight}


def regions_of(job: Mapping[str, Any], picture: np.ndarray) -> FaceRegions:
    """Return where the regions of the page's face are.

    Args:
        job: its landmarks under "points".
        picture: (1, h, w, c).
    """
    points = np.asarray(job["points"], np.float64).reshape(1, 5, 2)
    return FaceRegions(points, (picture.shape[1], picture.shape[2]), ("page",))


def passes_of(job: AttributionJob, size: tuple[int, int]) -> int | None:
    """Return about how many passes through the network a method takes, None where that is not known before.

    Args:
        job: the method with its settings.
        size: (h, w) of the picture.
    """
    settings = job.settings
    channels = next((info.shape[-1] for info in job.model.layers if info.name in job.layers), None)
    if job.name == "occlusion":
        patch = settings["patch"] or max(1, round(min(size) / 6))
        stride = settings["stride"] or max(1, patch // 2)
        return int(np.prod([len(range(0, max(1, length - patch), stride)) + 1 for length in size]))
    known = {
        "rise": settings.get("masks"), "shapley": settings.get("samples"), "regions": 256, "region-occlusion": 8,
        "scorecam": channels, "ablationcam": channels, "smoothgrad": settings.get("samples"),
        "integrated-gradients": settings.get("steps"),
    }  # fmt: skip
    return known.get(job.name)


def counting(engine: Any, passed: Any) -> Any:
    """Return an engine that says how many pictures have gone through it.

    Args:
        engine: any engine.
        passed: takes the number so far.
    """
    count, clone = [0], copy.copy(engine)

    def counted(function: Any) -> Any:
        def call(batch: Any, *rest: Any, **named: Any) -> Any:
            answer = function(batch, *rest, **named)
            count[0] += len(batch)
            passed(count[0])
            return answer

        return call

    for name in _COUNTED:
        if hasattr(engine, name):
            object.__setattr__(clone, name, counted(getattr(engine, name)))
    return clone
