"""Limit this process, then execute a script or a module: what `ferviz.sandbox` starts. It imports nothing of ferviz.

Arguments: the limits, the search path, a script's path or "-m" and a module's name, and the arguments for that.
"""

import sys

_WRITES = sum(1 << bit for bit in (0, 1, *range(4, 13)))  # Landlock's rights to execute, write, remove and create
_REFER, _TRUNCATE, _WRITE_FILE, _TCP = 1 << 13, 1 << 14, 1 << 1, 0b11


def limit_resources(seconds: int, memory: int, file_size: int, processes: int, open_files: int) -> None:
    """Limit what this process may take, where the system has such limits.

    Args:
        seconds: of processor time.
        memory: bytes of address space.
        file_size: bytes written into one file.
        processes: processes and threads of this user.
        open_files: open files. A limit of -1 is none.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    for name, maximum in (
        ("RLIMIT_CPU", seconds),
        ("RLIMIT_AS", memory),
        ("RLIMIT_FSIZE", file_size),
        ("RLIMIT_NPROC", processes),
        ("RLIMIT_NOFILE", open_files),
        ("RLIMIT_CORE", 0),
    ):
        if maximum < 0 or not hasattr(resource, name):
            continue
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        maximum = maximum if hard == resource.RLIM_INFINITY else min(maximum, hard)
        try:
            # A second more until the hard limit, so that the signal tells what happened.
            resource.setrlimit(kind, (maximum, min(maximum + 1, hard) if hard >= 0 else maximum + 1))
        except (ValueError, OSError):  # macOS takes no limit on address space
            continue


def forbid_changes() -> None:
    """Forbid this process to change or create any file, to start programs and to use TCP, with Linux's Landlock."""
    if not sys.platform.startswith("linux"):
        return
    try:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        version = libc.syscall(444, None, ctypes.c_size_t(0), 1)
    except (ImportError, OSError, AttributeError):
        return
    if version < 1:
        return
    files = _WRITES | (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    rules = (ctypes.c_uint64 * 2)(files, _TCP)
    ruleset = libc.syscall(444, rules, ctypes.c_size_t(16 if version >= 4 else 8), 0)
    if ruleset < 0:
        return
    libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS, without which Landlock is refused
    libc.syscall(446, ruleset, 0)


def watch_parent(lifeline: int) -> None:
    """End with the parent: the system sends a signal when the pipe to it closes, even while this process is in native code.

    Args:
        lifeline: the file descriptor of the pipe, -1 = none.
    """
    if lifeline < 0:
        return
    import fcntl
    import os

    if sys.platform.startswith("linux"):
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
        try:
            if os.read(lifeline, 1) == b"":  # it was gone before
                os._exit(1)
        except BlockingIOError:
            return
    import threading

    def wait() -> None:
        os.read(lifeline, 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main(limits: str, path: str, target: str, *arguments: str) -> None:
    """Execute a target within limits.

    Args:
        limits: six numbers, separated by commas.
        path: folders to look for modules in.
        target: a script's path, or "-m" and a module's name.
        arguments: for the target.
    """
    seconds, memory, file_size, processes, open_files, lifeline = (int(number) for number in limits.split(","))
    limit_resources(seconds, memory, file_size, processes, open_files)
    watch_parent(lifeline)
    if file_size == 0:
        forbid_changes()
    import os
    import runpy

    root, *others = path.split(os.pathsep)
    sys.path[:] = [
        *([] if root in sys.path else [root]),
        *sys.path,
        *(entry for entry in others if entry not in sys.path),
    ]
    sys.dont_write_bytecode = True
    sys.argv = [target, *arguments]
    try:
        if target.startswith("-m"):
            runpy.run_module(target[2:], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(target, run_name="__main__")
    except MemoryError:
        os._exit(5)
    except ImportError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(4)


if __name__ == "__main__":
    main(*sys.argv[1:])
