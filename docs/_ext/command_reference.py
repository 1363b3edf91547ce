"""The directive `command-reference`: every command with its arguments and options, read from the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import click
from command_tree import commands, sections_of
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def inline(text: str) -> list[nodes.Node]:
    """Return a help text as nodes: what stands in backticks, and every --option, as code."""
    parts = re.split(r"(`[^`]+`|(?<![\w-])--[a-z][a-z-]*)", " ".join(text.split()))
    return [nodes.literal("", p.strip("`")) if p.startswith(("`", "--")) else nodes.Text(p) for p in parts if p]


def described(command: click.Command) -> Iterator[nodes.Node]:
    """Yield the paragraphs of a command's help."""
    text = inspect.cleandoc(command.help or "").partition("\f")[0]
    for block in re.split(r"\n\s*\n", text):
        if block.startswith("\b"):
            lines = block.strip("\b\n")
            yield nodes.literal_block(lines, lines, language="none")
        elif block.strip():
            yield nodes.paragraph("", "", *inline(block))


def default_of(option: click.Parameter, context: click.Context) -> str:
    """Return what an option's default is in words, or nothing where it has none worth a word."""
    if not isinstance(option, click.Option) or option.is_flag or option.count:
        return ""
    try:
        value = option.get_default(context, call=False)
    except TypeError:
        return ""
    if value is None or callable(value) or value in ((), [], "") or type(value).__name__ == "Sentinel":
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def item(option: click.Parameter, context: click.Context) -> nodes.definition_list_item:
    """Return one argument or option: how it is written, and what it does."""
    term = nodes.term()
    if isinstance(option, click.Argument):
        term += nodes.literal("", option.make_metavar(context))
        return nodes.definition_list_item(
            "", term, nodes.definition("", nodes.paragraph("", "", *about(option, context)))
        )
    flags = [*option.opts, *option.secondary_opts]
    flags.sort(key=lambda flag: (flag.startswith("--"), flag in option.secondary_opts))
    takes = (
        ""
        if getattr(option, "is_flag", False) or getattr(option, "count", False)
        else option.make_metavar(context).removesuffix(" RANGE")
    )
    for place, flag in enumerate(flags):
        term += nodes.Text(", ") if place else nodes.Text("")
        term += nodes.literal("", flag)
    if takes:
        term += nodes.Text(" ")
        term += nodes.emphasis("", takes)
    return nodes.definition_list_item("", term, nodes.definition("", nodes.paragraph("", "", *about(option, context))))


def about(option: click.Parameter, context: click.Context) -> list[nodes.Node]:
    """Return an option's help with its default, unless the help already names one."""
    text = getattr(option, "help", None) or ""
    default = default_of(option, context)
    if default and "default" not in text.lower():
        text = text if text.endswith("...") else text.removesuffix(".")
        text = f"{text} (default: `{default}`)."
    elif not text:
        text = "Required." if option.required else "Optional."
    return inline(text)


class CommandReference(SphinxDirective):
    """Puts a section for every command where it stands."""

    def run(self) -> list[nodes.Node]:
        """Return the sections; the page is read anew in every build, because the commands are no file of the site."""
        self.env.note_reread()
        return [self.section(*entry) for entry in commands()]

    def section(self, name: str, context: click.Context, command: click.Command) -> nodes.section:
        """Return the section of one command; its label is the name with hyphens (`ferviz-gradcam`)."""
        label = name.replace(" ", "-")
        section = nodes.section(ids=[label], names=[label])
        section += nodes.title("", "", nodes.literal("", name))
        self.env.domains.standard_domain.labels[label] = (self.env.docname, label, name)
        self.env.domains.standard_domain.anonlabels[label] = (self.env.docname, label)
        usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
        section += nodes.literal_block(usage, usage, language="none")
        section += list(described(command))
        for title, options in sections_of(command).items():
            section += nodes.rubric("", title)
            section += nodes.definition_list("", *(item(option, context) for option in options), classes=["options"])
        return section


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive with Sphinx."""
    app.add_directive("command-reference", CommandReference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
