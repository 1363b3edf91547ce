"""Messages over pipes, each a length and as many bytes: how a process and the child that it started talk."""

from __future__ import annotations

import os
import struct
from typing import IO

_LENGTH = struct.Struct("<Q")


def channel() -> tuple[IO[bytes], IO[bytes]]:
    """Return, within a child, the streams that `read_message` and `write_message` take; what else is printed goes to standard error."""
    reader, writer = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return reader, writer


def write_message(stream: IO[bytes], content: bytes | memoryview) -> None:
    """Write the length of a message and the message.

    Args:
        stream: a pipe.
        content: its bytes.
    """
    stream.write(_LENGTH.pack(memoryview(content).nbytes))
    stream.write(content)
    stream.flush()


def read_message(stream: IO[bytes], largest: int = 4 * 1024**3) -> bytes:
    """Read one message.

    Args:
        stream: a pipe.
        largest: bytes that it may have.

    Returns:
        Its bytes.

    Raises:
        EOFError: the stream ended, or the message is too large.
    """
    head = stream.read(_LENGTH.size)
    length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else largest + 1
    content = stream.read(length) if length <= largest else b""
    if length > largest or len(content) < length:
        raise EOFError
    return content
