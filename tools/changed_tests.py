"""The tests of what has changed: prints the paths that `make quick` hands to pytest.

    python tools/changed_tests.py [BASE]

Changed is what differs from BASE (HEAD unless it is named), and what git does not track yet. A module's tests are those of its package,
a document's are those of the pages, a test file's is the file itself; the architecture is always tested. Where nothing has changed, all
tests are named.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ALWAYS = ("tests/test_layout.py", "tests/test_names.py", "tests/test_public_api.py")
OF_MODULES = {"numerics": "tests/test_numerics.py", "results": "tests/test_results.py", "register": "tests/test_register.py",
              "images": "tests/test_images.py", "sandbox": "tests/test_sandbox.py", "writers": "tests/test_results.py",
              "fills": "tests/test_fills.py", "paths": "tests/test_paths.py", "tables": "tests/cli/test_predict.py"}  # fmt: skip


def tests_of(path: str) -> str:
    """Return the test folder or file of a changed file, "" where it has none.

    Args:
        path: relative to the root of the repository, with slashes.
    """
    parts = Path(path).parts
    if parts[0] == "tests":
        return path if parts[-1].startswith("test_") and path.endswith(".py") else "/".join(parts[:-1])
    if parts[0] == "ferviz":
        name = Path(parts[1]).stem
        has_folder = len(parts) > 2 and name not in OF_MODULES
        return f"tests/{name}" if has_folder else OF_MODULES.get(name, "tests/test_foundation.py")
    if parts[0] == "examples":
        return "tests/test_examples.py"
    return "tests/test_pages.py" if path.endswith(".md") else ""


def changed(base: str) -> list[str]:
    """Return the paths that differ from a commit or are not tracked yet, relative to the root of the repository.

    Args:
        base: the commit.
    """
    commands = (["git", "diff", "--name-only", base], ["git", "ls-files", "--others", "--exclude-standard"])
    runs = [subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True) for command in commands]
    return sorted({line for run in runs for line in run.stdout.splitlines()})


def main(base: str = "HEAD") -> None:
    """Print the tests of what has changed since a commit, one a line.

    Args:
        base: the commit.
    """
    wanted = dict.fromkeys(test for test in map(tests_of, changed(base)) if test and (ROOT / test).exists())
    print("\n".join([*wanted, *ALWAYS] if wanted else ["tests"]))


if __name__ == "__main__":
    main(*sys.argv[1:2])
