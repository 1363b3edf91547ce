"""Threads and forked processes: standard error, the first load, the same answers as in one thread, one sentence after a fork."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ferviz
from ferviz.engines.fallback import FallbackEngine
from ferviz.errors import NotCompiledError
from ferviz.native_logs import silenced, without_warnings
from ferviz.registry import Registry

THREADS = 8


def together(work: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """The results of threads that begin at the same moment."""
    gate = threading.Barrier(threads)

    def begin(number: int) -> Any:
        gate.wait(900)
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(begin, range(threads)))


@pytest.fixture
def terminal(capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """A function that returns what was written to the process's standard error since it was last asked."""
    return lambda: capfd.readouterr().err


def in_turns(first: Any, second: Any) -> None:
    """Enter the first block, then the second, and leave the first before the second."""
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)


@pytest.mark.parametrize("modes", [(True, True), (True, False), (False, True), (False, False)])
def test_standard_error_comes_back_when_blocks_overlap(terminal, modes) -> None:
    in_turns(silenced(modes[0]), silenced(modes[1]))
    os.write(2, b"seen\n")
    assert terminal() == "seen\n"


def test_lines_of_overlapping_blocks_are_kept_and_come_once(terminal) -> None:
    outer, inner = silenced(), silenced()
    outer.__enter__()
    os.write(2, b"2026-01-01 00:00:00.1: I noise\nan error of the library\n")
    inner.__enter__()
    outer.__exit__(None, None, None)
    assert terminal() == ""  # the second block still runs
    inner.__exit__(None, None, None)
    assert terminal() == "an error of the library\n"


def test_standard_error_comes_back_after_an_exception_and_eight_threads(terminal) -> None:
    def work(number: int) -> None:
        for turn in range(50):
            try:
                with silenced(everything=(number + turn) % 2 == 0):
                    if turn % 3 == 0:
                        raise KeyboardInterrupt
            except KeyboardInterrupt:
                pass

    together(work)
    os.write(2, b"seen\n")
    assert terminal() == "seen\n"


def test_a_redirection_of_the_program_itself_is_left_alone(terminal, tmp_path: Path) -> None:
    own = tmp_path / "own"
    kept = os.dup(2)
    with silenced(everything=True), own.open("wb") as file:
        os.dup2(file.fileno(), 2)
    os.write(2, b"mine\n")
    os.dup2(kept, 2)
    os.close(kept)
    assert own.read_bytes() == b"mine\n"
    os.write(2, b"seen\n")
    assert terminal() == "seen\n"


def test_filters_of_warnings_and_standard_output_come_back() -> None:
    before, stream = list(warnings.filters), sys.stdout

    def work(number: int) -> None:
        for _ in range(50):
            with without_warnings(output=number % 2 == 0):
                warnings.warn("of a library", stacklevel=1)

    together(work)
    assert warnings.filters == before
    assert sys.stdout is stream


def test_a_network_is_loaded_once_by_threads_that_need_it_at_once() -> None:
    class Compiled:
        def logits(self, batch: Any) -> Any:
            raise NotCompiledError("it was left out")

    class Network:
        def logits(self, batch: Any) -> Any:
            return batch

    loads: list[Network] = []

    def load() -> Any:
        loads.append(Network())
        return loads[-1]

    engine = FallbackEngine(Compiled(), load)  # type: ignore[arg-type]
    together(engine.logits)  # type: ignore[arg-type]
    assert len(loads) == 1


def test_plugins_of_a_registry_are_seen_by_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        name, value, dist = "late", "math:pi", None

    inside, go_on = threading.Event(), threading.Event()

    def slow(group: str) -> list[Any]:
        inside.set()
        go_on.wait(900)
        return [Point]

    registry: Registry[Any] = Registry("thing", group="ferviz.things")
    monkeypatch.setattr("ferviz.registry.entry_points", slow)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(list, registry)
        assert inside.wait(900)
        second = pool.submit(list, registry)
        go_on.set()
        assert first.result(900) == second.result(900) == ["late"]


def test_guided_gradients_of_threads_that_begin_at_once_are_guided(networks) -> None:
    from ferviz.engines.base import INPUT
    from ferviz.engines.keras import KerasEngine

    batch = networks.pictures("sequential", 3)
    weights = np.ones((3, 1, networks.CLASSES), np.float32)
    alone = KerasEngine(networks.build("sequential"))
    wanted = alone.gradients(batch, INPUT, weights)[1], alone.guided_gradients(batch, INPUT, weights)[1]
    assert np.abs(wanted[0] - wanted[1]).max() > 1e-3
    shared = KerasEngine(networks.build("sequential"))
    ask = (shared.gradients, shared.guided_gradients)
    for number, (_, gradient, _) in enumerate(together(lambda number: ask[number % 2](batch, INPUT, weights))):
        np.testing.assert_allclose(gradient, wanted[number % 2], rtol=1e-4, atol=1e-5)


def answers(model: Any, seed: int) -> dict[str, np.ndarray]:
    """What the public functions answer about two faces that belong to a seed."""
    faces = np.random.default_rng(seed).integers(0, 255, (2, 48, 48), np.uint8)
    explanation = ferviz.explain(model, faces)
    return {
        "gradcam": explanation.heatmaps,
        "saliency": ferviz.explain(model, faces, "saliency").heatmaps,
        "probabilities": model.probabilities(faces),
        "activations": next(iter(ferviz.activations(model, faces).arrays.values())),
        "picture": np.asarray(explanation.picture()),
        "faces": np.concatenate([face.pixels.ravel() for face in ferviz.find_faces(PHOTO)]),
    }


PHOTO = Path(__file__).parents[1] / "examples" / "astronaut.png"


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["litert", "keras"])
def test_threads_answer_as_one(engine: str, networks, terminal) -> None:
    def load() -> Any:
        return ferviz.load_model(networks.build("sequential") if engine == "keras" else None)

    one, shared = load(), load()  # nothing was asked of the shared one before the threads begin
    wanted = [answers(one, seed) for seed in range(2)]
    for number, answer in enumerate(together(lambda number: answers(shared, number % 2), threads=4)):
        for name, values in answer.items():
            np.testing.assert_allclose(values, wanted[number % 2][name], rtol=1e-4, atol=1e-4, err_msg=name)
    os.write(2, b"seen\n")
    assert terminal() == "seen\n"


@pytest.mark.slow
def test_threads_dream_as_one(networks) -> None:
    def dream(model: Any, seed: int) -> np.ndarray:
        return ferviz.dream(
            model, "b", steps=3, seed=seed, prior="none", config=ferviz.DreamConfig(precision="single")
        ).images

    def load() -> Any:
        return ferviz.load_model(networks.build("sequential"), labels="a,b,c,d", scaling="0..255")

    alone, shared = load(), load()
    wanted = [dream(alone, seed) for seed in range(2)]
    assert not np.array_equal(wanted[0], wanted[1])
    for number, images in enumerate(together(lambda number: dream(shared, number), threads=2)):
        np.testing.assert_allclose(images.astype(int), wanted[number % 2], atol=2)


def fresh(code: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        # Python 3.12 warns of a fork among threads, which is what is tried here.
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env=environment,
    )


def test_a_model_is_loaded_in_each_process() -> None:
    with pytest.raises(TypeError, match=r"ferviz.load_model in each process"):
        pickle.dumps(ferviz.load_model())


FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


HOSTILE = '{"floatx": "float16", "epsilon": 1e-07, "backend": "jax", "image_data_format": "channels_first"}'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of somebody whose keras.json asks for all else than what ferviz needs."""
    folder: Path = tmp_path_factory.mktemp("home")
    (folder / ".keras").mkdir()
    (folder / ".keras" / "keras.json").write_text(HOSTILE)
    return folder


@pytest.fixture(scope="module")
def threaded(home: Path) -> subprocess.CompletedProcess[str]:
    """A process in which two threads load Keras at once, and which then forks where the system can."""
    loud = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "KERAS", "GRPC", "GLOG"))}
    return fresh(
        """
        import os, sys, threading
        from concurrent.futures import ThreadPoolExecutor
        import numpy as np
        import ferviz
        from ferviz.engines import backend
        assert "keras" not in sys.modules and "tensorflow" not in sys.modules
        gate = threading.Barrier(2)
        def work(_):
            gate.wait()
            return ferviz.load_model(engine="keras")
        with ThreadPoolExecutor(2) as pool:
            keras, *others = pool.map(work, range(2))
        print(*{model.engine.name for model in (keras, *others)}, flush=True)
        config = backend.keras().config
        print(config.backend(), config.image_data_format(), config.floatx(), flush=True)
        faces = np.full((3, 48, 48), 90, np.uint8)
        answer = keras.probabilities(faces)
        os.write(2, b"seen")
        if not hasattr(os, "fork"):
            sys.exit()
        compiled = ferviz.load_model(engine="litert")
        wanted = compiled.probabilities(faces)
        child = os.fork()
        if child == 0:
            try:
                assert np.allclose(compiled.probabilities(faces), wanted, atol=1e-6)
                for ask in (lambda: keras.predict(faces), lambda: ferviz.load_model(engine="keras")):
                    try:
                        ask()
                    except ferviz.ModelError as error:
                        assert "spawn" in str(error), error
                    else:
                        raise AssertionError("no error")
                print("child", flush=True)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        print(np.abs(answer - wanted).max() < 1e-4 and np.array_equal(keras.probabilities(faces), answer))
        """,
        {**loud, "HOME": str(home), "KERAS_BACKEND": "torch"},
    )


@pytest.mark.slow
def test_a_first_load_of_keras_by_several_threads(threaded: subprocess.CompletedProcess[str]) -> None:
    assert threaded.stdout.startswith("keras\n"), threaded.stderr


@pytest.mark.slow
def test_keras_comes_quietly_with_our_backend_whatever_keras_json_says(
    threaded: subprocess.CompletedProcess[str], home: Path
) -> None:
    assert threaded.stdout.splitlines()[1] == "tensorflow channels_last float32", threaded.stderr
    assert threaded.stderr == "seen"
    assert (home / ".keras" / "keras.json").read_text() == HOSTILE


@FORKS
@pytest.mark.slow
def test_after_a_fork_compiled_networks_answer_and_keras_is_one_sentence(
    threaded: subprocess.CompletedProcess[str],
) -> None:
    assert threaded.stdout.endswith("\nchild\nTrue\n"), threaded.stderr


@FORKS
def test_a_fork_inside_a_block_gives_the_child_its_standard_error(terminal) -> None:
    with silenced(everything=True):
        child = os.fork()
        if child == 0:
            os.write(2, b"child\n")
            os._exit(0)
        os.waitpid(child, 0)
        os.write(2, b"noise\n")
    assert terminal() == "child\n"
