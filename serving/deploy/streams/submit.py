"""Submits a job of SQL to a Flink cluster: run by the Python of PyFlink's own environment, for Flink's client of SQL is no part of it.

FLINK_CONF_DIR=conf python submit.py job.sql --jar flink-sql-connector-kafka.jar
"""

import argparse
import re
from pathlib import Path

from pyflink.table import EnvironmentSettings, TableEnvironment

_SETTING = re.compile(r"SET '([^']+)' = '([^']*)'")


def statements(text: str) -> list[str]:
    """Statements of a file: each begins at the start of a line, what belongs to a block does not."""
    return [
        each.strip() for each in re.split(r";\s*\n(?=(?!END)[A-Z])", text.strip().removesuffix(";")) if each.strip()
    ]


def main() -> None:
    """Set what is set, run the rest, and end once the cluster has the job."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", type=Path, help="statements of SQL")
    parser.add_argument("--jar", type=Path, action="append", default=[], help="connectors that the job needs")
    parser.add_argument("--cluster", default="127.0.0.1:8081", help="host:port of the cluster's REST interface")
    asked = parser.parse_args()
    host, _, port = asked.cluster.rpartition(":")
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    settings = tables.get_config()
    settings.set("execution.target", "remote")
    settings.set("rest.address", host)
    settings.set("rest.port", port)
    settings.set("execution.attached", "false")
    settings.set("pipeline.jars", ";".join(jar.resolve().as_uri() for jar in asked.jar))
    for statement in statements(asked.job.read_text(encoding="utf-8")):
        if (found := _SETTING.fullmatch(statement)) is not None:
            settings.set(found[1], found[2])
        else:
            tables.execute_sql(statement)


if __name__ == "__main__":
    main()
