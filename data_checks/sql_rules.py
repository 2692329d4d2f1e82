"""Reads the SQL check of a contract into a row condition and the rows of other tables it looks at.

A check counts failing rows, so that it runs as it stands on any engine:
`SELECT COUNT(*) FROM ${table} [LEFT JOIN other AS name ON name.key = ${table}.column] WHERE <what is wrong>`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from data_checks.rules import Lookup

PLACEHOLDER = "${table}"


@dataclass(frozen=True)
class Used:
    """Own columns that a condition reads, and its lookups."""

    columns: tuple[str, ...]
    lookups: tuple[Lookup, ...]


def parse_query(query: str, table: str, columns: tuple[str, ...]) -> tuple[str, Used]:
    """The condition (looked-up columns as `<alias>__<column>`) and what it uses. Errors: ValueError with the remedy."""
    import sqlglot
    from sqlglot import exp

    try:
        tree: Any = sqlglot.parse_one(query.replace(PLACEHOLDER, table), read="duckdb")
    except sqlglot.ParseError as error:
        raise ValueError(f"no valid SQL: {error}") from error
    if (
        not isinstance(tree, exp.Select)
        or [e.sql() for e in tree.expressions] != ["COUNT(*)"]
        or not tree.args.get("where")
    ):
        raise ValueError("write SELECT COUNT(*) FROM ${table} ... WHERE <what is wrong with a row>")
    source = tree.find(exp.From)
    if source is None or source.this.sql() != table:
        raise ValueError("select from ${table}")
    joins = {join.this.alias_or_name: join for join in tree.args.get("joins") or ()}
    keys = {alias: _join_keys(join, alias, table, columns) for alias, join in joins.items()}
    own: list[str] = []
    read: dict[str, list[str]] = {alias: [] for alias in joins}
    where = tree.args["where"].this
    for column in where.find_all(exp.Column):
        if column.table in ("", table):
            _known(column.name, table, columns)
            own.append(column.name)
        elif column.table in joins:
            if column.name not in [theirs for _, theirs in keys[column.table]]:
                read[column.table].append(column.name)
        else:
            raise ValueError(f"{column.sql()} is of no joined table; there are {', '.join(joins) or 'none'}")
    flat = where.transform(lambda node: _flattened(node, joins, exp))
    lookups = tuple(
        Lookup(alias, join.this.name, keys[alias], tuple(dict.fromkeys(read[alias]))) for alias, join in joins.items()
    )
    return flat.sql(dialect="duckdb"), Used(tuple(dict.fromkeys(own)), lookups)


def merge_lookups(known: list[Lookup], more: Iterable[Lookup]) -> None:
    """Add lookups; one alias means one join, so equal ones unite their columns. Errors: ValueError on unequal ones."""
    for lookup in more:
        for position, other in enumerate(known):
            if other.alias == lookup.alias:
                if (other.table, set(other.on)) != (lookup.table, set(lookup.on)):
                    raise ValueError(f"{lookup.alias} already joins {other.table} on {other.on}: use another name")
                columns = tuple(dict.fromkeys((*other.columns, *lookup.columns)))
                known[position] = Lookup(other.alias, other.table, other.on, columns)
                break
        else:
            known.append(lookup)


def _join_keys(join: Any, alias: str, table: str, columns: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    from sqlglot import exp

    if join.side != "LEFT" or join.args.get("on") is None:
        raise ValueError(f"join {alias} as LEFT JOIN ... ON: the rows of the table itself must all stay")
    keys = []
    for part in join.args["on"].flatten() if isinstance(join.args["on"], exp.And) else [join.args["on"]]:
        sides = [part.this, part.expression] if isinstance(part, exp.EQ) else []
        if len(sides) != 2 or not all(isinstance(side, exp.Column) for side in sides):
            raise ValueError(f"join {alias} on equal columns, not on {part.sql()}")
        theirs = [side for side in sides if side.table == alias]
        mine = [side for side in sides if side.table in ("", table)]
        if len(theirs) != 1 or len(mine) != 1:
            raise ValueError(f"join {alias} on one of its columns and one own column, not on {part.sql()}")
        _known(mine[0].name, table, columns)
        keys.append((mine[0].name, theirs[0].name))
    return tuple(keys)


def _known(name: str, table: str, columns: tuple[str, ...]) -> None:
    if name not in columns:
        raise ValueError(f"{name} is no column of {table}: it has {', '.join(columns)}")


def _flattened(node: Any, joins: dict[str, Any], exp: Any) -> Any:
    if not isinstance(node, exp.Column):
        return node
    if node.table not in joins:
        return exp.column(node.name, quoted=True)
    # The key itself is kept under the name of the own column's partner, so that conditions may read it too.
    return exp.column(Lookup(node.table, "", (), ()).name(node.name), quoted=True)
