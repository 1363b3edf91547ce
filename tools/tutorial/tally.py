"""What happened while pages were typed: printed as it happens, and counted."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Tally:
    """What happened, printed as it happens and counted."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.typed = self.compared = self.left_out = 0
        self.compared_by_words: list[str] = []
        self.unwritten: set[str] = set()

    def page(self, page: Path) -> None:
        """Begin a page."""
        self.unwritten.clear()
        print(f"\n{page.relative_to(ROOT)}", flush=True)

    def line(self, mark: str, line: str, text: str = "") -> None:
        """Print what became of one command."""
        print(f"  {mark:9}{line}{f'   [{text}]' if text else ''}", flush=True)

    def leave_out(self, line: str, reason: str) -> None:
        """Note a command that is not typed."""
        self.left_out += 1
        self.line("left out", line, reason)

    def fail(self, page: Path, line: str, text: str, printed: str) -> None:
        """Note a failure, with the end of what was printed."""
        self.line("FAILED", line, text)
        print("".join(f"           {row}\n" for row in printed.splitlines()[-12:]), end="", flush=True)
        self.failures.append(f"{page.name}: {line}: {text}")

    def end(self) -> None:
        """Print the counts, the outputs that were compared by their words, and the failures."""
        print(
            f"\n{self.typed} commands typed, {self.left_out} left out; {self.compared} outputs compared letter by letter, "
            f"{len(self.compared_by_words)} by their words; {len(self.failures)} failures"
        )
        for line in self.compared_by_words:
            print(f"compared by words: {line}")
        for line in self.failures:
            print(f"FAILED: {line}")
