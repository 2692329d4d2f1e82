"""What the lake and the gate need of Spark and Ibis leaves open there: many files as one table, exact results, work kept.

`con` is an Ibis backend on the active Spark session.
"""

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa


def read_files(paths: Sequence[str], con: Any) -> "ibis.Table":
    """Parquet files as one table; Ibis takes one path there. Folders named `day=...` above them become no column."""
    from pyspark.sql import SparkSession

    return _named(SparkSession.active().read.parquet(*paths), con)


def kept(table: "ibis.Table", con: Any) -> "ibis.Table":
    """The table, worked out at its first use and kept in memory or on disk for as long as an expression refers to it."""
    frame = _frame(table, con).cache()
    named = _named(frame, con)
    weakref.finalize(named.op(), frame.unpersist).atexit = False
    return named


def collected(table: "ibis.Table", con: Any) -> "pa.Table":
    """All rows in the memory of this process: nulls stay nulls, and times without a zone are those of UTC."""
    rows: pa.Table = _frame(table, con).toArrow().cast(table.schema().to_pyarrow())
    return rows


def _frame(table: "ibis.Table", con: Any) -> Any:
    """As a data frame: Spark analyses it once, where a view of SQL is analysed at every use."""
    import ibis.expr.operations as ops

    for memory in table.op().find(ops.InMemoryTable):
        con.execute(memory.to_expr().limit(0))  # so that the SQL finds it
    return con.raw_sql(con.compile(table))


def _named(frame: Any, con: Any) -> "ibis.Table":
    from ibis import util

    name = util.gen_name("frame")
    frame.createOrReplaceTempView(name)
    table: ibis.Table = con.table(name)
    return table
