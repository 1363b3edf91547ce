"""A child process within limits: whatever it does, the parent gets a status, and nothing outside has changed."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ferviz import sandbox

LIMITS = sandbox.Limits(seconds=60, memory=512 * 1024**2)
LANDLOCK = sys.platform.startswith("linux") and ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) > 2


def ends(process: int) -> bool:
    """Whether a process that was killed ends: the system's next act, so it is asked for a while."""
    file, last = Path(f"/proc/{process}/stat"), time.monotonic() + 900
    while time.monotonic() < last:
        try:
            if file.read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def ended(tmp_path):
    def run(code: str, limits: sandbox.Limits = LIMITS, stdin: bytes = b"", arguments: tuple[str, ...] = ()):
        script = tmp_path / "script.py"
        script.write_text(code)
        return sandbox.run(script, *arguments, limits=limits, stdin=stdin)

    return run


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("print('fine')", "ok"),
        ("import sys; print('byte 7 is wrong'); sys.exit(3)", "refused"),
        ("import a_library_that_nobody_has", "missing"),
        ("1 / 0", "failed"),
        ("import ctypes; ctypes.string_at(0)", "crashed"),
        ("import os; os.abort()", "crashed"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGFPE)", "crashed"),
        ("x = bytearray(1 << 30)", "memory"),
        ("import sys; sys.stderr.write('std::bad_alloc'); sys.stderr.flush(); import os; os.abort()", "memory"),
    ],
)
def test_each_end_has_its_status(ended, code, status):
    assert ended(code).status == status


def test_output_reason_and_errors(ended):
    outcome = ended("import sys; print('one\\ntwo'); sys.stderr.write('note'); sys.exit(3)")
    assert (outcome.output, outcome.reason, outcome.errors) == (b"one\ntwo\n", "one", b"note")


def test_a_loop_ends_by_processor_time_and_by_the_clock(ended):
    assert ended("while True: pass", sandbox.Limits(seconds=1)).status == "timeout"
    assert ended("import time; time.sleep(1000)", sandbox.Limits(wait=0.5)).status == "timeout"


def test_nothing_is_written(ended, tmp_path):
    file = tmp_path / "kept.txt"
    file.write_text("kept")
    code = f"open({str(tmp_path / 'new.txt')!r}, 'w').write('x' * 100)"
    assert ended(code).status == "failed"
    assert ended(f"open({str(file)!r}, 'a').write('x' * 100)").status == "failed"
    assert file.read_text() == "kept"
    if LANDLOCK:
        for change in ("os.remove(f)", "os.rename(f, f + '2')", "open(f, 'w')", "os.mkdir(f + '3')", "os.symlink(f, f + '4')",
                       "os.truncate(f, 0)", "os.execv('/bin/true', ['true'])"):  # fmt: skip
            assert ended(f"import os; f = {str(file)!r}; {change}").status == "failed", change
        assert file.read_text() == "kept"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.txt", "script.py"]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_what_it_starts_ends_with_it(ended):
    code = "import os, time\nchild = os.fork()\nif not child: time.sleep(1000)\nprint(child, flush=True)\nos._exit(0)"
    for wait in (1, 3, 600):  # until it has begun
        outcome = ended(code, sandbox.Limits(wait=wait))
        assert outcome.status == "timeout"  # the copy holds the pipe
        if outcome.output:
            break
    assert ends(int(outcome.output))


def test_input_arrives_and_need_not_be_read(ended):
    assert ended("import sys; print(len(sys.stdin.buffer.read()))", stdin=b"x" * 300_000).output.strip() == b"300000"
    assert ended("pass", stdin=b"x" * 3_000_000).status == "ok"


def test_neither_the_folder_nor_the_environment_replaces_what_is_imported(ended, tmp_path, monkeypatch):
    (tmp_path / "h5py.py").write_text("raise SystemExit(99)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("SECRET_TOKEN", "x")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert (
        ended("import h5py, ferviz, os; assert 'SECRET_TOKEN' not in os.environ; print(ferviz.__file__)").status == "ok"
    )


def test_without_an_interpreter_there_is_no_child(monkeypatch):
    monkeypatch.setattr(sys, "executable", "")
    assert sandbox.run("json.tool", limits=LIMITS).status == "unavailable"
    with pytest.raises(sandbox.ChildError, match="unavailable"):
        sandbox.start("json.tool", limits=LIMITS)


ECHO = """
import os, sys, time
from ferviz.sandbox.messages import channel, read_message, write_message
reader, writer = channel()
print("what is printed does not get between the messages", flush=True)
while True:
    message = read_message(reader)
    if message == b"die": os.abort()
    if message == b"sleep": time.sleep(1000)
    write_message(writer, message[::-1])
"""


@pytest.fixture
def echo(tmp_path):
    script = tmp_path / "echo.py"
    script.write_text(ECHO)
    return script


def test_a_child_answers_message_after_message(echo):
    child = sandbox.start(echo, limits=LIMITS)
    assert child.ask(b"abc") == b"cba"
    assert child.ask(bytes(5_000_000)) == bytes(5_000_000)
    assert child.ask(b"") == b""
    with pytest.raises(sandbox.ChildError, match="crashed"):
        child.ask(b"die")
    with pytest.raises(sandbox.ChildError):
        child.ask(b"abc")


def test_an_answer_that_does_not_come(echo):
    child = sandbox.start(echo, limits=LIMITS)
    with pytest.raises(sandbox.ChildError, match="timeout"):
        child.ask(b"sleep", wait=0.5)
    assert child.process.returncode is not None


def test_ctrl_c_while_waiting_leaves_no_child(echo, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    child = sandbox.start(echo, limits=LIMITS)
    monkeypatch.setattr(sandbox, "read_message", interrupt)
    with pytest.raises(KeyboardInterrupt):
        child.ask(b"sleep")
    assert child.process.returncode is not None


def test_a_child_ends_with_its_last_reference(echo):
    child = sandbox.start(echo, limits=LIMITS)
    process = child.process
    child.ask(b"a")
    del child
    assert process.wait(900) is not None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_a_child_ends_when_its_parent_is_killed(echo, tmp_path):
    code = f"""
import sys, time
from pathlib import Path
from ferviz import sandbox
child = sandbox.start(Path({str(echo)!r}), limits=sandbox.Limits())
child.ask(b"a")
print(child.process.pid, flush=True)
child.ask(b"sleep")
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(sandbox.__file__).parents[2])}
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment)
    with parent:
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        parent.stdout.read()
    assert ends(child)
