"""Tables for other programs: a pandas DataFrame, and Parquet files. Neither library is needed for anything else."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferviz.errors import UsageError

if TYPE_CHECKING:
    import pandas

MISSING = ""
"""What a table has in a cell without a value."""

MANIFEST_KEY = b"ferviz"
"""Where a Parquet file has the manifest: in the metadata of its schema."""


def to_columns(table: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    """Return a table by its columns.

    Args:
        table: rows of cells, the names of the columns first.

    Returns:
        {name: values}; in a column of numbers, cells without a value are None.
    """
    names, rows = table[0], table[1:]
    columns = {str(name): [row[number] for row in rows] for number, name in enumerate(names)}
    for name, values in columns.items():
        known = [value for value in values if not (isinstance(value, str) and value == MISSING) and value is not None]
        if not any(isinstance(value, str) for value in known):
            columns[name] = [None if isinstance(value, str) else value for value in values]
        else:
            columns[name] = [MISSING if value is None else str(value) for value in values]
    return columns


def to_frame(table: Sequence[Sequence[Any]]) -> pandas.DataFrame:
    """Return a table as a pandas DataFrame.

    Args:
        table: rows of cells, the names of the columns first.

    Raises:
        UsageError: pandas is not installed.
    """
    return _imported("pandas", "to_frame() needs pandas").DataFrame(to_columns(table))  # type: ignore[no-any-return]


def check_parquet() -> None:
    """Check that Parquet files can be written and read.

    Raises:
        UsageError: pyarrow is not installed.
    """
    _imported("pyarrow", "Parquet files need pyarrow")


def write_parquet(path: Path, table: Sequence[Sequence[Any]], manifest: str) -> None:
    """Write a table as a Parquet file.

    Args:
        path: the file.
        table: rows of cells, the names of the columns first.
        manifest: JSON, which goes into the schema's metadata.

    Raises:
        UsageError: pyarrow is not installed.
    """
    check_parquet()
    pyarrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    columns = pyarrow.table({name: pyarrow.array(values) for name, values in to_columns(table).items()})
    parquet.write_table(columns.replace_schema_metadata({MANIFEST_KEY: manifest.encode()}), path)


def _imported(name: str, purpose: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UsageError(
            f"{purpose}, which is not installed; run pip install {name}, or save the table as .csv"
        ) from None
