"""What a contract says, as small frozen objects; `contracts` finds and reads them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data_checks.column_types import TYPE_NAMES, ColumnType, arrow_type
from data_checks.rules import Lookup, Rule

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIX = ".odcs.yaml"
RAW = "_raw"


class ContractError(ValueError):
    """A contract file, or a table held against it, is wrong: the message names file, field, value and remedy."""


@dataclass(frozen=True)
class Column:
    """One column: its type, its unit (None for names, keys and flags) and whether a null is allowed.

    `known_ahead` is "never", "always", or the column that says from when a future value was known.
    In a raw contract `required` means that the column must be delivered.
    """

    name: str
    type: ColumnType
    description: str
    required: bool
    unit: str | None = None
    known_ahead: str = "never"
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Freshness:
    """The newest `column` is at most `days` old on an ordinary day."""

    column: str
    days: float


@dataclass(frozen=True)
class Contract:
    """A table's promise. `tolerated_fraction` holds for rules that state none of their own; `currency` is ISO 4217."""

    name: str
    title: str
    version: str
    status: str
    purpose: str
    usage: str
    limitations: str
    granularity: str
    domain: str
    owner: str
    contact: str
    currency: str
    tolerated_fraction: float
    known_ahead: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    partition_by: str | None
    minimum_rows: int
    freshness: Freshness | None
    lookups: tuple[Lookup, ...]
    rules: tuple[Rule, ...]
    text: str  # the file itself, for the contract page

    @property
    def lenient(self) -> bool:
        """Whether this is a raw contract: columns of any type, no rules on values."""
        return self.name.endswith(RAW)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name. Errors: ContractError naming the columns there are."""
        for column in self.columns:
            if column.name == name:
                return column
        raise ContractError(f"contract {self.name} has no column {name!r}: it has {', '.join(self.column_names)}")

    def rule(self, rule_id: str) -> Rule:
        """The rule of that id. Errors: ContractError naming the rules there are."""
        for rule in self.rules:
            if rule.rule_id == rule_id:
                return rule
        known = ", ".join(rule.rule_id for rule in self.rules)
        raise ContractError(f"contract {self.name} has no rule {rule_id!r}: it has {known}")

    def arrow_schema(self) -> "pa.Schema":
        """Arrow schema in contract order, every field nullable (raw contracts: all text)."""
        import pyarrow as pa

        return pa.schema([pa.field(column.name, arrow_type(column.type)) for column in self.columns])

    def ibis_schema(self) -> Any:
        """The same as an `ibis.Schema`."""
        import ibis

        return ibis.schema({column.name: TYPE_NAMES[column.type].ibis for column in self.columns})

    def pandas_dtypes(self) -> dict[str, str]:
        """Column name -> pandas dtype that keeps nulls apart from values."""
        return {column.name: TYPE_NAMES[column.type].pandas for column in self.columns}

    def empty(self) -> "pa.Table":
        """A table with the contract's columns and no rows: what a source that lacks the table delivers."""
        return self.arrow_schema().empty_table()
