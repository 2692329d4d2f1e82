"""Columns of Arrow tables as numpy arrays, or a DataError that names table, column, count and remedy."""

from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.arrow_columns import numbers, refuse_nulls
from models.common.protocols import DataError

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
DAY_ZERO = np.datetime64("1970-01-01", "D")


def texts(name: str, table: Any, column: str) -> Any:
    """A column of identifiers as one Arrow string array; no nulls."""
    import pyarrow as pa

    refuse_nulls(name, table, column, "every row needs one")
    return pa.chunked_array(table[column].cast(pa.string()).chunks, type=pa.string()).combine_chunks()


def days(name: str, table: Any, column: str) -> Ints:
    """A date or timestamp column as days since 1970, (rows,); no nulls."""
    import pyarrow as pa

    refuse_nulls(name, table, column, "every row needs a day")
    try:
        dates = table[column].cast(pa.date32())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"{name}.{column}: type {table[column].type} holds no dates: write days as YYYY-MM-DD"
        ) from error
    return np.asarray(dates.cast(pa.int32()).to_numpy(), dtype=np.int64)


def floats(name: str, table: Any, column: str) -> Float:
    """A numeric or boolean column as float64, (rows,); neither nulls nor NaN nor infinities."""
    values = numbers(name, table, column)
    if unknown := int((~np.isfinite(values)).sum()):
        raise DataError(
            f"{name}.{column}: {unknown} of {values.size} rows are null, NaN or infinite: mend or leave out the rows; "
            "no row means that the unit did nothing"
        )
    return values
