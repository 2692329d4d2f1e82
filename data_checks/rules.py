"""Rules of a contract: one SQL condition each, true where a row fails, null where the rule does not apply."""

from dataclasses import dataclass
from typing import Literal

RuleKind = Literal[
    "type", "required", "duplicate", "unique", "allowed", "between", "pattern", "repaired", "reference", "expression"
]

# Names that conditions use beside contract columns; cleaning delivers them with every tagged row.
ROW_KEY, ROW_CLASS, REPAIRED, TYPE_ERRORS = "_row_key", "_class", "_repaired", "_type_errors"
TAG_COLUMNS = (ROW_KEY, ROW_CLASS, REPAIRED, TYPE_ERRORS)
REPEATS_KEY = "_repeats_key"  # made by the gate: another row of class `row` has the same primary key
FOUND = "found"  # made by the gate for each lookup: true where the other table has the row


@dataclass(frozen=True)
class Lookup:
    """A row of another table (or of this one) that conditions may read as `<alias>__<column>`."""

    alias: str
    table: str
    on: tuple[tuple[str, str], ...]  # (own column, its column)
    columns: tuple[str, ...]  # beyond the key

    def name(self, column: str) -> str:
        """Name of one of its columns in a condition."""
        return f"{self.alias}__{column}"


@dataclass(frozen=True)
class Rule:
    """One promise about the rows.

    `condition` is DuckDB SQL over contract columns, tag columns and looked-up columns. A rule that `quarantines` keeps
    the rows that break it out of the clean table; one that does not only counts them against `tolerated_fraction` (of
    the rows it applies to). The rest is what the condition was made from.
    """

    rule_id: str
    kind: RuleKind
    columns: tuple[str, ...]
    condition: str
    tolerated_fraction: float
    description: str
    dimension: str
    quarantines: bool = True
    lookups: tuple[str, ...] = ()  # aliases it reads
    allowed: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    strict_minimum: bool = False
    strict_maximum: bool = False
    forbidden_pattern: str | None = None

    @property
    def column(self) -> str | None:
        """The one column it is about, if it is about one."""
        return self.columns[0] if len(self.columns) == 1 else None


def quoted(name: str) -> str:
    """A column name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def type_rule(column: str, type_name: str, tolerated: float) -> Rule:
    """Cleaning could not read the delivered value as the column's type."""
    failed = f"coalesce(contains('; ' || {quoted(TYPE_ERRORS)}, {literal(f'; {column}=')}), false)"
    text = f"{column} can be read as {type_name}."
    return Rule(f"type:{column}", "type", (column,), failed, tolerated, text, "conformity")


def required_rule(column: str, tolerated: float) -> Rule:
    """The column is never null."""
    text = f"{column} is never empty."
    return Rule(
        f"required:{column}", "required", (column,), f"{quoted(column)} IS NULL", tolerated, text, "completeness"
    )


def duplicate_rule(tolerated: float) -> Rule:
    """Exact copies of a row; cleaning has put them into the class `duplicate` already."""
    return Rule(
        "duplicate:row", "duplicate", (), f"{quoted(ROW_CLASS)} = 'duplicate'", tolerated,
        "No row is delivered twice. Copies are set aside, the first one stays.", "uniqueness", quarantines=False,
    )  # fmt: skip


def unique_rule(columns: tuple[str, ...], required: tuple[str, ...], tolerated: float) -> Rule:
    """Different rows that claim the same primary key: nobody can say which is right, so all are held.

    A row that lacks a required part of the key breaks `required` already and is not judged twice.
    """
    complete = " AND ".join(f"{quoted(c)} IS NOT NULL" for c in required)
    condition = f"CASE WHEN {quoted(ROW_CLASS)} = 'row' AND {complete} THEN {quoted(REPEATS_KEY)} END"
    text = f"No two different rows share the key ({', '.join(columns)})."
    return Rule("unique:primary_key", "unique", columns, condition, tolerated, text, "uniqueness")


def allowed_rule(column: str, values: tuple[str, ...], tolerated: float, text: str | None) -> Rule:
    """The column takes one of a list of values."""
    condition = f"{quoted(column)} NOT IN ({', '.join(literal(v) for v in values)})"
    text = text or f"{column} is one of {', '.join(values)}."
    return Rule(f"allowed:{column}", "allowed", (column,), condition, tolerated, text, "conformity", allowed=values)


def between_rule(
    column: str, minimum: float | None, maximum: float | None, strict: tuple[bool, bool], tolerated: float
) -> Rule:
    """The column lies within bounds; `strict` says for (minimum, maximum) whether the bound itself is out."""
    tests, words = [], []
    if minimum is not None:
        tests.append(f"{quoted(column)} {'<=' if strict[0] else '<'} {minimum}")
        words.append(f"{'above' if strict[0] else 'at least'} {minimum:g}")
    if maximum is not None:
        tests.append(f"{quoted(column)} {'>=' if strict[1] else '>'} {maximum}")
        words.append(f"{'below' if strict[1] else 'at most'} {maximum:g}")
    return Rule(
        f"between:{column}", "between", (column,), f"({' OR '.join(tests)})", tolerated,
        f"{column} is {' and '.join(words)}.", "conformity", minimum=minimum, maximum=maximum,
        strict_minimum=strict[0], strict_maximum=strict[1],
    )  # fmt: skip


def pattern_rules(
    column: str, forbidden: str, tolerated: float, tolerated_repairs: float, text: str
) -> tuple[Rule, Rule]:
    """Text that matches a forbidden pattern, and text that cleaning has mended so that it no longer does."""
    unmended = Rule(
        f"pattern:{column}", "pattern", (column,), f"regexp_matches({quoted(column)}, {literal(forbidden)})", tolerated,
        text, "accuracy", forbidden_pattern=forbidden,
    )  # fmt: skip
    mended = Rule(
        f"repaired:{column}", "repaired", (column,),
        f"coalesce(contains({quoted(REPAIRED)}, {literal(f'{column}: ')}), false)", tolerated_repairs,
        f"{column} needs no repair. Repaired rows go on; this counts them, because a broken feed shows here first.",
        "accuracy", quarantines=False,
    )  # fmt: skip
    return unmended, mended


def expression_rule(
    name: str,
    columns: tuple[str, ...],
    failed: str,
    tolerated: float,
    text: str,
    dimension: str,
    lookups: tuple[str, ...],
) -> Rule:
    """What the contract says in SQL of its own, about rows of class `row`.

    A copy is left to the rule `duplicate`: what it says about other rows (a return finds a sale) its original has said.
    """
    condition = f"CASE WHEN {quoted(ROW_CLASS)} = 'row' THEN {failed} END"
    return Rule(name, "expression", columns, condition, tolerated, text, dimension, lookups=lookups)


def reference_rule(lookup: Lookup, tolerated: float, text: str | None) -> Rule:
    """The row that the columns point at exists."""
    own = tuple(mine for mine, _ in lookup.on)
    complete = " AND ".join(f"{quoted(c)} IS NOT NULL" for c in own)
    condition = f"CASE WHEN {complete} THEN {quoted(lookup.name(FOUND))} IS NULL END"
    text = text or f"{', '.join(own)} is in {lookup.table}."
    return Rule(
        f"reference:{own[0]}", "reference", own, condition, tolerated, text, "consistency", lookups=(lookup.alias,)
    )
