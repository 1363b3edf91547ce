"""One Registry for everything that has a name: attribution methods, detectors, architectures, readers, engines, writers.

An entry is any object (mostly a function) with a name and a one-line summary. Entries may be given as "module:attribute",
which is imported at first use, so that listing names costs nothing. Other packages add entries through the entry-point group
`ferviz.<kind>s` (for example `ferviz.methods`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from ferviz.errors import UnknownNameError

T = TypeVar("T")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One entry of a registry.

    Attributes:
        name: the name that it is found under.
        summary: one line about it.
        target: the object, or the "module:attribute" that it is imported from.
    """

    name: str
    summary: str
    target: T | str

    def load(self) -> T:
        """Return the object; one that was registered as "module:attribute" is imported."""
        if isinstance(self.target, str):
            module, _, attribute = self.target.partition(":")
            loaded: T = getattr(importlib.import_module(module), attribute)
            return loaded
        return self.target


class Registry(Generic[T]):
    """Objects by name, in the order of registration; an unknown name is answered with the nearest known one.

    Args:
        kind: the word for an entry in messages, e.g. "method".
        group: the entry-point group through which other packages add entries, e.g. "ferviz.methods"; "" = none.
    """

    def __init__(self, kind: str, group: str = "") -> None:
        self.kind, self.group = kind, group
        self._entries: dict[str, Entry[T]] = {}
        self._plugins_read = not group

    def register(self, name: str, summary: str) -> Callable[[T], T]:
        """Return a decorator that registers what it decorates and returns it unchanged.

        Args:
            name: the name to register it under.
            summary: one line about it.
        """

        def add(target: T) -> T:
            self.add(name, summary, target)
            return target

        return add

    def add(self, name: str, summary: str, target: T | str) -> None:
        """Register an object.

        Args:
            name: the name to register it under.
            summary: one line about it.
            target: the object, or the "module:attribute" that it is imported from at first use.

        Raises:
            ValueError: another object is registered under this name.
        """
        if name in self._entries and self._entries[name].target is not target:
            raise ValueError(f"{self.kind} {name!r} is registered already")
        # A new dictionary: another thread may be going through the old one.
        self._entries = {**self._entries, name: Entry(name, summary, target)}

    def __getitem__(self, name: str) -> T:
        """Return the object registered under `name`. Raises UnknownNameError with the nearest name."""
        return self.entry(name).load()

    def entry(self, name: str) -> Entry[T]:
        """Return an entry without importing its object.

        Args:
            name: the name that it is registered under.

        Raises:
            UnknownNameError: there is no such entry; the message suggests the nearest name.
        """
        self._read_plugins()
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, self._entries)
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        self._read_plugins()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._read_plugins()
        return iter(self._entries)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def summaries(self) -> dict[str, str]:
        """Return {name: summary} of every entry, in order."""
        return {name: self._entries[name].summary for name in self}

    def _read_plugins(self) -> None:
        if self._plugins_read:
            return
        entries = {}
        for point in entry_points(group=self.group):
            if point.name not in self._entries:
                summary = f"from {point.dist.name}" if point.dist else "from another package"
                entries[point.name] = Entry[T](point.name, summary, point.value)
        # All at once, and only then are they said to be read: another thread sees the whole list too.
        self._entries = {**self._entries, **{n: e for n, e in entries.items() if n not in self._entries}}
        self._plugins_read = True


def split_names(given: str | Iterable[str], known: Collection[str] = ()) -> list[str]:
    """Return the names in a text with commas between, or in several such texts.

    Args:
        given: "a,b", or ["a", "b"], or ["a,b", "c"].
        known: names that exist. Those with commas of their own are not taken apart.

    Returns:
        The names in the order given, without the blanks around them.
    """
    longest = 1 + max((name.count(",") for name in known), default=0)
    names = []
    for text in [given] if isinstance(given, str) else given:
        pieces = text.split(",")
        while pieces:
            count = next((n for n in range(longest, 1, -1) if ",".join(pieces[:n]).strip() in known), 1)
            names.append(",".join(pieces[:count]).strip())
            pieces = pieces[count:]
    return names
