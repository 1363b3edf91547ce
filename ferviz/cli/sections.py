"""Groups of options: a frozen dataclass declares each option once, a command receives the group as one object.

    @click.command(cls=SectionedCommand)
    @options(out="<picture>_gradcam.png")
    def command(model: ModelOptions, output: OutputOptions) -> int: ...

The annotations of the function say which groups the command takes, so that mypy checks every use of an option. Commands that take the
same groups are annotated with a bundle of them.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import Field, field, fields
from typing import Any, ClassVar, ParamSpec, TypeVar, get_type_hints

import click

from ferviz.paths import PathLike

P = ParamSpec("P")
R = TypeVar("R")
K = TypeVar("K")
NO_TEXTS: Mapping[str, str] = {}
NO_DEFAULTS: Mapping[str, object] = {}


class OptionGroup:
    """Base of the groups: frozen dataclasses whose fields are all declared with `option`.

    Attributes:
        section: the heading that `--help` prints the group under.
    """

    section: ClassVar[str]

    def inputs(self) -> list[PathLike]:
        """Return the files that the options name to be read; no output replaces one of them."""
        return []


class OptionBundle:
    """Base of bundles: frozen dataclasses whose fields are groups, for commands that take the same groups."""


class SectionOption(click.Option):
    """An option that `--help` prints under a heading of its own.

    Args:
        *arguments: as of `click.Option`.
        section: the heading.
        **attributes: as of `click.Option`.
    """

    def __init__(self, *arguments: Any, section: str, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.section = section


class SectionedCommand(click.Command):
    """A command whose `--help` prints the options in sections: its own first, then one section a group."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections.

        Args:
            ctx: the command's context.
            formatter: takes the text.
        """
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                sections.setdefault(getattr(parameter, "section", "Options"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def option(*flags: str, help: str, default: Any = None, **attributes: Any) -> Any:
    """Declare a field of an `OptionGroup` as an option; the field's name is the name of the parameter.

    Args:
        *flags: the spellings: "--model", "-m", or "--shared-scale/--own-scale".
        help: one sentence.
        default: the field's value where the option is not given; a bool makes the option a flag.
        **attributes: further arguments of `click.Option`: type, metavar, multiple.

    Returns:
        The field.
    """
    attributes["help"] = help
    if isinstance(default, bool) and "/" not in flags[0]:
        attributes["is_flag"] = True
    attributes["show_default"] = default is not None and default != () and not attributes.get("is_flag")
    return field(default=default, metadata={"flags": flags, "attributes": attributes})


def options(
    *,
    out: str = "",
    defaults: Mapping[str, object] = NO_DEFAULTS,
    helps: Mapping[str, str] = NO_TEXTS,
    without: Collection[str] = (),
) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give a command the options of every group that its function is annotated with, and the function the groups' objects.

    Args:
        out: what `--out` is by default, as `--help` shows it.
        defaults: {field: value} where the command's defaults are not the groups'.
        helps: {field: sentence} where the command's help is not the groups'.
        without: fields that the command does not use: it has no such option, and the object has the field's default.

    Returns:
        The decorator; it belongs below `click.command`.

    Raises:
        TypeError: one of the names is no field of the groups, or two groups have an option of one name.
    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        bundles = _of_kind(get_type_hints(function), OptionBundle)
        groups = _of_kind(get_type_hints(function), OptionGroup)
        for bundle in bundles.values():
            groups |= _of_kind(get_type_hints(bundle), OptionGroup)
        declared = {name: fields(kind) for name, kind in groups.items()}  # type: ignore[arg-type]
        every = [part.name for parts in declared.values() for part in parts]
        unknown = {*defaults, *helps, *without} - set(every)
        shown = [name for name in every if name not in without]
        if unknown or len(shown) != len(set(shown)):
            raise TypeError(f"no options: {sorted(unknown)}; options: {shown}")

        @functools.wraps(function)
        def call(**values: Any) -> R:
            for name, parts in declared.items():
                given = {part.name: values.pop(part.name) for part in parts if part.name not in without}
                values[name] = groups[name](**given)
            for name, bundle in bundles.items():
                values[name] = bundle(**{part.name: values.pop(part.name) for part in fields(bundle)})  # type: ignore[arg-type]
            return function(**values)

        for name in reversed(groups):
            for part in reversed(declared[name]):
                if part.name not in without:
                    section = groups[name].section
                    _add(call, part, section, out if part.name == "out" else "", defaults, helps)
        return call

    return decorate


def _of_kind(hints: Mapping[str, Any], kind: type[K]) -> dict[str, type[K]]:
    return {name: hint for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, kind)}


def names_option(*flags: str, help: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give a command an option of names that can be repeated.

    Args:
        *flags: the spellings, and the parameter's name: "--layer", "-l", "layers".
        help: one sentence or two.

    Returns:
        The decorator.
    """
    return click.option(*flags, multiple=True, metavar="NAME", help=help)


def list_option(
    flag: str, rows: Callable[[], Iterable[tuple[str, str]]], help: str
) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give a command an option that prints a list of names and ends the command.

    Args:
        flag: the spelling: "--methods".
        rows: gives the names, each with what is said about it.
        help: one sentence.

    Returns:
        The decorator.
    """

    def show(context: click.Context, _: click.Parameter, asked: bool) -> None:
        if not asked or context.resilient_parsing:
            return
        from ferviz.cli.console import echo

        formatter = context.make_formatter()
        formatter.write_dl(list(rows()))
        echo(formatter.getvalue().removesuffix("\n"))
        context.exit()

    return click.option(flag, is_flag=True, is_eager=True, expose_value=False, callback=show, help=help)


def _add(
    function: Callable[..., Any],
    part: Field[Any],
    section: str,
    out: str,
    defaults: Mapping[str, object],
    helps: Mapping[str, str],
) -> None:
    attributes = dict(part.metadata["attributes"])
    attributes["help"] = helps.get(part.name, attributes["help"]) + (f"  [default: {out}]" if out else "")
    attributes["default"] = defaults.get(part.name, part.default)
    attributes["show_default"] = attributes["show_default"] or part.name in defaults
    click.option(*part.metadata["flags"], part.name, cls=SectionOption, section=section, **attributes)(function)


class Number(click.FloatRange):
    """A range of numbers without NaN and infinity, which pass every comparison of a plain range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number that a text stands for.

        Args:
            value: the text.
            param, ctx: where it was given, for the message.

        Raises:
            click.BadParameter: the text is no finite number of the range.
        """
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


class NamedValue(click.ParamType):
    """NAME=VALUE as a pair; the value is read as JSON where it is JSON, otherwise it stays text.

    Args:
        lists: "32,64" is the list [32, 64].
    """

    name = "NAME=VALUE"

    def __init__(self, lists: bool = False) -> None:
        self.lists = lists

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        """Return the pair that a text stands for.

        Args:
            value: the text.
            param, ctx: where it was given, for the message.

        Returns:
            The name, with underscores for hyphens, and the value.

        Raises:
            click.BadParameter: the text is not of this form.
        """
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        name = name.replace("-", "_")
        if not equals or not name.isidentifier():
            self.fail(f"{value!r} is not NAME=VALUE, such as steps=32.", param, ctx)
        parts = [_value(part) for part in text.split(",")] if self.lists else [_value(text)]
        return name, parts if len(parts) > 1 else parts[0]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
