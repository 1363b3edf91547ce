"""pyarrow, imported where it is needed, with its errors as ferviz's own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ferviz.errors import DataError, UsageError
from ferviz.paths import PathLike


def import_arrow() -> Any:
    """Return the module `pyarrow`.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise UsageError("sharded runs store Parquet, which takes pyarrow: pip install 'ferviz[scale]'") from error
    return pyarrow


def import_parquet() -> Any:
    """Return the module `pyarrow.parquet`.

    Raises:
        UsageError: it is not installed.
    """
    import_arrow()
    from pyarrow import parquet

    return parquet


@contextlib.contextmanager
def arrow_errors(path: PathLike) -> Iterator[None]:
    """Turn what pyarrow raises for a file into a DataError.

    Args:
        path: the file.

    Raises:
        DataError: it cannot be read.
    """
    arrow = import_arrow()
    try:
        yield
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        if isinstance(error, UnicodeDecodeError):
            reason = "it has text that is not UTF-8"
        raise DataError(f"{path} is no Parquet file that can be read ({reason}); get a complete copy") from error
