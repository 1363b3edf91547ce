"""Fixtures that every folder of tests shares."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib.util
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

# Before anything imports TensorFlow: quiet, and a cache of the test run's own.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis
import pytest

# The same cases in every run, so that a failure can be had again; --hypothesis-profile=default draws others. No case is too slow.
hypothesis.settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("repeatable")

# Whatever looks for garbage walks through all of TensorFlow's graphs: that was a tenth of the suite's time.
gc.set_threshold(50_000, 20, 20)

# A shell that runs the tests in the background has Ctrl-C ignored, in their children, too; tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

LONGEST = (
    "scale/test_faults", "scale/test_memory", "web/test_data_room", "models/test_parity", "engines/test_litert",
    "training/test_train", "test_pages", "dreaming/test_dream", "training/test_teach", "test_threads", "scale/test_engines",
    "training/test_devices", "test_examples", "models/test_formats", "cli/test_dream", "training/test_kill", "scale/test_explained",
    "studies/test_studies", "cli/test_compile", "dreaming/test_engines", "hostile/test_foreign_networks", "faces/test_find_formats",
    "faces/test_detectors", "attribution/test_truth", "evaluation/test_evaluate", "training/test_additive", "models/test_load",
    "models/test_legacy", "training/test_command", "attribution/test_killed", "scale/test_face_table", "data/test_cartoons",
    "cli/test_wrong_input", "cli/test_streams", "evaluation/test_commands", "training/test_bundle_network", "dreaming/test_judging",
    "packaging/test_wheel", "faces/test_search", "faces/test_find", "models/test_cache",
)  # fmt: skip
"""The files that take longest, in order; the third to the fifth begin the groups of TOGETHER. They come first, so that the processes of
`make test` end at about the same time. The first two fork, or look at all that a process holds, which is little at its beginning."""

TOGETHER = {
    "browser": ("web/", "reports/", "documents/test_html_pages"),
    "engines": ("engines/", "attribution/test_contract", "attribution/test_second_opinion"),
    "published": ("models/test_parity", "models/test_published", "evaluation/test_check"),
}
"""Files that one process of `make test` takes, because they share what takes long to begin: a browser, networks that are read or traced."""

PATIENCE = 900.0
"""Seconds that a test waits for what happens at once on an idle machine: no test may fail because others are at work."""

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    here, places = Path(__file__).parent, {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.relative_to(here).with_suffix("").as_posix(), len(LONGEST)))


def pytest_collection_finish() -> None:
    """What is there now stays to the end: nobody need look through it for garbage."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup() -> None:
    """TensorFlow notes for every operation of a graph by which calls it was made. Below pytest these are so many that it takes a twentieth
    of the time, and only texts of its errors show them: all operations get the same."""
    tf_stack: Any = sys.modules.get("tensorflow.python.util.tf_stack")
    if tf_stack is None or hasattr(tf_stack.extract_stack, "func"):
        return
    tf_stack.extract_stack = functools.partial(_first_stack, tf_stack.extract_stack, [])
    pytest_collection_finish()  # TensorFlow is there now


def _first_stack(extract: Callable[..., Any], kept: list[Any], stacklevel: int = 1) -> Any:
    if not kept:
        kept.append(extract(stacklevel))
    return kept[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadgroup` a process takes whole files, and all that are TOGETHER."""
    if config.getoption("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            name = file.removeprefix("tests/")
            return next((group for group, files in TOGETHER.items() if name.startswith(files)), file)

    return Scheduling(config, log)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The project's own data (published networks, FER2013 without its exam); tests that need it are skipped elsewhere."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared/data (published networks and FER2013), which is not part of the repository")
    return SHARED


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep the user's cache directory out of the tests."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["FERVIZ_CACHE"] = str(folder)
    return folder


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_the_disk() -> Iterator[None]:
    """What is written need not outlive the machine; a test that is about this sets its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def patient_children() -> Iterator[None]:
    """A process within limits that answers late does so because the machine is busy; where a test waits shortly, it means it."""
    from ferviz import sandbox

    real = sandbox.Child.deadline

    def later(self: Any, wait: float | None = None) -> AbstractContextManager[None]:
        wait = self.limits.wait if wait is None else wait
        return real(self, wait if wait <= 5 else max(wait, PATIENCE))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox.Child, "deadline", later)
        yield


@pytest.fixture(autouse=True, scope="session")
def hdf5_is_tried_here() -> Iterator[Callable[..., Any]]:
    """The probe of an HDF5 file runs in this process: starting another one takes longer than all else of a small network's loading.

    tests/hostile, where files crash and hang, starts the process; it is handed on for that.
    """
    from ferviz import sandbox
    from ferviz.models.formats import hdf5_child, hdf5_sandbox

    real = sandbox.run

    def run(target: str | Path, *arguments: str, limits: sandbox.Limits, stdin: bytes = b"") -> sandbox.Outcome:
        if target != hdf5_sandbox.SCRIPT:
            return real(target, *arguments, limits=limits, stdin=stdin)
        try:
            hdf5_child.read_all(*arguments)
        except Exception as error:
            return sandbox.Outcome("refused", (str(error) or type(error).__name__).encode())
        return sandbox.Outcome("ok")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "run", run)
        yield real


@pytest.fixture(autouse=True, scope="session")
def still_clock() -> Iterator[None]:
    """What a command prints does not depend on how long it takes: lines of progress come after ten seconds, and a machine may be busy."""
    from ferviz.cli.console import Console

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Console.__init__, "__defaults__", (False, lambda: 0.0))
        yield


@pytest.fixture
def bfloat16() -> None:
    """A processor on which TensorFlow computes in bfloat16."""
    from ferviz.engines.precision import check_bfloat16
    from ferviz.errors import UsageError

    try:
        check_bfloat16("bfloat16", "float32")
    except UsageError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def script() -> Callable[[str | Path], ModuleType]:
    """A function from a script's path, below the repository's root or whole, to its module, which is executed once."""
    return functools.cache(_script)


def _script(path: str | Path) -> ModuleType:
    file = Path(__file__).resolve().parents[1] / path
    spec = importlib.util.spec_from_file_location(f"ferviz_script_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def networks(script: Callable[[str | Path], ModuleType]) -> ModuleType:
    """The module tests/networks.py. (`tests` cannot be imported by name: tf-keras-vis installs a package called so.)"""
    return script("tests/networks.py")


@pytest.fixture(scope="session")
def onnx_files(script: Callable[[str | Path], ModuleType]) -> ModuleType:
    """The module tests/onnx_files.py."""
    pytest.importorskip("onnx")
    return script("tests/onnx_files.py")


@pytest.fixture(scope="session")
def sheets(script: Callable[[str | Path], ModuleType], shared_data: Path) -> ModuleType:
    """The module that lies with FER2013's sheets and reads them."""
    return script(shared_data / "fer2013" / "fer2013.py")


@pytest.fixture(scope="session")
def engine(networks: ModuleType) -> Any:
    """A function from the name of a network in tests/networks.py to its KerasEngine, each made once."""
    from ferviz.engines.keras import KerasEngine

    made: dict[str, Any] = {}

    def get(name: str) -> Any:
        if name not in made:
            made[name] = KerasEngine(networks.build(name))
        return made[name]

    return get


@pytest.fixture(scope="session")
def published(shared_data: Path) -> Callable[[str], Any]:
    """A function from the name of a published network's file to its Model on the Keras engine, or the FervizError; each read once."""
    from ferviz.errors import FervizError
    from ferviz.models.load import load_model

    opened: dict[str, Any] = {}

    def get(name: str) -> Any:
        if name not in opened:
            try:
                opened[name] = load_model(shared_data / "models" / name, engine="keras")
            except FervizError as error:
                opened[name] = error
        return opened[name]

    return get


@pytest.fixture(scope="session")
def networks_read() -> dict[Any, Any]:
    """What `read_once` keeps."""
    return {}


@pytest.fixture(scope="module")
def read_once(networks_read: dict[Any, Any]) -> Iterator[None]:
    """Read each Keras file once, for tests of what is done with its network: an engine never changes."""
    from ferviz.models import load

    real = load._read_keras

    def once(origin: Any, file_format: str) -> Any:
        state = origin.path.stat()
        key = (origin.path.absolute(), state.st_mtime_ns, state.st_size, origin.labels, origin.trust)
        if origin.weights is not None or origin.path.suffix == ".json":
            return real(origin, file_format)
        if key not in networks_read:
            networks_read[key] = real(origin, file_format)
        return networks_read[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "_read_keras", once)
        yield


@pytest.fixture(scope="module")
def frozen_once() -> Iterator[None]:
    """Freeze each network once for each size, and compile an ascent once for dreams that differ in numbers alone: neither ever changes."""
    from ferviz.dreaming import deepdream, dream
    from ferviz.dreaming.ascent import ascend
    from ferviz.dreaming.ascent.differentiable import graph_engine_of

    networks: dict[Any, tuple[Any, Any]] = {}
    ascents: dict[Any, tuple[Any, Any]] = {}
    open_network, compiled = dream.open_network, ascend._ascent

    def open_once(model: Any, size: Any = None) -> Any:
        owner = graph_engine_of(model) or model
        key = (id(owner), model.labels, pickle.dumps(model.input), size)
        if key not in networks:
            networks[key] = (owner, open_network(model, size))  # the owner is kept, and so its id
        return networks[key][1]

    def compile_once(network: Any, groups: Any, config: Any, copies: int) -> Any:
        terms = tuple(tuple(term.key for _, term in objective.terms) for objective in groups)
        key = (id(network), ascend.CompiledAscent, terms, pickle.dumps(config), copies)
        if key not in ascents:
            ascents[key] = (network, compiled(network, groups, config, copies))
        return ascents[key][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dream, "open_network", open_once)
        patch.setattr(deepdream, "open_network", open_once)
        patch.setattr(ascend, "_ascent", compile_once)
        yield


@pytest.fixture
def full_after() -> Callable[[int], AbstractContextManager[None]]:
    """`with full_after(n)`: no file of this process grows beyond n bytes, as if the disk were full."""
    resource = pytest.importorskip("resource", reason="this system has no limit of the size of files")

    @contextlib.contextmanager
    def limited(count: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        # Python ignores the signal that comes with it, so that writing fails with "File too large".
        resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The folder of a file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let its user mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="session")
def start_browser() -> Iterator[Callable[..., Any]]:
    """Start a Chromium without a screen and with a camera that is none; its further words are given."""
    api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no Chromium on this machine")
    words = [
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
    ]
    with api.sync_playwright() as playwright:
        browsers = []

        def start(*further: str) -> Any:
            options = {"executable_path": path, "args": [*words, *further], "timeout": 1000 * PATIENCE}
            browsers.append(playwright.chromium.launch(**options))
            for name in ("new_context", "new_page"):
                setattr(browsers[-1], name, functools.partial(_patiently, getattr(browsers[-1], name)))
            return browsers[-1]

        yield start
        for browser in browsers:
            browser.close()


@pytest.fixture(scope="session")
def browser(start_browser: Callable[..., Any]) -> Any:
    return start_browser()


def _patiently(make: Callable[..., Any], **options: Any) -> Any:
    """A context or a page of a browser whose every step may take long."""
    made = make(**options)
    made.set_default_timeout(1000 * PATIENCE)
    return made
