"""The seven column types of a contract and what each is called by every library that meets a table."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    import pyarrow as pa

ColumnType = Literal["str", "int", "float", "bool", "date", "ts", "bytes"]
COLUMN_TYPES: tuple[ColumnType, ...] = get_args(ColumnType)


@dataclass(frozen=True)
class TypeNames:
    """One column type in the words of the contract standard, DuckDB, Ibis, Arrow and pandas."""

    logical: str  # ODCS logicalType
    duckdb: str  # also the ODCS physicalType
    ibis: str
    arrow: str  # as `pyarrow.type_for_alias` knows it
    pandas: str


TYPE_NAMES: dict[ColumnType, TypeNames] = {
    "str": TypeNames("string", "VARCHAR", "string", "string", "string[pyarrow]"),
    "int": TypeNames("integer", "BIGINT", "int64", "int64", "Int64"),
    "float": TypeNames("number", "DOUBLE", "float64", "float64", "float64"),
    "bool": TypeNames("boolean", "BOOLEAN", "boolean", "bool", "boolean"),
    "date": TypeNames("date", "DATE", "date", "date32", "date32[day][pyarrow]"),
    "ts": TypeNames("timestamp", "TIMESTAMP", "timestamp(6)", "timestamp[us]", "datetime64[us]"),
    "bytes": TypeNames("string", "BLOB", "binary", "binary", "object"),
}
# The standard has no type of its own for bytes, only a format of its strings.
BINARY_FORMAT = "binary"
TYPE_OF_LOGICAL: dict[str, ColumnType] = {
    names.logical: column_type for column_type, names in TYPE_NAMES.items() if column_type != "bytes"
}


def arrow_type(column_type: ColumnType) -> "pa.DataType":
    """Arrow data type of a column type."""
    import pyarrow as pa

    return pa.type_for_alias(TYPE_NAMES[column_type].arrow)
