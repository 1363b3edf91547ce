"""Explaining millions of faces: a source is cut into shards, and an existing engine lets many processes explain them.

    plan = ferviz.scale.plan("faces/", "run", model="my.ferviz")
    ferviz.scale.run(plan, workers=8)                     # again after any interruption
    ferviz.scale.merge(plan, "faces.parquet")

The names are loaded at first use; pyarrow (`pip install 'ferviz[scale]'`) is needed for all of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ferviz.scale.descriptors import Descriptor
    from ferviz.scale.executors.registry import EXECUTORS
    from ferviz.scale.explain_batches import Explain
    from ferviz.scale.explained.explained_data import read_explained
    from ferviz.scale.face_table import read_maps
    from ferviz.scale.merged_file import merge
    from ferviz.scale.planner import Plan, load_plan, plan
    from ferviz.scale.receipts import Receipt
    from ferviz.scale.run_status import RunStatus, status
    from ferviz.scale.runner import retry, run
    from ferviz.scale.settings import ScaleSettings
    from ferviz.scale.shard_job import explain_shard
    from ferviz.scale.sources.registry import SOURCES

_ADDRESSES = {
    "descriptors": "Descriptor",
    "executors.registry": "EXECUTORS",
    "explained.explained_data": "read_explained",
    "explain_batches": "Explain",
    "face_table": "read_maps",
    "merged_file": "merge",
    "planner": "Plan load_plan plan",
    "receipts": "Receipt",
    "run_status": "RunStatus status",
    "runner": "retry run",
    "settings": "ScaleSettings",
    "shard_job": "explain_shard",
    "sources.registry": "SOURCES",
}
_HOME = {name: module for module, names in _ADDRESSES.items() for name in names.split()}

__all__ = [
    "EXECUTORS",
    "SOURCES",
    "Descriptor",
    "Explain",
    "Plan",
    "Receipt",
    "RunStatus",
    "ScaleSettings",
    "explain_shard",
    "load_plan",
    "merge",
    "plan",
    "read_explained",
    "read_maps",
    "retry",
    "run",
    "status",
]

if not TYPE_CHECKING:  # a type checker shall miss a misspelt name

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'ferviz.scale' has no attribute {name!r}")
        value = getattr(importlib.import_module(f"ferviz.scale.{_HOME[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return list(__all__)
