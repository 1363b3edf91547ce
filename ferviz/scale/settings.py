"""What a sharded run computes: everything that decides its numbers, as plain data that every worker checks before its first shard."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property, lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ferviz.attribution.attribution_job import AttributionJob
from ferviz.engines.fallback import FallbackEngine
from ferviz.errors import ModelError, UsageError, check_integer
from ferviz.faces.face import Face
from ferviz.files import PathLike
from ferviz.manifests import to_json
from ferviz.models.load import load_model
from ferviz.paths import exists
from ferviz.scale.predictions import NO_MAPS, PredictedFaces, PredictionJob

Job: TypeAlias = AttributionJob | PredictionJob
"""What explains faces."""

SCHEMA = 1
"""The version of the tables that shards write."""


@dataclass(frozen=True)
class ScaleSettings:
    """How every face of a sharded run is explained.

    Attributes:
        model: the network's file, None = the bundled one.
        labels, scaling, weights, input, architecture, engine, trust: as of `ferviz.load_model`.
        method: as of `ferviz.explain`; None = Grad-CAM, or as "auto" where the network has no gradients.
        target, layer, batch_size, seed, test: as of `ferviz.explain`.
        settings: of the method; the method "none" predicts only.
        detector: "none" where each picture is a face crop; else as of `ferviz.find_faces`, and a picture may have several faces.
        search: further arguments of `ferviz.find_faces`.
        facts: what these came to where the plan was made: the network's SHA-256, the method that "auto" chose, ... Workers compare.
    """

    model: str | None = None
    labels: str | Sequence[str] | None = None
    scaling: str | None = None
    weights: str | None = None
    input: str | Sequence[int | None] | None = None
    architecture: str | None = None
    engine: str = "auto"
    trust: bool = False
    method: str | None = None
    target: Any = "predicted"
    layer: str | Sequence[str] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = 64
    seed: int = 0
    test: bool = False
    detector: str = "none"
    search: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def prepare(cls, model: PathLike | None = None, **arguments: Any) -> ScaleSettings:
        """Return the settings of a run, checked by loading the network and explaining a picture of noise.

        Args:
            model: the network's file or a bundled name, None = the bundled one; a network in memory cannot go to other processes.
            **arguments: as the attributes are called.

        Raises:
            UsageError: an argument that makes no sense.
            ModelError: the network cannot be read, or its engine cannot do what the method needs.
        """
        known = {part.name for part in fields(cls)} - {"facts"}
        unknown = sorted(set(arguments) - known)
        if unknown:
            raise UsageError(f"a sharded run has no setting {unknown[0]!r}; it has {', '.join(sorted(known))}")
        if model is not None and not isinstance(model, str | os.PathLike):
            raise UsageError(
                "a sharded run loads its network in each process; name a file instead of a network in memory"
            )
        path = None if model is None else _absolute(os.fspath(model))
        for name in ("weights", "architecture"):
            if isinstance(arguments.get(name), str | os.PathLike):
                arguments[name] = _absolute(os.fspath(arguments[name]))
        asked = cls(model=path, **arguments)
        check_integer("batch_size", asked.batch_size, 1)
        job = asked._open()
        return replace(asked, method=asked.method or job.name, facts=_facts(asked, job))

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> ScaleSettings:
        """Return the settings behind `to_dict`.

        Args:
            record: plain data.

        Raises:
            TypeError: it is no such record.
        """
        return cls(**record)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        return {name: value for name, value in json.loads(to_json(asdict(self))).items() if value is not None}

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the settings and the facts: two runs with one fingerprint give the same numbers for a picture."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def differences(self, other: ScaleSettings) -> list[str]:
        """Return the names of what two runs' settings and facts differ in.

        Args:
            other: the other run's.
        """
        mine, theirs = self.to_dict(), other.to_dict()
        names = [name for name in mine | theirs if name != "facts" and mine.get(name) != theirs.get(name)]
        facts = mine["facts"] | theirs["facts"]
        return names + [name for name in facts if mine["facts"].get(name) != theirs["facts"].get(name)]

    def open(self) -> Job:
        """Load the network and return the job, once in a process; it must come to the same facts as where the plan was made.

        Raises:
            ModelError: it does not: another network, other versions, another engine.
        """
        return _opened(self)

    def _open(self) -> Job:
        model = load_model(
            self.model,
            labels=self.labels,
            scaling=self.scaling,
            weights=self.weights,
            input=self.input,
            architecture=self.architecture,
            engine=self.engine,
            trust=self.trust,
        )
        method = self.facts.get("method", self.method)  # "auto" was decided once
        if method == NO_MAPS:
            _check_alone(self)
            return PredictionJob(model, self.batch_size)
        layer = self.facts.get("layers", self.layer) or None
        job = AttributionJob.prepare(
            model, method, self.target, layer, self.settings, self.batch_size, self.seed, self.test
        )
        return job.with_templates()


def _absolute(address: str) -> str:
    """-> a file, or FILE.py:NAME, with the folder it is in; anything else as it is."""
    file, colon, name = address.rpartition(":")
    if colon and file.endswith(".py"):
        return f"{_absolute(file)}:{name}"
    return os.fspath(Path(address).absolute()) if exists(address) else address


def _check_alone(settings: ScaleSettings) -> None:
    """Raise UsageError where a run without maps is asked for something about maps."""
    asked = {"layer": settings.layer, "settings": settings.settings, "test": settings.test}
    given = [name for name, value in asked.items() if value]
    if given:
        raise UsageError(
            f"the method {NO_MAPS!r} makes no heatmaps, so {given[0]} means nothing; leave it out, or name a method"
        )


@lru_cache(maxsize=1)
def _opened(settings: ScaleSettings) -> Job:
    job = settings._open()
    here, planned = _facts(settings, job), settings.facts
    differ = [name for name in planned if here.get(name) != planned[name]]
    if differ:
        name = differ[0]
        raise ModelError(
            f"{name} is {here.get(name)!s:.80} here and was {planned[name]!s:.80} where the plan was made; "
            "install the same versions and name the same file (a compiled network, .ferviz, is the same everywhere), or make a new plan"
        )
    return job


def _facts(settings: ScaleSettings, job: Job) -> dict[str, Any]:
    """-> what decides the numbers, as it is in this process."""
    model = job.model
    noise = np.random.default_rng(0).integers(0, 256, (*model.input.size, 3), dtype=np.uint8)
    engine = model.engine.compiled.name if isinstance(model.engine, FallbackEngine) else model.engine.name
    explanation = job([Face(noise)])
    facts = {
        "schema_version": SCHEMA,
        "ferviz": metadata.version("ferviz"),
        "model_sha256": model.sha256,
        "labels": list(model.labels),
        "engine": engine,
        "method": job.name,
        "targets": [target.name for target in job.targets],
        "layers": list(job.layers),
        "settings": dict(job.settings),
        "map_size": [0, 0] if isinstance(explanation, PredictedFaces) else list(explanation.raw.shape[2:]),
        "input_size": list(model.input.size),
    }
    return dict(json.loads(to_json(facts)))
