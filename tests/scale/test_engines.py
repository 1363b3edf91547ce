"""Every engine gives the same bytes, and survives what dies; those of Ray and Dask run where these are installed (make test-scale)."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ferviz import scale
from ferviz.errors import DataError, UsageError
from ferviz.scale.executors.pool import Worker

# Ray and Dask warn of themselves, and leave sockets to the end of the process.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

MODULES = {"ray": "ray", "dask": "distributed"}
OTHERS = ["pool", "ray", "dask"]
Contents = Callable[[Path], dict[str, bytes]]
VARYING = {"seconds": 0.0, "host": "", "process": 0}


def require(engine: str) -> None:
    """Skip the test where the engine's package is not installed."""
    if engine in MODULES and find_spec(MODULES[engine]) is None:
        pytest.skip(f"needs the extra ferviz[{engine}]: make test-scale installs it")


@pytest.fixture(scope="module")
def inline(array: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[scale.Plan, list[scale.Receipt]]:
    """A run in this process, and its receipts."""
    receipts: list[scale.Receipt] = []
    plan = scale.plan(array, tmp_path_factory.mktemp("inline"), shard_size=2)
    assert scale.run(plan, "inline", on_receipt=receipts.append).complete
    return plan, receipts


@pytest.mark.parametrize("engine", OTHERS)
def test_every_engine_writes_the_same_bytes(
    engine: str, inline: Any, array: Path, tmp_path: Path, contents: Contents
) -> None:
    require(engine)
    receipts: list[scale.Receipt] = []
    plan = scale.plan(array, tmp_path / "run", shard_size=2)
    assert plan.fingerprint == inline[0].fingerprint
    assert scale.run(plan, engine, 2, on_receipt=receipts.append).complete
    assert contents(plan.path) == contents(inline[0].path)
    assert len({receipt.process for receipt in receipts}) <= 2  # the network is loaded once in each
    assert os.getpid() not in {receipt.process for receipt in receipts}
    alike = [[replace(r, **VARYING) for r in sorted(part, key=lambda r: r.shard)] for part in (receipts, inline[1])]
    assert alike[0] == alike[1]


@pytest.mark.parametrize("engine", OTHERS)
def test_a_shard_that_kills_is_the_only_one_in_quarantine(
    engine: str, inline: Any, array: Path, tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    require(engine)
    monkeypatch.setenv("FERVIZ_SCALE_FAULT", "explained:3")
    plan = scale.plan(array, tmp_path / "run", shard_size=2, max_tries=1)
    result = scale.run(plan, engine, 1 if engine == "pool" else 2)
    assert list(result.quarantined) == [3]
    assert "SIGKILL" in result.quarantined[3]
    expected = contents(inline[0].path)
    expected.pop("part-00000003.parquet")
    assert contents(plan.path) == expected
    monkeypatch.delenv("FERVIZ_SCALE_FAULT")
    assert scale.retry(plan, "inline").complete
    assert contents(plan.path) == contents(inline[0].path)


def test_a_worker_that_is_killed_takes_nothing_with_it(
    inline: Any, array: Path, tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker dies from outside, once, at a shard that is not its fault."""
    plan = scale.plan(array, tmp_path / "run", shard_size=2)
    send = Worker.send
    victims = []

    def kill_third(self: Worker, shard: Any, *arguments: Any) -> None:
        send(self, shard, *arguments)
        if shard.number == 2 and not victims:
            victims.append(self.process.pid)
            self.process.kill()

    monkeypatch.setattr(Worker, "send", kill_third)
    receipts: list[scale.Receipt] = []
    assert scale.run(plan, "pool", 2, on_receipt=receipts.append).complete
    assert sorted(receipt.shard for receipt in receipts) == list(range(6))
    assert victims
    assert contents(plan.path) == contents(inline[0].path)


def test_the_driver_is_killed_and_the_same_command_goes_on(
    inline: Any, array: Path, tmp_path: Path, contents: Contents
) -> None:
    """It dies as soon as it hears of a shard; its worker may be through with the next one, or at it."""
    plan = scale.plan(array, tmp_path / "run", shard_size=2)
    code = (
        "import os, signal, sys; from ferviz import scale; "
        "scale.run(sys.argv[1], 'pool', 1, on_receipt=lambda receipt: os.kill(os.getpid(), signal.SIGKILL))"
    )
    # The worker holds standard error, too: the call returns when both have ended, so that nobody writes into the folder any more.
    process = subprocess.run([sys.executable, "-c", code, plan.folder], stderr=subprocess.PIPE, check=False)
    assert process.returncode == -signal.SIGKILL, process.stderr
    status = scale.status(plan.folder)
    assert 1 <= status.done < 6
    assert scale.run(plan, "inline").complete
    assert contents(plan.path) == contents(inline[0].path)


@pytest.mark.skipif(not os.environ.get("FERVIZ_TEST_SCALE"), reason="takes minutes: make test-scale runs it")
@pytest.mark.parametrize("engine", OTHERS)
def test_workers_are_killed_at_random_times(
    engine: str, inline: Any, array: Path, tmp_path: Path, contents: Contents
) -> None:
    """Twenty times a random worker dies at a random time."""
    require(engine)
    psutil = pytest.importorskip("psutil")
    plan = scale.plan(array, tmp_path / "run", shard_size=2, max_tries=30)
    rng = random.Random(0)
    # Ray's agents are no workers: with one of them the whole node ends, and its driver with it.
    words = {"pool": "pool_child", "ray": "ray::MapWorker", "dask": "spawn_main"}[engine]
    kills: list[int] = []
    through = threading.Event()

    def kill() -> None:
        while not through.wait(rng.random()):
            below = psutil.Process().children(recursive=True)
            workers = [child for child in below if words in " ".join(_command(child))]
            # An engine of others has to be there before it can lose a worker.
            begun = engine == "pool" or any(plan.path.glob("receipts/*/*"))
            if workers and begun and len(kills) < 20:
                victim = rng.choice(workers)
                kills.append(victim.pid)
                victim.kill()

    def _command(child: Any) -> list[str]:
        try:
            return list(child.cmdline())
        except psutil.Error:
            return []

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        for _ in range(20):
            if len(kills) >= 20:
                break
            shutil.rmtree(plan.path / "receipts", ignore_errors=True)
            shutil.rmtree(plan.path / "parts", ignore_errors=True)
            # Workers may die before any of them is through, and those of an engine that is just starting, too.
            with contextlib.suppress(DataError, UsageError):
                scale.run(plan, engine, 2)
            result = scale.status(plan.folder)
            assert result.counts.input == 2 * result.done
    finally:
        through.set()
        killer.join()
    assert kills
    for shard in scale.status(plan.folder).quarantined:
        scale.run_directory.RunDirectory(plan.folder).release(shard)
    assert scale.run(plan, "inline").complete
    assert contents(plan.path) == contents(inline[0].path)


@pytest.mark.parametrize("engine", ["ray", "dask"])
def test_an_engine_that_is_not_installed_is_one_sentence(
    engine: str, inline: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    from ferviz.scale.executors.registry import EXECUTORS

    monkeypatch.setitem(sys.modules, MODULES[engine], None)
    with pytest.raises(UsageError, match=rf"ferviz\[{engine}\]"):
        next(EXECUTORS[engine](iter(()), inline[0], 1))


def test_an_engine_that_does_not_start_is_one_sentence() -> None:
    from ferviz.scale.executors.registry import starting

    with pytest.raises(UsageError, match=r"engine ray did not start \(OSError: no room\)"), starting("ray"):
        raise OSError("no room\nand many lines more")


def test_a_pipeline_of_ones_own(faces: Any) -> None:
    require("ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    ray.init(num_cpus=2, include_dashboard=False, logging_level=40, log_to_driver=False)
    try:
        data = ray.data.from_items([{"image": face, "key": i} for i, face in enumerate(faces)])
        pool = ray.data.ActorPoolStrategy(min_size=1, max_size=1)
        explained = data.map_batches(
            scale.Explain, fn_constructor_kwargs={"target": "happy"}, batch_size=4, compute=pool
        )
        rows = explained.take_all()
    finally:
        ray.shutdown()
    direct = scale.Explain(target="happy")({"image": faces})
    assert {row["key"]: row["label"] for row in rows} == dict(enumerate(direct["label"]))


@pytest.mark.skipif(not os.environ.get("FERVIZ_TEST_SCALE"), reason="takes minutes: make test-scale runs it")
@pytest.mark.parametrize("engine", OTHERS)
def test_no_network_is_needed(engine: str, array: Path, tmp_path: Path) -> None:
    require(engine)
    command = ["unshare", "--net", "--map-root-user", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if (
        not shutil.which("unshare")
        or not shutil.which("ip")
        or subprocess.run([*command, "true"], check=False).returncode
    ):
        pytest.skip("this machine does not let its user make a network of its own")
    plan = scale.plan(array, tmp_path / "run", shard_size=2)
    run = [sys.executable, "-m", "ferviz", "scale", "run", plan.folder, "--engine", engine, "--workers", "2"]
    subprocess.run([*command, *run], check=True, timeout=900)
    assert scale.status(plan.folder).complete
