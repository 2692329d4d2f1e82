"""Columns of Arrow tables, or a DataError that names table, column, count and remedy."""

from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.protocols import DataError


def need_columns(name: str, table: Any, columns: tuple[str, ...]) -> None:
    """Refuse a table that lacks one of the columns."""
    if missing := [column for column in columns if column not in table.column_names]:
        raise DataError(
            f"{name}: columns {missing} are missing ({table.num_rows} rows with {table.column_names[:20]}): add them"
        )


def refuse_nulls(name: str, table: Any, column: str, remedy: str) -> None:
    """Refuse a column with empty cells; `remedy` says what to do about them."""
    if nulls := table[column].null_count:
        raise DataError(f"{name}.{column}: {nulls} of {table.num_rows} rows are null: {remedy}")


def numbers(name: str, table: Any, column: str) -> npt.NDArray[np.float64]:
    """A numeric or boolean column as float64, (rows,), null as NaN."""
    import pyarrow as pa

    try:
        values = table[column].cast(pa.float64()).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"{name}.{column}: type {table[column].type} is no number: encode it or drop the column"
        ) from error
    return np.asarray(values, dtype=np.float64)
