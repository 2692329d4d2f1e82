"""A table that a person gives as a file, CSV or Parquet."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

SUFFIXES = (".parquet", ".csv")


def read_table(path: Path, texts: Sequence[str]) -> Any:
    """The Arrow table of a file; columns `texts` are names even where they look like numbers: "007" is not seven.

    ValueError says what is wrong with it.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    if not path.is_file():
        raise ValueError(f"{path} is no file: give a table as CSV or Parquet")
    try:
        if path.suffix == ".parquet":
            return parquet.read_table(path)
        options = csv.ConvertOptions(column_types=dict.fromkeys(texts, pa.string()))
        return csv.read_csv(path, convert_options=options)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}: mend the file") from error
