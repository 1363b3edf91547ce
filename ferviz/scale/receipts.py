"""The receipt of a shard: proof that its table is complete, and what it holds."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ferviz.manifests import to_json

Status = Literal["done", "failed", "spent", "stopped"]


@dataclass(frozen=True)
class Counts:
    """What became of a shard's pictures; every picture is one of the three.

    Attributes:
        input: pictures.
        explained: with at least one face that was explained.
        unreadable: that cannot be read, or show no face; the table says why.
        failed: for whose faces there is no answer, such as NaN; the table says why.
    """

    input: int = 0
    explained: int = 0
    unreadable: int = 0
    failed: int = 0

    def __post_init__(self) -> None:
        parts = self.explained + self.unreadable + self.failed
        if self.input != parts:
            raise AssertionError(f"{self.input} pictures went in and {parts} came out; this is an error of ferviz")

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(a + b for a, b in zip(self.values, other.values, strict=True)))

    @property
    def values(self) -> tuple[int, int, int, int]:
        """The four numbers, in the order of the attributes."""
        return self.input, self.explained, self.unreadable, self.failed


@dataclass(frozen=True)
class Receipt:
    """How one attempt at a shard ended.

    Attributes:
        shard: the shard's number.
        status: "done"; "failed", to be tried again (`reason`); "spent", as often as it may; "stopped", the run cannot go on (`reason`).
        input, explained, unreadable, failed: as of `Counts`.
        rows: of the table.
        excluded: numbers of pictures that were not explained because they end the process.
        output: the table, relative to the run's folder.
        size: bytes of the table.
        sha256: of the table.
        fingerprint: of the run.
        seconds: that it took.
        host, process: who did it.
        reason: why it failed, "" otherwise.
    """

    shard: int
    status: Status = "done"
    input: int = 0
    explained: int = 0
    unreadable: int = 0
    failed: int = 0
    rows: int = 0
    excluded: tuple[int, ...] = ()
    output: str = ""
    size: int = 0
    sha256: str = ""
    fingerprint: str = ""
    seconds: float = 0.0
    host: str = ""
    process: int = 0
    reason: str = ""

    @property
    def counts(self) -> Counts:
        """What became of the pictures."""
        return Counts(self.input, self.explained, self.unreadable, self.failed)

    def to_dict(self) -> dict[str, Any]:
        """Return the receipt as plain data."""
        return asdict(self)

    def to_json(self) -> str:
        """Return the receipt as one line of JSON."""
        return to_json(self.to_dict())

    @classmethod
    def from_json(cls, text: str | bytes) -> Receipt:
        """Return the receipt of a text.

        Args:
            text: what `to_json` returned.

        Raises:
            ValueError, TypeError: it is no receipt.
        """
        record = json.loads(text)
        if not isinstance(record, dict):
            raise TypeError("a receipt is a JSON object")
        return cls(**{**record, "excluded": tuple(record.get("excluded", ()))})
