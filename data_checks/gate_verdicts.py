"""Rows that break rules, sorted by what stewards decided on them: released, rejected, or held until somebody looks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from data_checks.contracts import Contract
from data_checks.decisions import Decisions
from data_checks.gate_rows import BROKEN, DAY
from data_checks.rules import ROW_CLASS, ROW_KEY, quoted

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


@dataclass(frozen=True)
class Sorted:
    """`held_keys`: rows of class `row` that stay out; `failing`: as in `Verdict`; `broken`: (day, rule_id, broken,
    released, rejected) counts, `held`: (day, rows)."""

    held_keys: "pa.Array"
    failing: "pa.Table"
    broken: "pa.Table"
    held: "pa.Table"


def sort_out(flagged: "pa.Table", contract: Contract, decisions: Decisions) -> Sorted:
    """Join rows and their broken rules (bit mask `_broken`) to the verdicts in force."""
    import duckdb
    import pyarrow as pa

    rules = pa.table(
        {
            "position": pa.array(range(len(contract.rules)), pa.int64()),
            "rule_id": pa.array([rule.rule_id for rule in contract.rules], pa.string()),
            "quarantines": pa.array([rule.quarantines for rule in contract.rules], pa.bool_()),
        }
    )
    with duckdb.connect(":memory:") as con:
        con.register("flagged", flagged)
        con.register("rules", rules)
        con.register("decided", decisions.verdicts)
        con.execute(_PAIRS)
        con.execute(_ROWS)
        return Sorted(
            held_keys=con.table("sorted_rows").filter("held").to_arrow_table()[ROW_KEY].combine_chunks(),
            failing=_failing(con, contract),
            broken=con.sql(_BROKEN).to_arrow_table(),
            held=con.sql(_HELD).to_arrow_table(),
        )


def _failing(con: "duckdb.DuckDBPyConnection", contract: Contract) -> "pa.Table":
    columns = ", ".join(f"flagged.{quoted(name)}" for name in contract.column_names)
    fields = ", ".join(
        f"{name!r}: flagged.{quoted(name)}" for name in (*contract.column_names, "_type_errors", "_repaired")
    )
    return con.sql(
        f"""
        SELECT {ROW_KEY}, flagged.{ROW_CLASS}, held, rules, CAST(to_json({{{fields}}}) AS VARCHAR) AS raw, {columns}
        FROM flagged JOIN sorted_rows USING ({ROW_KEY}) WHERE held OR undecided ORDER BY {ROW_KEY}
        """  # noqa: S608 - names come from the contract
    ).to_arrow_table()


_PAIRS = f"""
CREATE TEMP TABLE pairs AS
SELECT f.{ROW_KEY}, f.{ROW_CLASS}, f.{DAY}, r.position, r.rule_id, r.quarantines, d.verdict = 'release' AS is_released,
       x.{ROW_KEY} IS NOT NULL AS is_rejected
FROM flagged AS f
JOIN rules AS r ON (f.{BROKEN} >> r.position) & 1 = 1
LEFT JOIN decided AS d ON d._row_key = f.{ROW_KEY} AND d.rule_id = r.rule_id
LEFT JOIN (SELECT DISTINCT _row_key FROM decided WHERE verdict = 'reject') AS x ON x._row_key = f.{ROW_KEY}
"""  # noqa: S608
_ROWS = f"""
CREATE TEMP TABLE sorted_rows AS
WITH rejected AS (SELECT DISTINCT _row_key FROM decided WHERE verdict = 'reject'), broken AS (
    SELECT {ROW_KEY}, list(rule_id ORDER BY position) AS rules,
           bool_or(quarantines AND NOT coalesce(is_released, false)) AS is_unreleased,
           bool_or(NOT coalesce(is_released, false) AND NOT is_rejected) AS undecided
    FROM pairs GROUP BY ALL
)
SELECT f.{ROW_KEY}, f.{DAY}, coalesce(b.rules, []) AS rules, coalesce(b.undecided, false) AS undecided,
       f.{ROW_CLASS} = 'row' AND (x._row_key IS NOT NULL OR coalesce(b.is_unreleased, false)) AS held
FROM flagged AS f LEFT JOIN broken AS b ON b.{ROW_KEY} = f.{ROW_KEY} LEFT JOIN rejected AS x ON x._row_key = f.{ROW_KEY}
"""  # noqa: S608
_BROKEN = f"""
SELECT {DAY} AS day, rule_id, count(*) AS broken,
       count(*) FILTER (coalesce(is_released, false) AND NOT is_rejected) AS released,
       count(*) FILTER (is_rejected) AS rejected
FROM pairs GROUP BY ALL
"""  # noqa: S608
_HELD = f"SELECT {DAY} AS day, count(*) AS rows FROM sorted_rows WHERE held GROUP BY ALL"  # noqa: S608
