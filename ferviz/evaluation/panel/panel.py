"""`trust_report`: every method, at two layers, tested on the same faces, with what each costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from ferviz.attribution.maps.receptive_fields import Placement, placement
from ferviz.attribution.methods.method import LAYER, Method
from ferviz.attribution.methods.registry import METHODS
from ferviz.data.dataset import Dataset
from ferviz.data.duplicates import duplicate_groups
from ferviz.data.read import as_dataset
from ferviz.engines.protocols import ForwardOnly, supports
from ferviz.errors import DataError, ModelError, NoFaceError, check_integer
from ferviz.evaluation.panel.method_maps import MethodMaps, control_maps, curve_areas, method_maps
from ferviz.evaluation.panel.panel_faces import stratified_faces
from ferviz.evaluation.panel.panel_result import MethodRow, TrustReport
from ferviz.evaluation.panel.randomisation import DRAWS, STAGES, Cascade, Key, Randomisation, randomisation
from ferviz.evaluation.panel.region_agreement import REFERENCE, region_agreement, region_reference, show_regions
from ferviz.evaluation.panel.stability import Stability, stability
from ferviz.faces.crops import as_faces
from ferviz.faces.face import Face
from ferviz.faces.landmarks.ladder import locate_landmarks
from ferviz.files import PathLike
from ferviz.models.compiled.explainer import is_taught
from ferviz.models.model import Model, as_model
from ferviz.registry import split_names
from ferviz.trust.calibration import calibration_of
from ferviz.trust.deletion import FILLS, STEPS
from ferviz.trust.scores import MIN_GAP

Progress = Callable[[str], None]

MIN_FACES = 0.5
"""Share of the pictures that have to show a face for maps to be compared region by region."""

MAX_PASSES = 2000
"""Passes through the network that the tests of stability may take a method; slow methods are tested on fewer faces."""


def trust_report(
    model: Model,
    data: Dataset | PathLike,
    *,
    methods: str | Sequence[str] | None = None,
    layers: str | Sequence[str] | None = None,
    faces: int = 100,
    steps: int = STEPS,
    random_draws: int = DRAWS,
    random_stages: int = STAGES,
    seed: int = 0,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> TrustReport:
    """Find out which attribution method, at which layer, to believe for a network.

    Args:
        model: the network.
        data: faces that it was not trained on, or what `read_data` takes; their labels are not used.
        methods: names, in a sequence or with commas between; None = all that the engine can run, without those of other libraries.
        layers: for the methods that look at one; None = the default layer and the next earlier one with larger maps.
        faces: how many, as many of each predicted class as there are.
        steps: of deletion and insertion.
        random_draws: networks whose weights are drawn anew, to see whether the maps depend on them; 0 leaves that out.
        random_stages: of each, from the last layer alone to all, at least 2; as many as the network has layers with kernels = layer by
            layer.
        seed: of the choice of faces, of random maps and weights, of noise and of methods.
        batch_size: pictures in one pass through the network.
        progress: takes a phrase about what is done next.

    Returns:
        The report.

    Raises:
        DataError: there are no faces.
        NoFaceError: a method was named that needs the regions of a face, and most pictures show none.
        UnknownNameError: an unknown method or layer.
        UsageError: fewer than no draws, or fewer than two stages.
    """
    check_integer("random_draws", random_draws, 0)
    check_integer("random_stages", random_stages, 2)
    model, log = as_model(model), progress or (lambda text: None)
    data = as_dataset(data)
    if not len(data):
        raise DataError("the data set has no faces; name another split")
    names = usable_methods(model) if methods is None else list(dict.fromkeys(split_names(methods, METHODS)))
    images, predicted = stratified_faces(model, data.images, faces, seed, batch_size)
    known = [layer.name for layer in model.layers]
    places = _layers(model, names, None if layers is None else split_names(layers, known))
    located, groups, notes = locate_landmarks(as_faces(images)), duplicate_groups(images), []
    has_regions = show_regions(located).mean() >= MIN_FACES
    if supports(model.engine, ForwardOnly):
        notes.append(f"what needs gradients was left out: {model.engine.no_gradients}")
    if not has_regions:
        names, refusal = _without_regions(names, located, methods is not None)
        notes.append(refusal)
    answers = {}
    for name, place in _questions(names, places, has_regions):
        log(f"{name}{f' at {place}' if place else ''}")
        try:
            answers[name, place] = method_maps(model, located, name, place, seed, batch_size)
        except ModelError as error:
            if methods is not None:
                raise
            notes.append(f"{name} was left out: {error}")
    known_regions = answers.get((REFERENCE, None)) if has_regions else None
    reference = None if known_regions is None else region_reference(known_regions.explanation)
    asked = {key: answer for key, answer in answers.items() if answer.method in names}
    first = next((answer.maps for answer in asked.values()), None)
    controls = control_maps(located, model.input.size, predicted, first, groups, seed)
    log("deletion and insertion")
    maps = np.stack([*controls.values(), *(answer.maps for answer in asked.values())], axis=1)
    deletion, insertion, gap = curve_areas(model, images, predicted, maps, steps, seed, batch_size)
    areas, assessable = (insertion - deletion).swapaxes(0, 1), np.all(gap >= MIN_GAP, axis=-1)
    agreement = [None if reference is None else region_agreement(reference, part) for part in maps.swapaxes(0, 1)]
    rows = [
        MethodRow(name, "", srg, assessable, groups, regions=agrees)
        for name, srg, agrees in zip(controls, areas, agreement, strict=False)
    ]
    cascade: Cascade | None = None
    random: dict[Key, Randomisation] = {}
    if random_draws:
        try:
            cascade, random = randomisation(
                model, images, located, predicted, asked, random_draws, random_stages, seed, batch_size, log
            )
        except ModelError as error:
            notes.append(f"maps were not compared with those of random weights: {error}")
    for (key, answer), srg, agrees in zip(
        asked.items(), areas[len(controls) :], agreement[len(controls) :], strict=True
    ):
        log(f"stability of {answer.method}")
        stable = _stability(model, images, answer, seed, batch_size)
        agrees = None if answer.method == REFERENCE else agrees
        own = MethodRow(
            answer.method, answer.layer, srg, assessable, groups, answer.cells, answer.passes, answer.seconds, stable,
            random.get(key), agrees,
        )  # fmt: skip
        rows.append(own)
    measured, unmeasured = _placements(model, images, places, seed, log)
    return TrustReport(
        model.name, model.sha256, data.source, len(images), steps, tuple(FILLS), calibration_of(model).delta(steps),
        calibration_of(model).calibrated, seed, tuple(rows), measured, (*notes, *unmeasured), model.cautions, cascade,
    )  # fmt: skip


def default_layers(model: Model) -> tuple[str, ...]:
    """Return the layers that the panel tries: the default one, and the last one before it whose map is larger.

    Args:
        model: the network.
    """
    name, _ = model.default_layer()
    chosen = model.layer(name)
    before = model.layers[: [layer.name for layer in model.layers].index(name)]
    larger = [
        layer.name
        for layer in before
        if layer.spatial and len(layer.shape) == 3 and (layer.shape[0] or 0) > (chosen.shape[0] or 0)
    ]
    return (name, *larger[-1:])


def _layers(model: Model, methods: Sequence[str], layers: Sequence[str] | None) -> list[str]:
    if all(METHODS[name].at != LAYER for name in methods):
        return list(layers or ())
    return list(layers or default_layers(model))


def usable_methods(model: Model) -> list[str]:
    """Return the methods that a network's engine can run, without those of other libraries, and without FastSHAP unless it was taught.

    Args:
        model: the network.
    """
    taught, has_maps = is_taught(model), any(layer.spatial for layer in model.layers)

    def fits(method: Method) -> bool:
        reaches = has_maps or method.at != LAYER
        return reaches and method.runs_on(model.engine) and (taught or not method.needs_explainer)

    return [name for name in METHODS if not name.startswith("tf-keras-vis") and fits(METHODS[name])]


def _questions(names: Sequence[str], layers: Sequence[str], reference: bool) -> Iterator[tuple[str, str | None]]:
    """Yield the methods with the layers that they are to look at, and that whose values the others are compared with."""
    for name in names:
        for layer in layers if METHODS[name].at == LAYER else [None]:
            yield name, layer
    if reference and REFERENCE not in names:
        yield REFERENCE, None


def _without_regions(names: Sequence[str], faces: Sequence[Face], named: bool) -> tuple[list[str], str]:
    """-> the methods that need no regions of a face, and why the others are left out.

    Raises:
        NoFaceError: one of the others was named.
    """
    able = [name for name in names if not METHODS[name].needs_regions]
    count = int((~show_regions(faces)).sum())
    reason = (
        f"{count} of {len(faces)} pictures show no face, so they have no eyes and no mouth that a map could point at"
    )
    if named and len(able) < len(names):
        needy = next(name for name in names if name not in able)
        raise NoFaceError(f"{reason}; leave out {needy}, which needs the regions of a face")
    return able, f"{reason}; what asks for regions was left out"


def _few(images: np.ndarray, passes: float, times: float) -> np.ndarray:
    count = int(np.clip(MAX_PASSES / max(passes * times, 1), 4, 32))
    return images[np.linspace(0, len(images) - 1, min(count, len(images))).round().astype(int)]


def _stability(model: Model, images: np.ndarray, answer: MethodMaps, seed: int, batch_size: int) -> Stability:
    few = _few(images, answer.passes, 3)
    return stability(model, few, answer.method, answer.layer or None, seed, batch_size)


def _placements(
    model: Model, images: np.ndarray, layers: Iterable[str], seed: int, log: Progress
) -> tuple[tuple[Placement, ...], tuple[str, ...]]:
    measured, notes = [], []
    for layer in () if supports(model.engine, ForwardOnly) else layers:
        log(f"where the cells of {layer} look")
        try:
            measured.append(placement(model, images[:8], layer, seed))
        except ModelError as error:
            notes.append(f"where the cells of {layer} look was not measured: {error}")
    return tuple(measured), tuple(notes)
