"""A widget's JavaScript has to be one module; this puts the page's own modules into one, as they are."""

from __future__ import annotations

import re
from pathlib import Path

_IMPORT = re.compile(r'^import \{ ([\w$, ]+) \} from "(\.[^"]+)";\n', re.MULTILINE)
_EXPORTED = re.compile(r"^export (?=(?:async )?(?:const|function|class) ([\w$]+))", re.MULTILINE)
_LISTED = re.compile(r"^export \{ ([\w$, ]+) \};\n", re.MULTILINE)
_LEFT = re.compile(r"^(?:import|export)\b(?! default).*", re.MULTILINE)


def one_module(entry: Path) -> str:
    """Return an ES module and all that it imports as the text of one.

    Each imported module becomes a function that is called at once and returns what it exports, in the order in which they need each
    other. Only the forms that ferviz writes are understood: `import { a, b } from "./file.js";`, `export const|function|class` and
    `export { a, b };`.

    Args:
        entry: the file of the module; its own export is `export default`.

    Raises:
        ValueError: a module has an import or an export of another form, or modules import each other in a circle.
    """
    bodies: dict[Path, str] = {}
    text = _linked(entry.resolve(), bodies, ())
    return "\n".join([*bodies.values(), text])


def _linked(file: Path, bodies: dict[Path, str], above: tuple[Path, ...]) -> str:
    """-> a module's text with its imports as constants; what it imports is added to `bodies` before."""

    def imported(match: re.Match[str]) -> str:
        names, other = match[1], (file.parent / match[2]).resolve()
        if other in (*above, file):
            raise ValueError(f"{file.name} and {other.name} import each other")
        if other not in bodies:
            bodies[other] = _closed(other, _linked(other, bodies, (*above, file)))
        return f"const {{ {names} }} = {_name(other)};\n"

    return _IMPORT.sub(imported, file.read_text(encoding="utf-8"))


def _closed(file: Path, text: str) -> str:
    names = [name for match in _LISTED.finditer(text) for name in match[1].split(", ")]
    names += [match[1] for match in _EXPORTED.finditer(text)]
    text = _EXPORTED.sub("", _LISTED.sub("", text))
    if left := _LEFT.search(text):
        raise ValueError(f"{file.name}: {left[0]}")
    return f"const {_name(file)} = (() => {{\n{text}return {{ {', '.join(dict.fromkeys(names))} }};\n}})();\n"


def _name(file: Path) -> str:
    return f"${file.stem}"
