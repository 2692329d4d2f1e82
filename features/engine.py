"""The connection to the table engine: DuckDB on one machine, Spark when the data outgrows it.

On either engine run cleaning, the gate's rules over rows, demand, state and known future. What is small or has one writer
runs in this process on DuckDB or Arrow whatever the engine: what a source streams, the order of rows in lake files, counts
and failing rows of the gate, digests of days, Feast's offline store and what goes online. Results come back in blocks of
bounded size (`orchestration.demand_days.blocks`), and workers of a cluster must see the folder of the lake.
"""

import tempfile
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class EngineError(ValueError):
    """The engine's address or a bound of it cannot be used; the message says what to change."""


def connect(
    url: str = "duckdb://",
    *,
    memory_limit_gb: float = 3.0,
    threads: int = 2,
    temp_directory: Path | None = None,
) -> Any:
    """Open an Ibis backend.

    `duckdb://` is a database in memory, `duckdb:///folder/file.db` a file. `spark://host:port` is a Spark master and
    `spark://local[4]` a Spark inside this process (extra `scale`, and Java). `memory_limit_gb` in GiB bounds DuckDB,
    which spills to `temp_directory` beyond it (default: a folder in the system's temporary folder), and the driver of
    a local Spark. Raises EngineError for an unknown address or a missing engine.
    """
    if memory_limit_gb <= 0 or threads < 1:
        raise EngineError(f"memory_limit_gb={memory_limit_gb}, threads={threads}: both must be positive")
    scheme = url.split("://", 1)[0]
    if scheme == "duckdb":
        return _duckdb(url, memory_limit_gb, threads, temp_directory)
    if scheme == "spark":
        return _spark(url, memory_limit_gb, threads, temp_directory)
    raise EngineError(f"table engine {url!r} is unknown: use duckdb://, duckdb:///FILE or spark://HOST:PORT")


def _duckdb(url: str, memory_limit_gb: float, threads: int, temp_directory: Path | None) -> Any:
    import ibis

    # Ibis 12 uses a name that DuckDB 2 has renamed; Feast makes Python show such warnings to whoever runs a command.
    warnings.filterwarnings("ignore", message=r"fetch_arrow_table\(\) is deprecated", category=DeprecationWarning)
    path = urlsplit(url).path
    spill = temp_directory or Path(tempfile.gettempdir()) / "storeloop-duckdb"
    con = ibis.duckdb.connect(
        path or ":memory:",
        memory_limit=f"{round(memory_limit_gb * 1024)}MiB",
        threads=threads,
        temp_directory=str(spill),
    )
    # Row order is stated where it matters; keeping the order of insertion would only cost memory.
    con.raw_sql("SET preserve_insertion_order = false")
    con.raw_sql("SET TimeZone = 'UTC'")
    return con


def _spark(url: str, memory_limit_gb: float, threads: int, temp_directory: Path | None) -> Any:
    try:
        import ibis
        from py4j.protocol import Py4JError  # type: ignore[import-untyped]
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise EngineError(f"table engine {url!r} needs pyspark: install the extra `scale`") from error
    master = url.removeprefix("spark://") if url.startswith("spark://local") else url
    builder = (
        SparkSession.builder.master(master)
        .appName("storeloop")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.driver.memory", f"{round(memory_limit_gb * 1024)}m")
        .config("spark.sql.warehouse.dir", str((temp_directory or Path(tempfile.gettempdir())) / "storeloop-spark"))
        .config("spark.sql.ansi.enabled", "false")
        # To derive filters from filters takes minutes on expressions of hundreds of columns.
        .config("spark.sql.constraintPropagation.enabled", "false")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
    )
    if master != url:  # inside this process: as many shuffle tasks as there is work for
        builder = builder.config("spark.sql.shuffle.partitions", str(2 * threads))
    try:
        session = builder.getOrCreate()
    except (PySparkException, Py4JError, RuntimeError, OSError) as error:
        raise EngineError(
            f"table engine {url!r} did not start ({type(error).__name__}): Spark needs Java 17 or newer and a master "
            "that answers"
        ) from error
    return ibis.pyspark.connect(session)
