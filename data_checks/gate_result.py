"""What the gate says of one table: facts per rule, the verdict, good rows and rows that need a steward."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa


@dataclass(frozen=True)
class RuleFact:
    """One rule on one table.

    `rows` are those the rule applies to, `failing` those that break it and that no steward has decided on; rows a
    steward has `released` from the rule, or `rejected` altogether, do not count as failing. `note` says why a rule was
    not judged (then `rows` is 0), else it is empty. `quarantines` is False for rules that only count.
    """

    rule_id: str
    kind: str
    column: str
    description: str
    rows: int
    failing: int
    released: int
    rejected: int
    tolerated_fraction: float
    quarantines: bool
    note: str = ""

    @property
    def failing_fraction(self) -> float:
        """Failing share of the rows judged; 0 where none were."""
        return self.failing / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class Verdict:
    """The gate's word on one table, or on some days of it.

    - `success`: Great Expectations' verdict over the facts; `validation`: its whole result as a JSON-able dict.
    - `failing`: rows that need a steward's eye: `_row_key`, `_class`, `held` (kept out of `good`), `rules` (every rule
      that the row breaks), `raw` (the row as JSON), and the contract columns as text. Beside held rows it has copies
      and repaired rows, which count as failing until somebody accepts them, so that a release can let a batch pass.
    - `counts`: rows by fate, `in` first:
      in = good + quarantined + duplicates + matched_cancellations + non_merchandise.
    """

    table: str
    success: bool
    facts: tuple[RuleFact, ...]
    counts: Mapping[str, int]
    failing: "pa.Table"
    validation: Mapping[str, Any]

    @property
    def quarantined(self) -> "pa.Table":
        """The rows of `failing` that are kept out of `good`."""
        return self.failing.filter(self.failing["held"])

    @property
    def broken_rules(self) -> tuple[RuleFact, ...]:
        """Facts of the rules that stop the table: failing beyond tolerance."""
        return tuple(fact for fact in self.facts if fact.failing_fraction > fact.tolerated_fraction)

    def fact(self, rule_id: str) -> RuleFact:
        """The fact of one rule. Errors: KeyError naming the rules there are."""
        for fact in self.facts:
            if fact.rule_id == rule_id:
                return fact
        raise KeyError(f"{self.table} has no rule {rule_id!r}: it has {', '.join(f.rule_id for f in self.facts)}")


@dataclass(frozen=True)
class GateResult(Verdict):
    """A verdict with the rows it was reached on: `good` are those that may go on, contract columns only (lazy; lives as
    long as the connection)."""

    good: "ibis.Table"
