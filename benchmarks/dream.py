"""Dreaming against tf-keras-vis, and what networks that took no part make of the dreams.

    python benchmarks/dream.py [--model FILE?scaling=...] [--steps 24] [--rounds 3] [--judge FILE?scaling=... ...]
                               [--skip-peer] [--skip-speed] [--peer-steps 256]

1. Milliseconds a step for seven class dreams at once: ferviz with one view and with four (and in half precision, where the processor has
   instructions for it, as `ferviz dream` then uses), and tf-keras-vis' ActivationMaximization with its
   jitter, rotation, total variation and norm, on the same network in the same process, in turns; the median of the rounds' ratios,
   by the clock and by the processors' time (which a busy machine disturbs less).
2. The default preset from start to end, in seconds.
3. Recognised by each judge, and mean probability: with the face prior, without any, and tf-keras-vis' pictures; and, as a control of what
   the prior alone gives, dreams of a network of the same architecture with fresh weights.

Without --judge: the published networks of the project's own workplace, with the conventions that their README gives.
Both sides run without AVX-512 unless ONEDNN_MAX_CPU_ISA=DEFAULT is set, which is safe for networks without 1x1 convolutions of stride 2.
Prints; never fails on a number.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

# tf-keras-vis' eager tapes compute filter gradients, and on AVX-512 machines one of oneDNN's kernels for them corrupts memory.
# The limit holds for both sides.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")

import numpy as np

from ferviz.dreaming.ascent.ascent_config import AscentConfig
from ferviz.dreaming.ascent.compiled_ascent import CompiledAscent
from ferviz.dreaming.ascent.differentiable import DreamNetwork
from ferviz.dreaming.dream import FACES, dream
from ferviz.dreaming.face_statistics import face_statistics
from ferviz.dreaming.judging import judge
from ferviz.dreaming.objectives import bind, odds
from ferviz.dreaming.priors import prior
from ferviz.engines.precision import has_bfloat16
from ferviz.engines.protocols import KerasBacked, require
from ferviz.models.load import load_model
from ferviz.models.model import Model
from ferviz.models.network_address import parse_network

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "models"
JUDGES = (
    "mini_xception_48.hdf5?scaling=-1..1",
    "big_xception_64.hdf5?scaling=-1..1",
    "pouyazr_emotion_model.h5?scaling=0..1&labels=7-alphabetical",
    "himanshu_fer.json?scaling=0..255",
    "chetanvamsi_augmenting.keras?scaling=0..255&labels=7-alphabetical",
    "trial_gap_48.keras?scaling=0..255",
)


def open_network(address: str) -> Model:
    """-> the network of a file with its conventions, such as net.h5?scaling=-1..1&labels=7."""
    path, given = parse_network(address)
    return load_model(path, **given)


def our_step(model: Model, samples: int, name: str, precision: str = "single") -> Any:
    """Return a function (steps) that walks so many steps of all class dreams, compiled already."""
    network = DreamNetwork(model)
    objectives = [odds(label) for label in model.labels]
    chosen = prior(name, objectives, network.size, 1.0, face_statistics())
    config = AscentConfig(chosen.parameterization, FACES, chosen.regularizers, 1000, 0.05, samples, precision=precision)
    ascent = CompiledAscent(network.forward, objectives, network.size, config)
    layers = {layer.name: layer for layer in model.layers}
    bound = [bind(o, layers, model.labels) for o in objectives]
    state = ascent.start([0])

    def walk(steps: int) -> None:
        ascent.ascend(state, chosen.starts, bound, [[1.0]] * len(objectives), 0, steps)

    walk(1)
    return walk


def peer(model: Model) -> tuple[Any, Any]:
    """Return (a function that walks, a function that dreams uint8 pictures) with tf-keras-vis in its documented setting."""
    from tf_keras_vis.activation_maximization import ActivationMaximization
    from tf_keras_vis.activation_maximization.input_modifiers import Jitter, Rotate2D
    from tf_keras_vis.activation_maximization.regularizers import Norm, TotalVariation2D
    from tf_keras_vis.utils.model_modifiers import ReplaceToLinear
    from tf_keras_vis.utils.scores import CategoricalScore

    engine = require(model.engine, KerasBacked, "this benchmark").keras_engine()
    low, high = (
        model.input.preprocess([np.full(model.input.size, v, np.uint8) for v in (0, 255)]).reshape(2, -1)[:, 0].tolist()
    )
    maximize = ActivationMaximization(engine.network, model_modifier=ReplaceToLinear(), clone=True)
    classes = list(range(len(model.labels)))

    def walk(steps: int) -> Any:
        seed = np.random.default_rng(0).uniform(low, high, (len(classes), *model.input.size, model.input.channels))
        return maximize(
            CategoricalScore(classes), seed_input=seed.astype(np.float32), steps=steps, input_range=(low, high),
            input_modifiers=[Jitter(jitter=4), Rotate2D(degree=3)], regularizers=[TotalVariation2D(weight=1.0), Norm(weight=0.3, p=1)],
        )  # fmt: skip

    def pictures(steps: int) -> np.ndarray:
        result = np.asarray(walk(steps), np.float32)
        return np.rint(np.clip((result - low) / (high - low), 0, 1) * 255).astype(np.uint8)[..., 0]

    walk(1)
    return walk, pictures


def seconds(work: Any, *arguments: Any) -> tuple[float, float]:
    """-> (by the clock, of the processors)."""
    begun, busy = time.perf_counter(), time.process_time()
    work(*arguments)
    return time.perf_counter() - begun, time.process_time() - busy


def speed(model: Model, steps: int, rounds: int, other: Any) -> None:
    works = {"ferviz, 1 view": our_step(model, 1, "faces"), "ferviz, 4 views": our_step(model, 4, "faces")}
    if has_bfloat16():
        works["ferviz, 1 view, half"] = our_step(model, 1, "faces", "half")
        works["ferviz, 4 views, half"] = our_step(model, 4, "faces", "half")
    if other:
        works["tf-keras-vis"] = other
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(seconds(work, steps))
    print(f"\nOne step of {len(model.labels)} class dreams on {model.name}, median of {rounds} rounds of {steps} steps")
    for name, taken in times.items():
        clock, busy = (1000 * statistics.median(t[i] for t in taken) / steps for i in (0, 1))
        ratio = ""
        if other and name != "tf-keras-vis":
            pairs = list(zip(times["tf-keras-vis"], taken, strict=True))
            by_clock, by_work = (statistics.median(theirs[i] / ours[i] for theirs, ours in pairs) for i in (0, 1))
            ratio = f"   tf-keras-vis takes {by_clock:.1f} times as long, {by_work:.1f} times the processors' time"
        print(f"  {name:21} {clock:7.1f} ms by the clock, {busy:7.1f} ms of processors{ratio}", flush=True)


def untrained(model: Model, seed: int = 0) -> Model:
    """Return the same architecture with fresh weights."""
    from ferviz.engines.backend import keras
    from ferviz.engines.keras import KerasEngine

    keras().utils.set_random_seed(seed)
    engine = require(model.engine, KerasBacked, "this benchmark").keras_engine()
    fresh = keras().models.clone_model(engine.network)
    return replace(model, name="untrained", sha256="", engine=KerasEngine(fresh, engine.channels_first))


def verdicts(title: str, images: np.ndarray, model: Model, judges: dict[str, Model]) -> None:
    print(f"\n{title}")
    print("  " + str(judge(images, model.labels, {"itself": model, **judges})).replace("\n", "\n  "), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=None, help="FILE?scaling=..., default: the bundled network")
    parser.add_argument("--steps", type=int, default=24, help="steps a round of the timing")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--skip-peer", action="store_true")
    parser.add_argument("--peer-steps", type=int, default=256, help="steps of tf-keras-vis' pictures")
    parser.add_argument("--skip-speed", action="store_true")
    parser.add_argument("--judge", action="append")
    arguments = parser.parse_args()
    model = open_network(arguments.model) if arguments.model else load_model()
    named = arguments.judge or [str(SHARED / name) for name in JUDGES if (SHARED / name.split("?")[0]).exists()]
    judges = {judged.name: judged for judged in map(open_network, named) if judged.sha256 != model.sha256}
    walk, pictures = (None, None) if arguments.skip_peer else peer(model)
    if not arguments.skip_speed:
        speed(model, arguments.steps, arguments.rounds, walk)
    begun = time.perf_counter()
    result = dream(model)
    print(
        f"\nThe default preset ({result.settings['steps']} steps, {result.settings['samples']} views): {time.perf_counter() - begun:.0f} s"
    )
    if judges:
        verdicts("Default dreams (face prior)", result.images, model, judges)
        verdicts("Without any prior", dream(model, prior="none").images, model, judges)
        if pictures:
            verdicts(f"tf-keras-vis, {arguments.peer_steps} steps", pictures(arguments.peer_steps), model, judges)
        control = untrained(model)
        verdicts("Control: the same architecture untrained, face prior", dream(control).images, control, judges)
        verdicts("Control: untrained, without any prior", dream(control, prior="none").images, control, judges)
        verdicts("Control: untrained, class prior", dream(control, prior="class").images, control, judges)


if __name__ == "__main__":
    main()
