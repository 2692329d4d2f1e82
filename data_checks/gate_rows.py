"""Every rule of a contract over every row in one expression: which rules a row is judged by, and which it breaks."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from data_checks.column_types import TYPE_NAMES
from data_checks.contracts import Contract
from data_checks.rules import FOUND, REPEATS_KEY, ROW_CLASS, ROW_KEY, TAG_COLUMNS, Lookup, Rule

if TYPE_CHECKING:
    import ibis

BROKEN, JUDGED = "_broken", "_judged"  # bit i speaks of rule i
DAY = "_day"
JUDGED_CLASSES = ("row", "duplicate")


class GateError(ValueError):
    """A table cannot be judged because its columns are not the contract's: the message names them and the remedy."""


@dataclass(frozen=True)
class MaskedRows:
    """`table`: `_row_key`, `_day`, `_broken`, `_judged`, one row for each judged row."""

    table: "ibis.Table"
    notes: Mapping[str, str]  # rule id -> why it could not be judged


def check_tagged(rows: "ibis.Table", contract: Contract) -> None:
    """Refuse rows without the contract's columns, types or tags. Errors: GateError naming each and the remedy."""
    schema = rows.schema()
    missing = [name for name in (*contract.column_names, *TAG_COLUMNS) if name not in schema]
    if missing:
        raise GateError(
            f"{contract.name} cannot be judged without {', '.join(missing)}: tag the table with cleaning first"
        )
    wrong = [
        f"{column.name} ({schema[column.name]} instead of {TYPE_NAMES[column.type].ibis})"
        for column in contract.columns
        if not _same_kind(schema[column.name], column.type)
    ]
    if wrong:
        raise GateError(f"{contract.name} cannot be judged with {', '.join(wrong)}: cast with cleaning first")


def bound(table: "ibis.Table", con: Any) -> "ibis.Table":
    """The table as one that lies in `con`: data in memory, and work still to be done, become a temporary table.

    SQL can then name it, and cleaning is done once instead of once for each question the gate asks.
    """
    import ibis.expr.operations as ops
    from ibis import util

    if isinstance(table.op(), ops.DatabaseTable):
        return table
    if con.name != "duckdb":
        from data_checks.spark_tables import kept

        return kept(table, con)
    temporary: ibis.Table = con.create_table(util.gen_name("gate"), table, temp=True)
    return temporary


@contextmanager
def stored(table: "ibis.Table", con: Any) -> "Iterator[ibis.Table]":
    """The table worked out once, for as long as the block lasts."""
    temporary = bound(table, con)
    try:
        yield temporary
    finally:
        if con.name == "duckdb" and temporary is not table:
            # As SQL: Ibis 12 writes DROP in a way that newer sqlglot leaves nameless.
            con.raw_sql(f'DROP TABLE "{temporary.op().name}"')


def mask_rows(
    rows: "ibis.Table",
    contract: Contract,
    references: Mapping[str, "ibis.Table"],
    con: Any,
    repeated_elsewhere: "ibis.Table | None" = None,
) -> MaskedRows:
    """Rows of the judged classes (with their `_day`), the rules that judge them and the rules that they break."""
    import ibis
    import sqlglot

    notes: dict[str, str] = {}
    wide = _with_repeats(rows.filter(rows[ROW_CLASS].isin(JUDGED_CLASSES)), rows, contract, repeated_elsewhere)
    absent = set()
    for lookup in contract.lookups:
        other = _looked_up(lookup, rows, contract, references, con)
        if other is None:
            absent.add(lookup.alias)
            continue
        predicates = [wide[mine] == other[f"{lookup.alias}__on__{theirs}"] for mine, theirs in lookup.on]
        wide = wide.left_join(other, predicates)
    conditions = []
    for position, rule in enumerate(contract.rules):
        if missing := sorted({lk.table for lk in contract.lookups if lk.alias in rule.lookups and lk.alias in absent}):
            notes[rule.rule_id] = f"not judged: this source has no table {', '.join(missing)}"
        conditions.append(_condition(rule, position, rule.rule_id in notes))
    schema = ibis.schema({ROW_KEY: "string", DAY: "string", BROKEN: "int64", JUDGED: "int64"})
    conditions_sql = sqlglot.transpile(_mask_sql(conditions), read="duckdb", write=con.dialect)[0]
    query = f"WITH tagged_rows AS ({con.compile(wide)}) {conditions_sql}"
    # The schema is given because Ibis would ask DuckDB 2 for it in a way that DuckDB 2 no longer answers.
    return MaskedRows(con.sql(query, schema=schema), notes)


def _condition(rule: Rule, position: int, skipped: bool) -> str:
    return f"{'CAST(NULL AS BOOLEAN)' if skipped else f'({rule.condition})'} AS rule_{position}"


def _mask_sql(conditions: list[str]) -> str:
    broken = " + ".join(f"CASE WHEN rule_{i} THEN {1 << i} ELSE 0 END" for i in range(len(conditions)))
    judged = " + ".join(f"CASE WHEN rule_{i} IS NULL THEN 0 ELSE {1 << i} END" for i in range(len(conditions)))
    inner = f"SELECT {ROW_KEY}, {DAY}, {', '.join(conditions)} FROM tagged_rows"  # noqa: S608 - the contract's own conditions
    return (
        f"SELECT {ROW_KEY}, {DAY}, CAST({broken} AS BIGINT) AS {BROKEN}, "  # noqa: S608
        f"CAST({judged} AS BIGINT) AS {JUDGED} FROM ({inner}) AS judged_rows"
    )


def _with_repeats(
    judged: "ibis.Table", rows: "ibis.Table", contract: Contract, elsewhere: "ibis.Table | None"
) -> "ibis.Table":
    """Adds whether another row of class `row` has the same primary key, here or in what was not handed over."""
    import ibis

    key = list(contract.primary_key)
    complete = [rows[name].notnull() for name in key if contract.column(name).required]
    counted = rows.filter(rows[ROW_CLASS] == "row", *complete).group_by(key).agg(_rows_of_key=lambda t: t.count())
    repeated = counted.filter(counted["_rows_of_key"] > 1).select(
        **{f"_repeated_{name}": counted[name] for name in key}
    )
    if elsewhere is not None:
        repeated = repeated.union(elsewhere.select(**{f"_repeated_{name}": elsewhere[name] for name in key})).distinct()
    # Nulls in an optional part of the key are equal to each other here, as they are in GROUP BY.
    same = [judged[name].identical_to(repeated[f"_repeated_{name}"]) for name in key]
    repeated = repeated.mutate(_is_repeated=ibis.literal(True))
    joined = judged.left_join(repeated, same)
    return joined.select(*(joined[name] for name in judged.columns), **{REPEATS_KEY: joined["_is_repeated"].notnull()})


def _looked_up(
    lookup: Lookup, rows: "ibis.Table", contract: Contract, references: Mapping[str, "ibis.Table"], con: Any
) -> "ibis.Table | None":
    """One row a key: `<alias>__on__<key>`, `<alias>__<column>` and `<alias>__found`; None for an absent table."""
    import ibis

    keys = [theirs for _, theirs in lookup.on]
    needed = list(dict.fromkeys([*keys, *lookup.columns]))
    sources = [bound(references[lookup.table], con)] if lookup.table in references else []
    if lookup.table == contract.name:
        sources.append(rows.filter(rows[ROW_CLASS] == "row"))
    if not sources:
        return None
    tables = [source.select(needed) for source in sources]
    other = reduce(lambda left, right: left.union(right), tables)
    wanted = rows.select(**{f"_{theirs}": rows[mine] for mine, theirs in lookup.on}).distinct()
    if lookup.table == contract.name:  # a big table: only the keys that are asked for are worth grouping
        other = other.semi_join(wanted, [other[theirs] == wanted[f"_{theirs}"] for theirs in keys])
    else:
        other = other.filter([other[theirs].notnull() for theirs in keys])
    # A key is unique in a clean table; where it is not, the maximum keeps the result the same on every run.
    read = {lookup.name(name): other[name].max() for name in lookup.columns}
    grouped = other.group_by(keys).agg(**read)
    return grouped.select(
        *(name for name in read),
        **{f"{lookup.alias}__on__{theirs}": grouped[theirs] for theirs in keys},
        **{lookup.name(theirs): grouped[theirs] for theirs in keys},
        **{lookup.name(FOUND): ibis.literal(True)},
    )


def _same_kind(dtype: Any, column_type: str) -> bool:
    checks = {
        "str": dtype.is_string, "int": dtype.is_integer, "float": dtype.is_floating, "bool": dtype.is_boolean,
        "date": dtype.is_date, "ts": dtype.is_timestamp, "bytes": dtype.is_binary,
    }  # fmt: skip
    return bool(checks[column_type]())


__all__ = ["BROKEN", "DAY", "JUDGED", "ROW_KEY", "GateError", "MaskedRows", "bound", "check_tagged", "mask_rows"]
