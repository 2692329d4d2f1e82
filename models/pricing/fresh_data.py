"""Fresh goods from a table and back: the only place that knows its columns."""

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from models.common.arrow_columns import need_columns, refuse_nulls
from models.common.artifact import ArtifactError
from models.common.protocols import DataError
from models.pricing.fresh import WEEK, Goods

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "fresh_goods"
NAME, UNTIL = "good", "until"
MADE_UP = np.datetime64("1970-01-01")  # what is told in full has no day
WHOLE = ("life", "lead", "every", "up_to")
# What a column is called: an elasticity in a table is a fitted one, which no truth may be taken for.
COLUMN_OF = {each.name: each.name for each in fields(Goods)} | {"elasticity": "fitted_elasticity"}
COLUMNS = tuple(COLUMN_OF.values())


def goods_table(names: Sequence[str], goods: Goods, until: str) -> "pa.Table":
    """The table `fresh_goods`, a row a good: its name, what Goods tells (`week` a list of seven), and `until`, the last day (ISO)
    that demand was fitted on."""
    import pyarrow as pa

    columns: dict[str, Any] = {NAME: list(names)} | {
        column: getattr(goods, name).tolist() for name, column in COLUMN_OF.items()
    }
    return pa.table(columns | {UNTIL: [until] * len(goods)})


def empty_goods() -> "pa.Table":
    """The table without a row."""
    import pyarrow as pa

    kinds = {name: pa.int64() if name in WHOLE else pa.float64() for name in COLUMNS} | {"week": pa.list_(pa.float64())}
    return pa.schema({NAME: pa.string(), **kinds, UNTIL: pa.string()}).empty_table()


def read_goods(table: "pa.Table") -> tuple[tuple[str, ...], Goods, np.datetime64]:
    """Names, goods and the newest `until` of what `goods_table` wrote. DataError names the column, the value and the bound."""
    need_columns(TABLE, table, (NAME, *COLUMNS, UNTIL))
    for column in (NAME, *COLUMNS, UNTIL):
        refuse_nulls(TABLE, table, column, "drop those rows")
    names = tuple(str(name) for name in table[NAME].to_pylist())
    if twice := sorted({name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ()):
        raise DataError(f"{TABLE}.{NAME}: {twice[0]!r} is there twice: give each good one row")
    try:
        until = max((np.datetime64(day, "D") for day in table[UNTIL].to_pylist()), default=MADE_UP)
    except ValueError as error:
        raise DataError(f"{TABLE}.{UNTIL}: {error}: write ISO dates") from error
    values: dict[str, npt.NDArray[Any]] = {}
    for name, column in COLUMN_OF.items():
        kind = np.int64 if column in WHOLE else np.float64
        try:
            values[name] = np.array(table[column].to_pylist(), dtype=kind).reshape(len(names), -1)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{TABLE}.{column}: {error}: give {'lists of 7' if column == 'week' else 'numbers'}"
            ) from error
    if values["week"].shape != (len(names), WEEK):
        raise DataError(f"{TABLE}.week: {values['week'].shape[1]} numbers a row: give 7, Monday first")
    flat = {name: each if name == "week" else each[:, 0] for name, each in values.items()}
    return names, Goods(**flat), until


def goods_bytes(goods: Goods) -> bytes:
    """As safetensors."""
    from safetensors.numpy import save

    return bytes(save({name: np.ascontiguousarray(getattr(goods, name)) for name in COLUMN_OF}))


def goods_of_bytes(data: bytes) -> Goods:
    """From what `goods_bytes` wrote; ArtifactError for anything else."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        parts = load(data)
        if sorted(parts) != sorted(COLUMN_OF):
            raise ArtifactError(f"fresh goods: expected {tuple(COLUMN_OF)}, found {sorted(parts)}: retrain")
        return Goods(**parts)
    except (SafetensorError, DataError) as error:
        raise ArtifactError(f"fresh goods: {error}: fetch the artifact again") from error
