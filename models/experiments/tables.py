"""Columns of Arrow tables as numpy arrays, or a DataError that names table, column, count and remedy."""

from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.protocols import DataError

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
DAY_ZERO = np.datetime64("1970-01-01", "D")


def need_columns(name: str, table: Any, columns: tuple[str, ...]) -> None:
    """Refuse a table that lacks one of the columns."""
    if missing := [column for column in columns if column not in table.column_names]:
        raise DataError(
            f"{name}: columns {missing} are missing ({table.num_rows} rows with {table.column_names[:20]}): add them"
        )


def texts(name: str, table: Any, column: str) -> Any:
    """A column of identifiers as one Arrow string array; no nulls."""
    import pyarrow as pa

    _no_nulls(name, table, column, "every row needs one")
    return pa.chunked_array(table[column].cast(pa.string()).chunks, type=pa.string()).combine_chunks()


def days(name: str, table: Any, column: str) -> Ints:
    """A date or timestamp column as days since 1970, (rows,); no nulls."""
    import pyarrow as pa

    _no_nulls(name, table, column, "every row needs a day")
    try:
        dates = table[column].cast(pa.date32())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"{name}.{column}: type {table[column].type} holds no dates: write days as YYYY-MM-DD"
        ) from error
    return np.asarray(dates.cast(pa.int32()).to_numpy(), dtype=np.int64)


def floats(name: str, table: Any, column: str) -> Float:
    """A numeric or boolean column as float64, (rows,); neither nulls nor NaN nor infinities."""
    import pyarrow as pa

    try:
        values = np.asarray(table[column].cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"{name}.{column}: type {table[column].type} is no number: encode it or drop the column"
        ) from error
    if unknown := int((~np.isfinite(values)).sum()):
        raise DataError(
            f"{name}.{column}: {unknown} of {values.size} rows are null, NaN or infinite: mend or leave out the rows; "
            "no row means that the unit did nothing"
        )
    return values


def _no_nulls(name: str, table: Any, column: str, remedy: str) -> None:
    if nulls := table[column].null_count:
        raise DataError(f"{name}.{column}: {nulls} of {table.num_rows} rows are null: {remedy}")
