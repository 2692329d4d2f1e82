"""Rows that keep a contract, made from the contract alone: for tests, and to see what a table looks like."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from data_checks.contracts import Column, Contract
from data_checks.rules import TAG_COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

FIRST_DAY = date(2025, 1, 6)


def valid_rows(contract: Contract, rows: int) -> "pa.Table":
    """`rows` rows in the contract's schema that break none of its rules.

    Row i has the ids `<column>-<i>` (so that references meet), day FIRST_DAY + i in every date, the least number that a
    column allows (half-way where it allows none at its bound), False, and null where null is allowed.
    """
    import pyarrow as pa

    columns = {column.name: [_value(column, contract, i) for i in range(rows)] for column in contract.columns}
    return pa.table(columns, schema=contract.arrow_schema())


def tagged(table: "pa.Table", classes: Sequence[str] | None = None) -> "pa.Table":
    """The table with the tags that cleaning gives: all rows of class `row` unless said otherwise, nothing repaired."""
    import pyarrow as pa

    tags = [
        pa.array([f"key-{i}" for i in range(table.num_rows)], pa.string()),
        pa.array(classes if classes is not None else ["row"] * table.num_rows, pa.string()),
        pa.nulls(table.num_rows, pa.string()),
        pa.nulls(table.num_rows, pa.string()),
    ]
    for name, tag in zip(TAG_COLUMNS, tags, strict=True):
        table = table.append_column(name, tag)
    return table


def _value(column: Column, contract: Contract, position: int) -> Any:
    if not column.required:
        # An optional part of the key still has to tell rows apart.
        return position if column.name in contract.primary_key and column.type == "int" else None
    day = FIRST_DAY + timedelta(days=position)
    plain: dict[str, Any] = {
        "date": day,
        "ts": datetime.combine(day, time(12)),
        "bool": False,
        "bytes": f"{column.name}-{position}".encode(),
    }
    match column.type:
        case "str":
            allowed = next((rule.allowed for rule in contract.rules if rule.rule_id == f"allowed:{column.name}"), ())
            # A reference bears the name of the key it refers to, so that it finds that key among the other table's samples.
            named = next(
                (key for lookup in contract.lookups for mine, key in lookup.on if mine == column.name), column.name
            )
            return (*allowed, *column.examples, f"{named}-{position}")[0]
        case "int" | "float":
            number = _least(column, contract)
            return int(number) if column.type == "int" else number
    return plain[column.type]


def _least(column: Column, contract: Contract) -> float:
    for rule in contract.rules:
        if rule.rule_id == f"between:{column.name}":
            low = rule.minimum if rule.minimum is not None else (rule.maximum or 0.0) - 1
            high = rule.maximum if rule.maximum is not None else low + 1
            return (low + high) / 2 if rule.strict_minimum else low
    return 1.0
