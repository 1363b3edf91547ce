"""Attribution on the Keras engine: ferviz, the plain forward pass and tf-keras-vis in one process, interleaved.

    python benchmarks/attribution.py [--model FILE ...] [--repeats 5] [--batches 1 32 256] [--quick] [--only PART] [--clock wall|cpu]

Prints medians in milliseconds and ratios (medians of the repeats' own ratios, so that a busy moment hits both sides;
with --clock cpu the processor time of all threads). Never fails
on a number: it measures, it does not judge. Without --model: the bundled network and, in the project's own workplace, the published
mini-XCEPTION for 48 x 48 and XCEPTION for 64 x 64 pixels.

xplique takes part where it can be imported. `pip install xplique` (2.0.2) cannot stand beside ferviz' own versions: it pins
tensorflow[and-cuda] <= 2.20, scipy <= 1.15.3 and opencv-python. It runs with newer ones all the same (TensorFlow 2.21, Keras 3.15) when its
pins are passed over, in an environment of its own:

    python -m venv peers && echo /path/to/ferviz/.venv/lib/python3.11/site-packages > peers/lib/python3.11/site-packages/ferviz.pth
    peers/bin/pip install --no-deps xplique einops deprecated tensorflow-probability==0.25.0 tf_keras==2.21.0 dm-tree cloudpickle \\
        decorator scikit-image==0.25.2 scikit-learn==1.7.2 threadpoolctl joblib lazy_loader imageio tifffile networkx
    PYTHONPATH=. peers/bin/python benchmarks/attribution.py
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# tf-keras-vis' tapes compute every filter gradient on their way; on AVX-512 machines oneDNN's kernel for some of them corrupts memory.
# All run with the same instructions, to the end; ONEDNN_MAX_CPU_ISA=DEFAULT lets everything use what the machine has.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")

from ferviz.attribution.explain import explain
from ferviz.attribution.maps.resize import resize_maps
from ferviz.attribution.methods import cam
from ferviz.attribution.methods.method import run_method
from ferviz.attribution.methods.registry import METHODS
from ferviz.attribution.request import MethodInput
from ferviz.engines.backend import tensorflow
from ferviz.engines.base import Engine
from ferviz.models.compiled.compile import compile_model, open_compiled
from ferviz.models.load import load_model
from ferviz.models.model import Model

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
PUBLISHED = (("mini_xception_48.hdf5", "-1..1"), ("big_xception_64.hdf5", "-1..1"))

Work = Callable[[], Any]
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
clock = CLOCKS["wall"]


def interleaved(works: dict[str, Work], repeats: int) -> dict[str, list[float]]:
    """Run each once to warm up, then all in turn `repeats` times. -> {name: seconds of each run}."""
    for work in works.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            start = clock()
            work()
            times[name].append(clock() - start)
    return times


def ms(times: list[float]) -> float:
    return statistics.median(times) * 1000


def ratio(a: list[float], b: list[float]) -> float:
    """Median over the repeats of a / b."""
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def row(what: str, *cells: str) -> None:
    print(f"{what:<58}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


def against(t: dict[str, list[float]], ours: str) -> tuple[str, ...]:
    """The cells that compare one of our times with the forward pass."""
    return f"{ms(t['forward']):.1f}", f"{ms(t[ours]):.1f}", f"{ratio(t[ours], t['forward']):.2f}"


def versus(t: dict[str, list[float]], ours: str) -> tuple[str, ...]:
    """The cells that compare one of our times with tf-keras-vis and with xplique."""
    found = []
    for who in ("peer", "xplique"):
        found += [f"{ms(t[who]):.1f}", f"{ratio(t[who], t[ours]):.1f}"] if who in t else ["-", "-"]
    return tuple(found)


def gradcam_maps(model: Model, batch: np.ndarray, layer: str, weights: np.ndarray) -> np.ndarray:
    """Grad-CAM at picture size from a prepared batch, as explain() does it."""
    activation, gradient, _ = model.engine.gradients(batch, layer, weights)
    return resize_maps(cam.gradcam(activation, gradient), *batch.shape[1:3])


def peer(model: Model, method: str, layer: str) -> Any:
    """A function (batch, class) -> maps of tf-keras-vis, prepared once as its users do, with its defaults; None if it cannot."""
    import warnings

    from ferviz.engines.keras.tf_keras_vis import _functional, _tool

    warnings.simplefilter("ignore")  # that library's calls draw warnings from Keras

    try:
        network = _functional(model.engine, model.preprocess(faces_for(model, 2)), softmax="score" in method)
    except Exception as error:
        print(f"tf-keras-vis cannot run {model.name}: {error}")
        return None
    for each in network.layers:
        each.__dict__.pop("call", None)  # its own calls again: what is timed is the library as it is
    from tf_keras_vis.utils.scores import CategoricalScore

    tool = _tool(method, network)

    def run(batch: np.ndarray, number: int) -> Any:
        return tool(
            CategoricalScore([number] * len(batch)), batch, penultimate_layer=layer, seek_penultimate_conv_layer=False
        )

    return run


SAME_WORK: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "gradcam": ("GradCAM", {}, {}),
    "saliency": ("Saliency", {}, {}),
    "smoothgrad": ("SmoothGrad", {"nb_samples": 32}, {"samples": 32}),
    "integrated-gradients": ("IntegratedGradients", {"steps": 32}, {"steps": 32}),
    "occlusion": ("Occlusion", {"patch_size": 8, "patch_stride": 4}, {"patch": 8, "stride": 4}),
    "rise": ("Rise", {"nb_samples": 512}, {"masks": 512}),
}
"""Our method -> xplique's class, its settings and ours for the same number of passes through the network."""


def xplique(model: Model, method: str, layer: str) -> Any:
    """A function (batch, class) -> maps of xplique, prepared once; None where it is not installed or cannot run the network."""
    if importlib.util.find_spec("xplique") is None:
        return None
    from ferviz.engines.keras.tf_keras_vis import _functional

    kind, settings, _ = SAME_WORK[method]
    try:
        from xplique import attributions

        network = _functional(model.engine, model.preprocess(faces_for(model, 2)), softmax=False)
        for each in network.layers:
            each.__dict__.pop("call", None)
        at = {"conv_layer": layer} if method == "gradcam" else {}
        tool = getattr(attributions, kind)(network, batch_size=64, **at, **settings)
        classes = np.eye(len(model.labels), dtype=np.float32)
        tool(model.preprocess(faces_for(model, 2)), classes[:2])
    except Exception as error:
        print(f"xplique cannot run {method} on {model.name}: {type(error).__name__}: {str(error)[:200]}")
        return None
    return lambda batch, number: tool(batch, classes[[number] * len(batch)])


def pictures(model: Model, layer: str, n: int, repeats: int) -> None:
    """The methods that look at the picture, beside xplique's of the same number of passes."""
    batch = model.preprocess(faces_for(model, n))
    weights = np.zeros((n, 1, len(model.labels) + 1), np.float32)
    weights[..., 3] = 1

    def ours(name: str, settings: dict[str, Any]) -> Work:
        # A new request each time: it keeps the logits that it has computed.
        return lambda: run_method(METHODS[name], MethodInput(model.engine, batch, layer, weights, 64), **settings)

    for name, (_, _, settings) in SAME_WORK.items():
        if name == "gradcam":
            continue
        theirs = xplique(model, name, layer)
        works: dict[str, Work] = {"ours": ours(name, settings)}
        if theirs:
            works["xplique"] = lambda t=theirs: t(batch, 3)
        t = interleaved(works, repeats)
        row(f"{name}, {n} faces", "", f"{ms(t['ours']):.1f}", "", *versus(t, "ours"))


def faces_for(model: Model, n: int) -> np.ndarray:
    """n noisy pictures at the network's input size; what is on them does not change the time."""
    height, width = model.input.size
    return np.random.default_rng(0).integers(0, 256, (n, height, width)).astype(np.uint8)


def one_network(model: Model, batches: list[int], repeats: int, quick: bool, only: str = "") -> None:
    tf = tensorflow()
    layer, _ = model.default_layer()
    classes = len(model.labels)
    height, width = model.input.size
    print(f"\n## {model.name}: {height} x {width}, layer {layer} {model.layer(layer).shape}, {classes} classes\n")
    network = model.engine.network  # type: ignore[attr-defined]
    forward = tf.function(lambda x: network(x, training=False), reduce_retracing=True)
    theirs, others = peer(model, "gradcam", layer), xplique(model, "gradcam", layer)
    compiled = open_compiled(compile_model(model, layers=[layer]))
    row("", "forward ms", "ferviz ms", "x forward", "tf-keras-vis", "x ferviz", "xplique", "x ferviz")
    for n in batches if only != "scorecam" else []:
        some = faces_for(model, n)
        batch = model.preprocess(some)
        one, every = np.zeros((n, 1, classes + 1), np.float32), np.zeros((n, classes, classes + 1), np.float32)
        one[..., -1] = 1
        every[:, range(classes), range(classes)] = 1
        # Two batches in turn: the compiled engine keeps its last answer, which would leave nothing to measure.
        turns = itertools.cycle((some, 255 - some))
        works: dict[str, Work] = {
            "forward": lambda b=batch: forward(tf.constant(b)).numpy(),
            "one": lambda b=batch, w=one: gradcam_maps(model, b, layer, w),
            "all": lambda b=batch, w=every: gradcam_maps(model, b, layer, w),
            "explain": lambda p=some: explain(model, p),
            "compiled": lambda t=turns: explain(compiled, next(t)),
        }
        if theirs:
            works["peer"] = lambda b=batch: theirs(b, 3)
        if others:
            works["xplique"] = lambda b=batch: others(b, 3)
        t = interleaved(works, repeats if n > 4 else repeats * 4)
        seven = ratio(t["all"], t["one"])
        row(f"Grad-CAM, predicted class, {n} faces", *against(t, "one"), *versus(t, "one"))
        row(f"Grad-CAM, all {classes} classes, {n} faces ({seven:.2f} x one class)", *against(t, "all"))
        row(f"explain() from uint8 faces to results, {n} faces", *against(t, "explain"), *versus(t, "explain"))
        row(f"the same with the compiled network, {n} faces", *against(t, "compiled"), *versus(t, "compiled"))
        if n == max(batches):
            print(
                f"Grad-CAM's rate of the plain forward pass's, {n} faces: {ratio(t['forward'], t['one']):.2f} (target 0.8)"
            )
    if only != "gradcam":
        scorecam(model, compiled.engine, layer, 8 if quick else 32, max(1, repeats // 2))
    if not only:
        pictures(model, layer, 8, max(1, repeats // 2))


def scorecam(model: Model, compiled: Engine, layer: str, n: int, repeats: int) -> None:
    """Score-CAM of n faces by both engines and by tf-keras-vis (xplique has none)."""
    batch = model.preprocess(faces_for(model, n))
    weights = np.zeros((n, 1, len(model.labels) + 1), np.float32)
    weights[..., 3] = 1
    method = METHODS["scorecam"]
    works: dict[str, Work] = {
        "keras": lambda: run_method(method, MethodInput(model.engine, batch, layer, weights, 64)),
        "litert": lambda: run_method(method, MethodInput(compiled, batch, layer, weights, 64)),
    }
    theirs = peer(model, "scorecam", layer)
    if theirs:
        import contextlib
        import io

        def quiet() -> None:
            with contextlib.redirect_stdout(io.StringIO()):
                theirs(batch, 3)

        works["peer"] = quiet
    t = interleaved(works, repeats)
    for engine in ("keras", "litert"):
        row(f"Score-CAM, {n} faces, {engine} engine", "", f"{ms(t[engine]):.1f}", "", *versus(t, engine))


def curve(model: Model, repeats: int) -> None:
    """The Keras engine's Grad-CAM over the plain forward pass, over batch size."""
    tf = tensorflow()
    layer, _ = model.default_layer()
    network = model.engine.network  # type: ignore[attr-defined]
    forward = tf.function(lambda x: network(x, training=False), reduce_retracing=True)
    print(f"\n## {model.name}: cost over batch size (predicted class)\n")
    row("faces", "forward ms", "Grad-CAM ms", "x forward", "ms a face")
    for n in (1, 2, 4, 8, 16, 32, 64, 128, 256):
        batch = model.preprocess(faces_for(model, n))
        weights = np.zeros((n, 1, len(model.labels) + 1), np.float32)
        weights[..., -1] = 1
        t = interleaved(
            {
                "forward": lambda b=batch: forward(tf.constant(b)).numpy(),
                "ours": lambda b=batch, w=weights: gradcam_maps(model, b, layer, w),
            },
            repeats * 2 if n <= 16 else repeats,
        )
        row(
            str(n),
            f"{ms(t['forward']):.2f}",
            f"{ms(t['ours']):.2f}",
            f"{ratio(t['ours'], t['forward']):.2f}",
            f"{ms(t['ours']) / n:.3f}",
        )


def main() -> None:
    global clock
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", help="a network's file; may be repeated")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32, 256])
    parser.add_argument("--quick", action="store_true", help="smaller Score-CAM, no curve")
    parser.add_argument("--only", choices=("gradcam", "scorecam"), default="", help="that part alone")
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: of all threads, for a machine that is busy"
    )
    arguments = parser.parse_args()
    clock = CLOCKS[arguments.clock]
    if arguments.model:
        models = [load_model(path, engine="keras") for path in arguments.model]
    else:
        models = [load_model(engine="keras")]
        folder = SHARED / "models"
        models += [
            load_model(folder / f, labels="7", scaling=s, engine="keras") for f, s in PUBLISHED if (folder / f).exists()
        ]
    print(
        f"TensorFlow {tensorflow().__version__}; medians of {arguments.repeats} interleaved repeats; {arguments.clock} time"
    )
    for model in models:
        one_network(model, arguments.batches, arguments.repeats, arguments.quick, arguments.only)
    if not (arguments.quick or arguments.only):
        curve(models[0], arguments.repeats)


if __name__ == "__main__":
    main()
