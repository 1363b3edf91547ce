"""Every command with its context and its options by section, for the command reference and llms.txt."""

from __future__ import annotations

from collections.abc import Iterator

import click

from ferviz.cli import group


def commands() -> Iterator[tuple[str, click.Context, click.Command]]:
    """Yield (full name, its context, command) of every command, those inside groups behind their group."""
    yield from _below(group.make_context("ferviz", [], resilient_parsing=True), group)


def _below(context: click.Context, parent: click.Group) -> Iterator[tuple[str, click.Context, click.Command]]:
    for name in parent.list_commands(context):
        command = parent.get_command(context, name)
        if command is None or command.hidden:
            continue
        own = click.Context(command, info_name=name, parent=context)
        yield own.command_path, own, command
        if isinstance(command, click.Group):
            yield from _below(own, command)


def sections_of(command: click.Command) -> dict[str, list[click.Parameter]]:
    """Return {heading: parameters}, arguments first, options by the section that `--help` prints them in."""
    parts: dict[str, list[click.Parameter]] = {}
    for option in command.params:
        if getattr(option, "hidden", False):
            continue
        title = "Arguments" if isinstance(option, click.Argument) else getattr(option, "section", None) or "Options"
        parts.setdefault(str(title), []).append(option)
    order = ("Arguments", "Options")
    return dict(sorted(parts.items(), key=lambda pair: order.index(pair[0]) if pair[0] in order else len(order)))
