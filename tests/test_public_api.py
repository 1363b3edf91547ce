"""The public names are closed: types, functions and commands go together, and one thing has one word everywhere."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest

import ferviz
from ferviz.cli import COMMANDS, group

FUNCTIONS = [name for name in ferviz.__all__ if inspect.isfunction(getattr(ferviz, name))]

COMMAND_FUNCTIONS: dict[str, list[str]] = {
    "gradcam": ["explain", "Explanation.picture"],
    "explain": ["explain", "Explanation.picture"],
    "compare": ["compare_explanations", "ExplanationComparison.picture"],
    "activations": ["activations", "Activations.picture"],
    "dream": ["dream", "DreamConfig", "Octaves", "Dream.picture"],
    "predict": ["find_faces", "Model.predict"],
    "video predict": ["analyze_video", "AnalysisOptions", "VideoSummary.plot", "explain"],
    "video gradcam": ["analyze_video", "AnalysisOptions", "VideoSummary.plot", "explain"],
    "video explain": ["analyze_video", "AnalysisOptions", "VideoSummary.plot", "explain"],
    "dataset explain": ["explain_dataset", "AttributionJob.prepare", "read_data", "explain"],
    "dataset gradcam": ["explain_dataset", "AttributionJob.prepare", "read_data", "explain"],
    "scale plan": ["scale.plan", "scale.ScaleSettings"],
    "scale run": ["scale.run"],
    "scale status": ["scale.status"],
    "scale retry": ["scale.retry"],
    "scale merge": ["scale.merge"],
    "detectors": ["detectors"],
    "compile": ["compile_model"],
    "layers": ["load_model", "filters", "diagram", "Filters.picture"],
    "data": ["describe_data", "read_data"],
    "teach": ["teach", "TeachConfig"],
    "train": ["train", "TrainConfig", "Augmentation", "read_data"],
    "evaluate": ["evaluate", "compare_models", "read_data", "Evaluation.plot"],
    "study": ["study", "read_data", "load_model"],
    "report": ["report", "read_record", "read_data"],
    "trust": ["trust_report", "TrustReport.picture", "read_data"],
    "audit": ["audit", "read_data"],
    "check": ["check", "read_data"],
}
"""Command -> the public functions and types behind it, the function itself first."""

NO_FUNCTION = {
    "video live": "serves a page",
    "studio": "serves a page",
    "live": "as video live",
    "detectors get": "downloads a file",
}
"""Command -> why it has no public function."""

NO_COMMAND = {
    "load_model": "--model of every command",
    "find_faces": "--detector of every command",
    "read_image": "every command reads pictures",
    "read_data": "every command over data reads it",
    "readers": "the names for --reader",
    "label_scheme": "--labels",
    "label_schemes": "the names for --labels",
    "methods": "ferviz explain --methods",
    "architectures": "the names for --architecture",
    "canvas": "ferviz studio",
}
"""Public function -> what stands for it on the command line."""

REPORTING = {"bare", "bare-heatmap", "json", "jsonl", "csv", "quiet", "help", "out", "force", "methods", "all"}
"""Options about where a command writes and what it prints."""

OTHER_WORDS = {
    "no-cache": "cache",
    "set": "options",
    "option": "settings",
    "against": "models",
    "scheme": "labels",
    "compare": "second",
    "no-faces": "show_faces",
    "animate": "frames",
    "heatmap": "method",
}
"""Option -> the parameter's name where it cannot be the same."""

OF_COMMAND = {
    "explain": {"side"},  # of bare pictures
    "gradcam": {"side"},
    "predict": {"crops"},  # one file for each face
    "video predict": {"timeline"},  # the summary, saved
    "video explain": {"timeline"},
    "video gradcam": {"timeline"},
    "layers": {"filters", "diagram", "side"},  # which of two pictures, and of bare ones
    "check": {"write", "labels", "scaling", "weights", "trust"},
    "study": {
        "faces",
        "by",
        "method",
        "fill",
        "cells",
        "against",
        "layer",
        "dreams",
        "steps",
        "resume",
        "studies",
    },  # **options
    "trust": {"calibrate", "write"},  # what is measured, and where it is kept
    "dream": {
        "target",
        "layer",
        "channel",
        "count",
        "judge",
        "animate",
        "detector",
        "detector-model",
        "reader",
        "skip-bad",
    },
    "train": {"split"},
    "evaluate": {"compare"},
}
"""Options that a command makes something else of than an argument: objectives from --target and --layer, for instance."""


def named(name: str) -> Any:
    """A public name, or an attribute of one: "Dream.picture"."""
    thing: Any = ferviz
    for part in name.split("."):
        thing = getattr(thing, part)
    return thing


def commands() -> Iterator[tuple[str, click.Command]]:
    """(name, command) of every command, those in groups with the group's name before theirs."""
    root = group.make_context("ferviz", [], resilient_parsing=True)
    for name in COMMANDS:
        command = group.get_command(root, name)
        assert command is not None
        if not isinstance(command, click.Group):
            yield name, command
            continue
        if command.invoke_without_command:
            yield name, command
        context = click.Context(command, info_name=name, parent=root)
        for part in command.list_commands(context):
            inner = command.get_command(context, part)
            assert inner is not None
            yield f"{name} {part}", inner


def imported_names(module: ModuleType) -> dict[str, tuple[str, str]]:
    """{name: (module, name there)} of every import, those for type checkers too."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module)
    return {a.asname or a.name: (str(node.module), a.name) for node in imports for a in node.names}


def classes_in(annotation: str, module: ModuleType) -> Iterator[type]:
    """The classes of ferviz that an annotation mentions."""
    imports = imported_names(module)
    for node in ast.walk(ast.parse(annotation)):
        if not isinstance(node, ast.Name):
            continue
        home, name = imports.get(node.id, (module.__name__, node.id))
        if home.startswith("ferviz"):
            thing = getattr(importlib.import_module(home), name, None)
            if inspect.isclass(thing) and thing.__module__.startswith("ferviz"):
                yield thing


@pytest.mark.parametrize("name", ferviz.__all__)
def test_a_public_name_leads_somewhere_and_is_documented(name):
    thing = getattr(ferviz, name)
    assert inspect.getdoc(thing)
    assert name in dir(ferviz)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_types_of_a_public_function_are_public(name):
    function = getattr(ferviz, name)
    public = [getattr(ferviz, other) for other in ferviz.__all__]
    mentioned = {
        kind
        for annotation in function.__annotations__.values()
        for kind in classes_in(annotation, sys.modules[function.__module__])
    }
    assert not {kind.__name__ for kind in mentioned if not any(kind is other for other in public)}


def test_a_command_has_a_function_and_a_function_a_command():
    names = {name for name, _ in commands()}
    assert names == set(COMMAND_FUNCTIONS) | set(NO_FUNCTION)
    behind = {function for functions in COMMAND_FUNCTIONS.values() for function in functions}
    assert {name for name in FUNCTIONS if name not in behind} <= set(NO_COMMAND)
    assert set(NO_COMMAND) <= set(FUNCTIONS)


def parameters(thing: Callable[..., Any]) -> set[str]:
    if is_dataclass(thing):
        return {part.name for part in fields(thing)}
    return set(inspect.signature(thing).parameters)


@pytest.mark.parametrize("name", COMMAND_FUNCTIONS)
def test_an_option_is_called_like_the_parameter(name):
    command = dict(commands())[name]
    behind = [named(function) for function in COMMAND_FUNCTIONS[name]]
    words = {word for thing in [*behind, ferviz.load_model, ferviz.find_faces] for word in parameters(thing)}
    words |= {"model", "seed"}
    free = REPORTING | OF_COMMAND.get(name, set())
    unlike = set()
    for option in command.params:
        flag = max(option.opts, key=len).lstrip("-")
        if not isinstance(option, click.Option) or flag in free:
            continue
        word = OTHER_WORDS.get(flag, flag).replace("-", "_")
        # What can be given several times is named in the singular.
        if word not in words and not (option.multiple and f"{word}s" in words):
            unlike.add(flag)
    assert not unlike
