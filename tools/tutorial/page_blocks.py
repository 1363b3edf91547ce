"""Reads a page: its blocks of shell and Python, the commands in them, and the output that the page shows for each command.

What a page says to its reader, and to the tests:

- ```sh holds commands that run as they stand; a ```text block directly behind it shows what the last of them prints.
- ```console holds commands behind a dollar sign, each with the output that is shown for it.
- ```python blocks of a page are one program.
- `<!-- not run: REASON -->` before a block: neither the tests nor `make tutorial` run it.
- `<!-- not tested: REASON -->`: the tests leave it out; `make tutorial` types it.
- `<!-- needs MODULE -->`, before such a line or alone: both leave it out where one of these modules is not installed.
- `<!-- may differ: REASON -->`: the numbers in its output depend on more than ferviz; only the words around them are compared.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = re.compile(
    r"(?:<!-- needs (?P<needs>[\w, ]+) -->\n+)?"
    r"(?:<!-- (?P<mark>not run|not tested|may differ): (?P<reason>.+?) -->\n+)?"
    r"```(?P<kind>python|sh|console)\n(?P<code>.*?)```(?:\n+```text\n(?P<text>.*?)```)?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Command:
    """One command of a page.

    Attributes:
        line: what is typed, without comments.
        shown: the output that the page shows, "" where it shows none.
    """

    line: str
    shown: str = ""

    @property
    def words(self) -> list[str]:
        """The command's words, as a shell splits them."""
        return shlex.split(self.line, comments=True)


@dataclass(frozen=True)
class Block:
    """One block of a page.

    Attributes:
        kind: `python`, `sh` or `console`.
        code: the text between the fences.
        mark: `not run`, `not tested`, `may differ`, or "".
        reason: why it is marked.
        commands: the commands of a shell block.
        text: the output that is shown behind a Python block.
        needs: the modules that it takes beside those of ferviz.
    """

    kind: str
    code: str
    mark: str = ""
    reason: str = ""
    commands: list[Command] = field(default_factory=list)
    text: str = ""
    needs: tuple[str, ...] = ()


def read(page: Path) -> list[Block]:
    """Return the blocks of a page in their order.

    Args:
        page: a Markdown file.
    """
    result = []
    for match in BLOCK.finditer(page.read_text(encoding="utf-8")):
        kind, code, text = match["kind"], match["code"], match["text"] or ""
        commands = [] if kind == "python" else _commands(kind, code, text)
        needs = tuple((match["needs"] or "").replace(",", " ").split())
        result.append(Block(kind, code, match["mark"] or "", match["reason"] or "", commands, text, needs))
    return result


def _commands(kind: str, code: str, text: str) -> list[Command]:
    lines = code.replace("\\\n", " ").splitlines()
    if kind == "sh":
        typed = [line for line in lines if shlex.split(line, comments=True)]
        return [Command(line, text if k == len(typed) - 1 else "") for k, line in enumerate(typed)]
    commands: list[Command] = []
    for line in lines:
        if line.startswith("$ "):
            commands.append(Command(line[2:]))
        elif commands:
            commands[-1] = Command(commands[-1].line, f"{commands[-1].shown}{line}\n")
    return commands
