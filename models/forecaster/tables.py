"""Columns of Arrow tables as numpy arrays, or a DataError that names table, column, count and remedy."""

from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.arrow_columns import numbers, refuse_nulls
from models.common.protocols import DataError

Float = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Dates = npt.NDArray[np.datetime64]


def to_dates(name: str, table: Any, column: str) -> Dates:
    """A date or timestamp column as datetime64[D], (rows,); no nulls."""
    import pyarrow as pa

    refuse_nulls(name, table, column, "every row needs a date")
    days = table[column].cast(pa.date32()).cast(pa.int32()).to_numpy()
    return np.asarray(days.astype("datetime64[D]"))


def floats(name: str, table: Any, column: str) -> Float:
    """A numeric or boolean column as float64, (rows,), null as NaN; no infinities."""
    values = numbers(name, table, column)
    if infinite := int(np.isinf(values).sum()):
        raise DataError(f"{name}.{column}: {infinite} of {values.size} rows are infinite: use null for what is unknown")
    return values


def flags(table: Any, column: str, default: bool) -> Bools:
    """A boolean column, (rows,), null as `default`."""
    return np.asarray(table[column].fill_null(default).to_numpy(zero_copy_only=False), dtype=bool)


def encode(name: str, table: Any) -> tuple[npt.NDArray[np.str_], Ints]:
    """Sorted distinct series ids and each row's index into them."""
    import pyarrow as pa

    column = table["series_id"].cast(pa.string())
    refuse_nulls(name, table, "series_id", "every row needs its series")
    encoded = pa.chunked_array([column.combine_chunks().dictionary_encode()]).combine_chunks()
    ids, place = np.unique(np.asarray(encoded.dictionary.to_pylist(), dtype=np.str_), return_inverse=True)
    return ids, np.asarray(place[encoded.indices.to_numpy(zero_copy_only=False)], dtype=np.int64)


def series_index(name: str, table: Any, ids: npt.NDArray[np.str_]) -> Ints:
    """Index of each row's series in `ids` (sorted), (rows,); refuses series that are not in it."""
    own, index = encode(name, table)
    place = np.minimum(np.searchsorted(ids, own), ids.size - 1)
    if unknown := own[ids[place] != own].tolist():
        raise DataError(
            f"{name}.series_id: {len(unknown)} series are not in sales, e.g. {unknown[:3]}: drop them or add sales"
        )
    return np.asarray(place[index], dtype=np.int64)
