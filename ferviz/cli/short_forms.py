"""Short forms: `ferviz predict clip.mp4` means `ferviz video predict clip.mp4`.

A command over pictures looks at its arguments. If they are a video or a data set, the command for that takes over with its own
options. An option that belongs to another kind of input is an error that names it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from ferviz.cli.sections import SectionedCommand
from ferviz.errors import UsageError
from ferviz.paths import exists, is_folder
from ferviz.video import SUFFIXES

TABLES = (".csv", ".parquet")
"""Suffixes of tables of faces."""

RUN_PLAN = "plan.json"
"""What lies in the folder of a sharded run."""

NOUNS = {"video": "a video", "dataset": "a data set"}


def is_class_folder(path: str) -> bool:
    """Return whether a path is a folder that is a data set: it holds class folders, or splits that do, and nothing else.

    Args:
        path: what was typed.
    """
    folder = Path(path)
    if not path or path.startswith("-") or not is_folder(folder):
        return False
    from ferviz.data.folder_reader import holds_classes  # the emotions' names are known there

    return holds_classes(folder)


class PictureCommand(SectionedCommand):
    """A command over pictures that hands videos and data sets to the commands of the same name for these.

    Args:
        *arguments: as of `click.Command`.
        kinds: "video", "dataset": the groups in which there is a command for that kind of input.
        **attributes: as of `click.Command`.
    """

    def __init__(self, *arguments: Any, kinds: Sequence[str] = (), **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.kinds = tuple(kinds)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Return the context of the command that fits the arguments.

        Args:
            info_name: this command's name.
            args: the words behind it.
            parent: the context of the group.
            **extra: as of `click.Command`.

        Raises:
            click.UsageError: an option does not exist, or not for this kind of input.
            UsageError: there are several videos or data sets, or the folder of a sharded run.
        """
        for word in args:
            if word and not word.startswith("-") and exists(Path(word) / RUN_PLAN):
                raise UsageError(
                    f"{word} is a sharded run, whose tables hold what the network says about each face; read {word}/parts, or "
                    "take it with ferviz scale merge, evaluate, study or report"
                )
        kind = self._kind(args, completing=bool(extra.get("resilient_parsing")))
        try:
            if kind is None:
                return super().make_context(info_name, args, parent=parent, **extra)
            return self.command_for(kind).make_context(f"{kind} {self.name}", args, parent=parent, **extra)
        except click.NoSuchOption as error:
            raise self._explained(error, kind) from None

    def command_for(self, kind: str) -> click.Command:
        """Return the command that takes over, importing it.

        Args:
            kind: one of `kinds`.
        """
        command: click.Command = importlib.import_module(f"ferviz.cli.commands.{kind}.{self.name}").command
        return command

    def _kind(self, args: Sequence[str], completing: bool = False) -> str | None:
        # A look at the words, so that the commands of other kinds are imported for those kinds alone.
        words = tuple(word.lower() for word in args)
        folders = [word for word in args if is_class_folder(word)] if "dataset" in self.kinds else []
        data = bool(folders) or any(word.endswith(TABLES) or word.startswith("--reader") for word in words)
        if not (data and "dataset" in self.kinds) and not any(word.endswith((*SUFFIXES, ".gif")) for word in words):
            return None
        parsed = self._parse(args)
        given = parsed.params["paths"] or ()
        # Options that exist nowhere stand among the paths; the command that takes over reports them.
        behind = args[args.index("--") :] if "--" in args else ()
        paths = [Path(path).suffix.lower() for path in given if not path.startswith("-") or path in behind]
        tables = any(path in TABLES for path in paths) or any(path in folders for path in given)
        if "dataset" in self.kinds and ((parsed.params.get("reader") or "auto") != "auto" or tables):
            kind = "dataset"
        elif "video" in self.kinds and (_has_video(paths) or (".gif" in paths and _wants_video(parsed))):
            kind = "video"
        else:
            return None
        if len(paths) > 1 and len(paths) == len(given) and not completing:
            raise UsageError(
                f"{self.name} takes {NOUNS[kind]} by itself; call ferviz once for each, without other files"
            )
        return kind

    def _parse(self, args: Sequence[str]) -> click.Context:
        """-> a context with the options of every kind, and the positional arguments as "paths"; it raises nothing."""
        known: dict[str | None, click.Parameter] = {}
        for command in (*map(self.command_for, self.kinds), self):
            known |= {p.name: p for p in command.params if isinstance(p, click.Option)}
        every = click.Command("", params=[*known.values(), click.Argument(["paths"], nargs=-1)])
        return every.make_context("", list(args), resilient_parsing=True, ignore_unknown_options=True)

    def _explained(self, error: click.NoSuchOption, kind: str | None) -> click.UsageError:
        """-> an error that names the kind of input for which there is such an option, otherwise the same error."""
        if kind is not None and _has_option(self, error.option_name):
            return click.UsageError(f"{error.option_name} is not used for {NOUNS[kind]}", error.ctx)
        for other in self.kinds:
            if other != kind and _has_option(self.command_for(other), error.option_name):
                where = f"ferviz {other} {self.name}"
                return click.UsageError(f"{error.option_name} is for {NOUNS[other]} ({where})", error.ctx)
        return error


def _has_video(suffixes: Iterable[str]) -> bool:
    return any(suffix in SUFFIXES for suffix in suffixes)


def _wants_video(parsed: click.Context) -> bool:
    """-> whether the options ask for what only videos give; otherwise a GIF is a picture."""
    out = str(parsed.params.get("out"))
    return bool(parsed.params.get("timeline") or parsed.params.get("table") or out.lower().endswith(".mp4"))


def _has_option(command: click.Command, flag: str) -> bool:
    return any(flag in (*p.opts, *p.secondary_opts) for p in command.params)
