"""Reading flatbuffers that nobody vouches for: every offset is checked before it is followed.

`flatbuffers.Verifier` exists in C++ only; the Python package follows whatever offset stands in a file. What is checked here is what
the C++ verifier checks: alignment, vtables, vectors and strings inside the file, and a bound on how much there is to read.

References:
    FlatBuffers internals, https://flatbuffers.dev/internals/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

MAX_WORK = 20_000_000
"""Tables, references and numbers that may be read from one file; many references to one place count as often as they are followed."""


class FlatbufferError(Exception):
    """The file is not a sound flatbuffer; the message says what is wrong."""


class Flatbuffer:
    """The bytes of a flatbuffer, with checked access.

    Args:
        content: the file.
        identifier: the four bytes that such files carry.

    Raises:
        FlatbufferError: it is too short or carries another identifier.
    """

    def __init__(self, content: bytes | bytearray, identifier: bytes) -> None:
        if len(content) < 12 or content[4:8] != identifier:
            raise FlatbufferError(f"it does not begin as a {identifier.decode()} file does")
        if len(content) >= 1 << 31:
            raise FlatbufferError("it has 2 GiB or more")
        self.content = memoryview(content)
        self._work = 0

    def root(self) -> Table:
        """Return the first table."""
        return self.table(self.number("<I", 0))

    def number(self, form: str, at: int) -> int:
        """Return one number.

        Args:
            form: as in `struct`, of one number.
            at: its position.
        """
        size = struct.calcsize(form)
        if at < 0 or at + size > len(self.content) or at % size:
            raise FlatbufferError("an offset points out of the file")
        value: int = struct.unpack_from(form, self.content, at)[0]
        return value

    def table(self, at: int) -> Table:
        """Return the table at a position.

        Args:
            at: the position.
        """
        self.spend(1)
        vtable = at - self.number("<i", at)
        size, inline = self.number("<H", vtable), self.number("<H", vtable + 2)
        if size < 4 or size % 2 or inline < 4 or vtable + size > len(self.content) or at + inline > len(self.content):
            raise FlatbufferError("a table's description is damaged")
        slots = struct.unpack_from(f"<{(size - 4) // 2}H", self.content, vtable + 4)
        if any(slot and not 4 <= slot < inline for slot in slots):
            raise FlatbufferError("a table's field lies outside of the table")
        return Table(self, at, slots, inline)

    def reference(self, at: int) -> int:
        """Return where the offset at a position leads.

        Args:
            at: the position of the offset.
        """
        offset = self.number("<I", at)
        if offset == 0 or at + offset >= len(self.content):
            raise FlatbufferError("an offset points out of the file")
        return at + offset

    def vector(self, at: int, size: int) -> tuple[int, int]:
        """Return the position of a vector's first element and their number.

        Args:
            at: the position of the vector.
            size: of one element, in bytes.
        """
        count = self.number("<I", at)
        if at + 4 + count * size > len(self.content) or (count and (at + 4) % size):
            raise FlatbufferError("a list reaches beyond the end of the file")
        return at + 4, count

    def spend(self, amount: int) -> None:
        """Count work, which bounds what a small file can cost.

        Args:
            amount: how many things are read.
        """
        self._work += amount
        if self._work > MAX_WORK:
            raise FlatbufferError("it holds more than any network does")


class Table:
    """One table of a flatbuffer; fields are numbered as in the schema.

    Args:
        buffer: where it lies.
        at: its position.
        slots: the offset of each field in the table, 0 = the field is absent.
        inline: the table's size in bytes.
    """

    def __init__(self, buffer: Flatbuffer, at: int, slots: tuple[int, ...], inline: int) -> None:
        self.buffer, self.at, self.slots, self.inline = buffer, at, slots, inline

    def _position(self, field: int, size: int) -> int:
        slot = self.slots[field] if field < len(self.slots) else 0
        if slot and slot + size > self.inline:
            raise FlatbufferError("a table's field lies outside of the table")
        return self.at + slot if slot else 0

    def number(self, field: int, form: str, default: int = 0) -> int:
        """Return a field that is a number.

        Args:
            field: its number in the schema.
            form: as in `struct`.
            default: the value of a field that is absent.
        """
        at = self._position(field, struct.calcsize(form))
        return self.buffer.number(form, at) if at else default

    def table(self, field: int) -> Table | None:
        """Return a field that is a table, None where it is absent.

        Args:
            field: its number in the schema.
        """
        at = self._position(field, 4)
        return self.buffer.table(self.buffer.reference(at)) if at else None

    def tables(self, field: int, limit: int) -> Iterator[Table]:
        """Yield the entries of a field that is a list of tables.

        Args:
            field: its number in the schema.
            limit: how many there may be.
        """
        at = self._position(field, 4)
        if at:
            start, count = self.buffer.vector(self.buffer.reference(at), 4)
            if count > limit:
                raise FlatbufferError(f"a list has {count} entries, more than {limit}")
            for index in range(count):
                yield self.buffer.table(self.buffer.reference(start + 4 * index))

    def numbers(self, field: int, dtype: str) -> np.ndarray | None:
        """Return a field that is a list of numbers, without copying it; None where it is absent.

        Args:
            field: its number in the schema.
            dtype: of the numbers.
        """
        at = self._position(field, 4)
        if not at:
            return None
        start, count = self.buffer.vector(self.buffer.reference(at), np.dtype(dtype).itemsize)
        return np.frombuffer(self.buffer.content, dtype, count, start)

    def place(self, field: int) -> tuple[int, int]:
        """Return where a field that is a list of four-byte numbers lies: the position of the first, and how many there are.

        Args:
            field: its number in the schema.
        """
        at = self._position(field, 4)
        return self.buffer.vector(self.buffer.reference(at), 4) if at else (0, 0)

    def text(self, field: int, limit: int = 0) -> bytes:
        """Return a field that is a text, b"" where it is absent.

        Args:
            field: its number in the schema.
            limit: its longest length; 0 = any, and the text is checked without being returned.
        """
        at = self._position(field, 4)
        if not at:
            return b""
        start, count = self.buffer.vector(self.buffer.reference(at), 1)
        end = start + count
        if end >= len(self.buffer.content) or self.buffer.content[end] != 0:
            raise FlatbufferError("a text has no end")
        if limit and count > limit:
            raise FlatbufferError("a name is too long")
        return bytes(self.buffer.content[start:end]) if limit else b""

    def has_only(self, fields: int) -> bool:
        """Return whether no field is present but the first ones.

        Args:
            fields: how many fields the schema has.
        """
        return not any(self.slots[fields:])
