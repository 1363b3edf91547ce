"""Mutations of JSON: another type, another length, another nesting, keys that come and go, subtrees of other files."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from random import Random
from typing import Any

from fuzz.mutate.raw import mutate_bytes

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 7, 255, 4097, 2**31, -(2**31), 2**63, 2**64, 10**30, 10**309, 0.5, -0.0, 1e-320, 1e308,
    float("nan"), float("inf"), float("-inf"), "", " ", "\0", "a", "0", "1e5", "None", "nan", "\ud800", "\x1b[2J", "%s%n", "{}", "../../x",
    "/etc/passwd", "C:\\x", "é" * 300, "A" * 5000, [], {}, [[]], [None], [0], [True], {"a": 1}, {"": None}, [1, 2, 3], [None, 0, 0, 1],
    "float32", "uint8", "same", "Lambda", "Dense", "keras.layers", "__class__", "os", "softmax", {"class_name": "Dense", "config": {}},
    {"class_name": "__tensor__", "config": {"value": [1], "dtype": "float32"}}, {"class_name": "__numpy__", "config": {"value": [1],
    "dtype": "O"}},
    {"class_name": "__bytes__", "config": {"value": "x"}}, {"class_name": "slice", "config": {}}, ["a", 0, 0], [["a", 0, 0, {}]],
)  # fmt: skip
"""What stands where something else should."""


def mutate_json(data: bytes, rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Change a few places of a JSON document; a tenth of the cases are changed as bytes.

    Args:
        data: the seed.
        rng: draws the changes.
        seeds: other documents, of which subtrees are taken.
    """
    if rng.random() < 0.1:
        return mutate_bytes(data, rng, seeds)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return mutate_bytes(data, rng, seeds)
    try:
        changed = mutate_document(document, rng, seeds)
        return json.dumps(changed).encode("utf-8")
    except (RecursionError, ValueError):
        return b'{"config": ' * 50_000 + b"1" + b"}" * 50_000


def mutate_document(document: Any, rng: Random, seeds: Sequence[bytes] = ()) -> Any:
    """Change a few places of a parsed document.

    Args:
        document: what `json.loads` returned; it is not changed.
        rng: draws the changes.
        seeds: other documents as bytes.

    Returns:
        The changed document, which `json.dumps` can write.
    """
    root = {"": copy.deepcopy(document)}
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        places = _places(root)
        if not places:
            break
        parent, key = rng.choice(places)
        rng.choice(_CHANGES)(parent, key, rng, places, seeds)
    return root.get("")


def _places(root: Any) -> list[tuple[Any, Any]]:
    """-> (container, key or index) of every value; a long list of alike things counts like a short one."""
    places: list[tuple[Any, Any]] = []
    waiting = [root]
    while waiting and len(places) < 20_000:
        node = waiting.pop()
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if len(keys) > 40 and not isinstance(node, dict):
            keys = keys[:20] + keys[-20:]
        for key in keys:
            places.append((node, key))
            if isinstance(node[key], dict | list):
                waiting.append(node[key])
    return places


def _value(parent: Any, key: Any, rng: Random, *_: Any) -> None:
    parent[key] = copy.deepcopy(rng.choice(VALUES))


def _delete(parent: Any, key: Any, rng: Random, *_: Any) -> None:
    if key != "":
        del parent[key]


def _swap(parent: Any, key: Any, rng: Random, places: list[tuple[Any, Any]], _: Any) -> None:
    other, place = rng.choice(places)
    parent[key] = copy.deepcopy(other[place])


def _wrap(parent: Any, key: Any, rng: Random, *_: Any) -> None:
    for _ in range(rng.choice((1, 1, 2, 70, 2000))):
        parent[key] = [parent[key]] if rng.random() < 0.7 else {rng.choice(("config", "layers", "a")): parent[key]}


def _unwrap(parent: Any, key: Any, rng: Random, *_: Any) -> None:
    inner = parent[key]
    if isinstance(inner, dict) and inner:
        parent[key] = inner[rng.choice(list(inner))]
    elif isinstance(inner, list) and inner:
        parent[key] = rng.choice(inner)


def _lengthen(parent: Any, key: Any, rng: Random, *_: Any) -> None:
    value = parent[key]
    if isinstance(value, list | str) and len(value) < 2000:
        parent[key] = (
            value * rng.choice((0, 2, 3, 50)) if rng.random() < 0.7 else value[: rng.randrange(len(value) + 1)]
        )
    elif isinstance(value, bool) or value is None:
        parent[key] = [value]
    elif isinstance(value, int | float):
        number = value if abs(value) < 1e300 else 0
        parent[key] = rng.choice(
            (-number, number + 1, number - 1, number * 10, number / 2, str(number), [value], float(number))
        )


def _rename(parent: Any, key: Any, rng: Random, places: list[tuple[Any, Any]], _: Any) -> None:
    if isinstance(parent, dict) and key != "":
        names = [name for _, name in places if isinstance(name, str)]
        parent[rng.choice(names)] = parent.pop(key)


def _add(parent: Any, key: Any, rng: Random, places: list[tuple[Any, Any]], _: Any) -> None:
    other, place = rng.choice(places)
    if isinstance(parent, dict) and key != "":
        parent[str(place)] = copy.deepcopy(other[place])
    elif isinstance(parent, list):
        parent.insert(key, copy.deepcopy(other[place]))


def _graft(parent: Any, key: Any, rng: Random, _: Any, seeds: Sequence[bytes]) -> None:
    try:
        other = {"": json.loads(rng.choice(seeds))} if seeds else {"": None}
    except (ValueError, RecursionError):
        return
    container, place = rng.choice(_places(other))
    parent[key] = copy.deepcopy(container[place])


_CHANGES = (
    _value,
    _value,
    _value,
    _value,
    _delete,
    _swap,
    _swap,
    _wrap,
    _unwrap,
    _lengthen,
    _lengthen,
    _rename,
    _add,
    _graft,
)
