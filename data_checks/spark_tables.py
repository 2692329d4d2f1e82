"""What the lake and the gate need of Spark and Ibis leaves open there: many files as one table, exact results, work kept.

`con` is an Ibis backend on the active Spark session.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa


def read_files(paths: Sequence[str], con: Any) -> "ibis.Table":
    """Parquet files as one table; Ibis takes one path there. Folders named `day=...` above them become no column."""
    from ibis import util
    from pyspark.sql import SparkSession

    name = util.gen_name("files")
    SparkSession.active().read.parquet(*paths).createOrReplaceTempView(name)
    table: ibis.Table = con.table(name)
    return table


def kept(table: "ibis.Table", con: Any) -> "ibis.Table":
    """The table, worked out at its first use and kept in memory or on disk for as long as an expression refers to it."""
    from ibis import util

    cached: ibis.Table = con.create_view(util.gen_name("work"), table).cache()
    return cached


def collected(table: "ibis.Table", con: Any) -> "pa.Table":
    """All rows in the memory of this process: nulls stay nulls, and times without a zone are those of UTC."""
    from ibis import util
    from pyspark.sql import SparkSession

    name = util.gen_name("result")
    schema = con.create_view(name, table).schema().to_pyarrow()
    session = SparkSession.active()
    rows = session.table(name).toArrow().cast(schema)
    session.catalog.dropTempView(name)
    return rows
