"""What a steward decided about quarantined rows: the record of one decision, and the verdicts in force for the gate."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import pyarrow as pa

Verdict = Literal["release", "reject"]
Scope = Literal["rows", "rule", "all"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

DECISIONS_SCHEMA = pa.schema([("_row_key", pa.string()), ("rule_id", pa.string()), ("verdict", pa.string())])


@dataclass(frozen=True)
class Decisions:
    """Verdicts in force for one table, one row per pair of row and broken rule: (`_row_key`, `rule_id`, `verdict`).

    `release` waives that rule for that row alone: other rules still hold it. `reject` on any pair keeps the whole row
    out for good. Neither counts as failing.
    """

    verdicts: pa.Table = field(default_factory=DECISIONS_SCHEMA.empty_table)

    def __len__(self) -> int:
        return int(self.verdicts.num_rows)


@dataclass(frozen=True)
class Decision:
    """One entry of the log: who decided what, when (UTC, ISO 8601) and why, on which rows and rules.

    `targets` holds pairs (rules, row keys): the rules that those rows broke when the decision was made, so that a row
    which turns bad later, or breaks another rule, is not waved through by an old decision.
    `overrules` counts the (row, rule) pairs whose earlier verdict was the opposite one.
    """

    decision_id: str
    table: str
    when: str
    who: str
    verdict: Verdict
    reason: str
    scope: Scope
    rule: str | None
    rows: int
    overrules: int
    targets: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = field(repr=False)

    def entry(self) -> dict[str, Any]:
        """The decision as one journal line."""
        targets = [{"rules": list(rules), "row_keys": list(keys)} for rules, keys in self.targets]
        return {**self.headline(), "targets": targets}

    def headline(self) -> dict[str, Any]:
        """The decision without its row keys: what lists and logs show."""
        names = ("decision_id", "table", "when", "who", "verdict", "reason", "scope", "rule", "rows", "overrules")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> "Decision":
        """Reads what `entry` wrote."""
        targets = tuple((tuple(group["rules"]), tuple(group["row_keys"])) for group in entry["targets"])
        return cls(**{**entry, "targets": targets})


class VerdictsInForce:
    """The last verdict on each (row, rule) pair of a table."""

    def __init__(self, log: Iterable[Decision]) -> None:
        self._by_row: dict[str, dict[str, Verdict]] = {}
        for decision in log:
            for rules, row_keys in decision.targets:
                verdicts = dict.fromkeys(rules, decision.verdict)
                for key in row_keys:
                    earlier = self._by_row.get(key)
                    # Rows of one decision may share one dict because none is ever changed in place.
                    self._by_row[key] = verdicts if earlier is None else {**earlier, **verdicts}

    def __bool__(self) -> bool:
        return bool(self._by_row)

    def of(self, row_key: str) -> Mapping[str, Verdict]:
        """{rule: verdict} of one row."""
        return self._by_row.get(row_key, {})

    def row_status(self, row_key: str, rules: Sequence[str], *, is_current: bool) -> str:
        """`rejected`, `released`, `open` (waits for a steward) or `gone` (left its source undecided)."""
        verdicts = self._by_row.get(row_key)
        if verdicts:
            if "reject" in verdicts.values():
                return "rejected"
            if all(rule in verdicts for rule in rules):
                return "released"
        return "open" if is_current else "gone"

    def to_decisions(self) -> Decisions:
        """All pairs as the table that the gate joins to its rows."""
        triples = [(key, rule, verdict) for key, row in self._by_row.items() for rule, verdict in row.items()]
        columns = list(zip(*triples, strict=True)) or [(), (), ()]
        return Decisions(pa.table([list(column) for column in columns], schema=DECISIONS_SCHEMA))
