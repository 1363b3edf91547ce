"""A group of commands that imports a command only when it is called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from ferviz.errors import FervizError, UnknownNameError


def is_of_printing(error: BaseException) -> bool:
    """Return whether an error was raised where a command prints, and not by its work.

    Args:
        error: the error.
    """
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_code is click.echo.__code__


class LazyGroup(click.Group):
    """Lists its commands without importing them.

    Args:
        *arguments: as of `click.Group`.
        summaries: {command: the line that `--help` shows}.
        package: the package whose modules hold the commands, each as `command`.
        homes: {command: module below the package} where the module is not called like the command.
        **attributes: as of `click.Group`.
    """

    def __init__(
        self,
        *arguments: Any,
        summaries: Mapping[str, str],
        package: str,
        homes: Mapping[str, str] | None = None,
        **attributes: Any,
    ) -> None:
        super().__init__(*arguments, **attributes)
        self.summaries, self.package, self.homes = summaries, package, homes or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands.

        Args:
            ctx: the group's context.
        """
        return list(self.summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, None where there is none of the name.

        Args:
            ctx: the group's context.
            cmd_name: its name.
        """
        if cmd_name not in self.summaries:
            return None
        module = importlib.import_module(f"{self.package}.{self.homes.get(cmd_name, cmd_name)}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that the words name.

        Args:
            ctx: the group's context.

        Raises:
            FervizError: a connection or a process that the command works with went away. Click would take that for a reader of
                standard output that has seen enough, and end well.
        """
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            if is_of_printing(error):
                raise
            raise FervizError(f"a connection broke off ({error.strerror or error}); try again") from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the name, the command and its arguments.

        Args:
            ctx: the group's context.
            args: the words behind the group's name.

        Raises:
            UnknownNameError: there is no such command.
        """
        if args and args[0] not in self.summaries and not args[0].startswith("-"):
            raise UnknownNameError("command", args[0], self.summaries)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands.

        Args:
            ctx: the group's context.
            formatter: takes the text.
        """
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))
