"""Mutations of pickles: operations in other orders, other names to import, other numbers; and of PyTorch's files that are made of them."""

from __future__ import annotations

import pickletools
from collections.abc import Sequence
from random import Random

from fuzz.mutate.archives import zip_mutator
from fuzz.mutate.documents import mutate_json
from fuzz.mutate.raw import INTEGERS, mutate_bytes

NAMES = (
    b"os\nsystem", b"posix\nsystem", b"builtins\neval", b"builtins\nexec", b"builtins\ngetattr", b"builtins\nbytearray", b"builtins\nset",
    b"builtins\nslice", b"subprocess\nPopen", b"torch\nload", b"torch\nSize", b"torch\ndevice", b"torch\nfloat32", b"torch\nFloatStorage",
    b"torch\nQInt8Storage", b"torch.storage\nUntypedStorage", b"torch.storage\n_load_from_bytes", b"torch._utils\n_rebuild_tensor_v2",
    b"torch._utils\n_rebuild_parameter", b"torch._utils\n_rebuild_parameter_with_state", b"torch._utils\n_rebuild_sparse_tensor",
    b"torch._utils\n_rebuild_qtensor", b"torch._utils\n_rebuild_meta_tensor_no_storage", b"collections\nOrderedDict", b"a b\n\xc3\xa9",
)  # fmt: skip
"""Modules and names that a pickle asks for."""

PROGRAMS = (
    b"cos\nsystem\n(S'touch was_here'\ntR.", b"cposix\nmkdir\n(S'was_here'\ntR.", b"cbuiltins\nbytearray\n(J\xff\xff\xff\x7ftR.",
    b"cbuiltins\neval\n(S'open(\"was_here\", \"w\")'\ntR.", b"(" * 5000 + b".", b"]" + b"]a" * 3000 + b".",
    b"}" + b"(" + b"}" * 500 + b"u.",
    b".", b"N.", b"(lp0\n.", b"\x80\x05.",
)  # fmt: skip
"""Pickles of their own."""


def mutate_pickle(data: bytes, rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Change a few operations of a pickle, or of several that follow one another.

    Args:
        data: the pickles, and what lies behind them.
        rng: draws the changes.
        seeds: other pickles, of which operations are taken.
    """
    draw = rng.random()
    if draw < 0.1:
        return mutate_bytes(data, rng, seeds)
    if draw < 0.16:
        return rng.choice(PROGRAMS)
    parts, rest = operations(data)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        if parts:
            _change(parts, rng, seeds)
    return b"".join(parts) + rest


def operations(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the operations of the pickles that a file begins with, and what lies behind them.

    Args:
        data: the file.
    """
    starts, at = [], 0
    try:
        while data[at : at + 1] == b"\x80":
            for _, _, place in pickletools.genops(data[at:]):
                starts.append(at + (place or 0))
            at = starts[-1] + 1
    except Exception:  # a pickle that was changed before
        at = starts[-1] if starts else 0
        starts = starts[:-1]
    ends = [*starts[1:], at] if starts else []
    return [data[a:b] for a, b in zip(starts, ends, strict=True)], data[at:]


def _change(parts: list[bytes], rng: Random, seeds: Sequence[bytes]) -> None:
    place = rng.randrange(len(parts))
    kind = rng.randrange(7)
    if kind == 0:
        del parts[place]
    elif kind == 1:
        parts.insert(place, parts[rng.randrange(len(parts))])
    elif kind == 2:
        other = rng.randrange(len(parts))
        parts[place], parts[other] = parts[other], parts[place]
    elif kind == 3:
        names = [n for n, part in enumerate(parts) if part[:1] == b"c"]
        parts[rng.choice(names) if names else place] = b"c" + rng.choice(NAMES) + b"\n"
    elif kind == 4:
        numbers = [n for n, part in enumerate(parts) if part[:1] in (b"K", b"M", b"J", b"\x8a", b"I")]
        value = rng.choice((*INTEGERS, -1, -2, -(2**31), 10**30))
        parts[rng.choice(numbers) if numbers else place] = b"I%d\n" % value
    elif kind == 5:
        texts = [n for n, part in enumerate(parts) if part[:1] in (b"X", b"\x8c", b"U")]
        word = rng.choice((b"", b"a\nb", b"..", b"cuda:0", b"meta", b"0", b"\xe2\x80\xae" * 40, b"x" * 70000))
        parts[rng.choice(texts) if texts else place] = b"X" + len(word).to_bytes(4, "little") + word
    else:
        foreign, _ = operations(rng.choice(seeds)) if seeds else ([], b"")
        parts[place:place] = foreign[: rng.randrange(1, 12)] or [b"N"]


_in_archive = zip_mutator(lambda name: mutate_pickle if name.endswith(".pkl") else mutate_bytes)


def mutate_torch(data: bytes, rng: Random, seeds: Sequence[bytes]) -> bytes:
    """Change a file of PyTorch: an archive, pickles in a row with numbers behind them, or safetensors.

    Args:
        data: the file.
        rng: draws the changes.
        seeds: other files.
    """
    if data.startswith(b"PK"):
        return _in_archive(data, rng, seeds)
    if data.startswith(b"\x80"):
        return mutate_pickle(data, rng, seeds)
    if rng.random() < 0.4:
        return mutate_bytes(data, rng, seeds)
    size = int.from_bytes(data[:8], "little")
    header = mutate_json(data[8 : 8 + size], rng, ())
    return len(header).to_bytes(8, "little") + header + data[8 + size :]
