"""Compares the output that a page shows with what a command prints."""

from __future__ import annotations

import re

NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?|\.\d+")
WORD = re.compile(r"[^\W\d_]{3,}")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def difference(shown: str, printed: str, any_number: bool = False) -> str:
    """Return the first line in which two outputs differ, "" where they agree.

    A line `...` in the page stands for any lines, `...` within a line for any text. Words agree letter by letter, whole numbers digit by
    digit; of a number with decimals the last place may differ by one, because processors round differently.

    Args:
        shown: the page's text.
        printed: the command's.
        any_number: whether any number may stand for any other, and columns may be as wide as their numbers need.
    """
    wanted = [line.rstrip() for line in shown.strip().splitlines()]
    lines = [COLOUR.sub("", line).rstrip() for line in printed.strip().splitlines()]
    at, gap = 0, False
    for line in wanted:
        if line.strip() == "...":
            gap = True
            continue
        while gap and at < len(lines) and not same(line, lines[at], any_number):
            at += 1
        if at == len(lines):
            return f"shown: {line!r}, not printed"
        if not same(line, lines[at], any_number):
            return f"shown: {line!r}, printed: {lines[at]!r}"
        at, gap = at + 1, False
    return "" if gap or at == len(lines) else f"printed: {lines[at]!r}, not shown"


def same(shown: str, printed: str, any_number: bool = False) -> bool:
    """Return whether two lines agree.

    Args:
        shown: the page's line.
        printed: the command's line.
        any_number: as in `difference`.
    """
    if any_number:
        shown, printed = " ".join(shown.split()), " ".join(printed.split())
    spaced = [NUMBER.sub("\0", part) for part in shown.split("...")]
    pattern = ".*?".join(re.escape(part).replace("\0", f"({NUMBER.pattern})") for part in spaced)
    match = re.fullmatch(pattern, printed)
    if match is None:
        return False
    numbers = [number for part in shown.split("...") for number in NUMBER.findall(part)]
    return any_number or all(map(_close, numbers, match.groups()))


def _close(shown: str, printed: str) -> bool:
    places = len(shown.partition(".")[2])
    if not places or places != len(printed.partition(".")[2]):
        return shown == printed
    return abs(float(shown.replace(",", "")) - float(printed.replace(",", ""))) < 1.5 * 10**-places


def absent_words(shown: str, printed: str) -> tuple[list[str], float]:
    """Return the words of a shown output that are not printed, and their share.

    Args:
        shown: the page's text, of a reader's data.
        printed: the command's, of other data: its numbers and some of its findings are others, its words mostly are not.
    """
    wanted = set(WORD.findall(shown.lower()))
    absent = sorted(wanted - set(WORD.findall(COLOUR.sub("", printed).lower())))
    return absent, len(absent) / max(len(wanted), 1)
