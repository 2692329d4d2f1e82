"""Counts of a judgement by day, so that days judged apart add up to one verdict on the whole table."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from data_checks.gate_result import RuleFact

if TYPE_CHECKING:
    from data_checks.contracts import Contract

WHOLE = "all"  # the one day of a table that is not cut by days
HELD = "held"  # beside the classes of cleaning: rows of class `row` that stay out
RULES_SCHEMA = pa.schema(
    [
        ("day", pa.string()), ("rule_id", pa.string()), ("rows", pa.int64()), ("broken", pa.int64()),
        ("released", pa.int64()), ("rejected", pa.int64()),
    ]
)  # fmt: skip
FATES_SCHEMA = pa.schema([("day", pa.string()), ("fate", pa.string()), ("rows", pa.int64())])
_FATES = {
    "duplicate": "duplicates",
    "matched_cancellation": "matched_cancellations",
    "non_merchandise": "non_merchandise",
}
CLASSES = ("row", *_FATES)


@dataclass(frozen=True)
class Tallies:
    """`rules`: rows judged by, and rows that broke, a rule on a day; `fates`: rows of a class, or held back, on a day."""

    rules: pa.Table = field(default_factory=RULES_SCHEMA.empty_table)
    fates: pa.Table = field(default_factory=FATES_SCHEMA.empty_table)

    def joined(self, other: "Tallies") -> "Tallies":
        """Both, of different days."""
        return Tallies(pa.concat_tables([self.rules, other.rules]), pa.concat_tables([self.fates, other.fates]))

    def of(self, days: Collection[str], *, without: bool = False) -> "Tallies":
        """Those of `days`, or those of all other days."""
        wanted = pa.array(list(days), pa.string())

        def chosen(table: pa.Table) -> pa.Table:
            inside = pc.is_in(table["day"], wanted)
            return table.filter(pc.invert(inside) if without else inside)

        return Tallies(chosen(self.rules), chosen(self.fates))

    def facts(self, contract: "Contract", notes: Mapping[str, str]) -> tuple[RuleFact, ...]:
        """What every rule of the contract says over all these days; `notes` tells why one was not judged."""
        sums = self.rules.group_by("rule_id").aggregate(
            [(name, "sum") for name in ("rows", "broken", "released", "rejected")]
        )
        by_rule = {row["rule_id"]: row for row in sums.to_pylist()}
        facts = []
        for rule in contract.rules:
            row = by_rule.get(rule.rule_id, {})
            count = {name: row.get(f"{name}_sum") or 0 for name in ("rows", "broken", "released", "rejected")}
            facts.append(
                RuleFact(
                    rule_id=rule.rule_id,
                    kind=rule.kind,
                    column=", ".join(rule.columns),
                    description=rule.description,
                    rows=count["rows"],
                    failing=count["broken"] - count["released"] - count["rejected"],
                    released=count["released"],
                    rejected=count["rejected"],
                    tolerated_fraction=rule.tolerated_fraction,
                    quarantines=rule.quarantines,
                    note=notes.get(rule.rule_id, ""),
                )
            )
        return tuple(facts)

    def counts(self) -> dict[str, int]:
        """Rows by fate, `in` first, see `GateResult`."""
        sums = self.fates.group_by("fate").aggregate([("rows", "sum")])
        by_fate = dict(zip(sums["fate"].to_pylist(), sums["rows_sum"].to_pylist(), strict=True))
        held = by_fate.pop(HELD, 0)
        counts = {"in": sum(by_fate.values()), "good": by_fate.get("row", 0) - held, "quarantined": held}
        return counts | {name: by_fate.get(row_class, 0) for row_class, name in _FATES.items()}


def tally(contract: "Contract", *, judged: pa.Table, fates: pa.Table, broken: pa.Table, held: pa.Table) -> Tallies:
    """Tallies from the counts of one judgement.

    `judged`: (_day, _judged, rows), bit i of `_judged` for rule i; `fates`: (_day, _class, rows); `broken` and `held` as
    in `gate_verdicts.Sorted`.
    """
    seen = {rule.rule_id: _rows_judged(judged, position) for position, rule in enumerate(contract.rules)}
    counted = {(row["day"], row["rule_id"]): row for row in broken.to_pylist()}
    none = {"broken": 0, "released": 0, "rejected": 0}
    rules = [
        {"day": day, "rule_id": rule_id, "rows": rows, **{k: counted.get((day, rule_id), none)[k] for k in none}}
        for rule_id, days in seen.items()
        for day, rows in days.items()
    ]
    # A rejected row may be of a class that no rule judges any more; its verdicts count all the same.
    rules += [{"rows": 0, **row} for (day, rule_id), row in counted.items() if day not in seen.get(rule_id, {})]
    classes = fates.rename_columns(["day", "fate", "rows"]).cast(FATES_SCHEMA)
    out = held.append_column("fate", pa.array([HELD] * held.num_rows, pa.string())).select(FATES_SCHEMA.names)
    return Tallies(
        pa.Table.from_pylist(rules, schema=RULES_SCHEMA), pa.concat_tables([classes, out.cast(FATES_SCHEMA)])
    )


def _rows_judged(judged: pa.Table, position: int) -> dict[str, int]:
    """Day -> rows that the rule at `position` was held against."""
    asked = pc.not_equal(pc.bit_wise_and(judged["_judged"], 1 << position), 0)
    sums = judged.filter(asked).group_by("_day").aggregate([("rows", "sum")])
    return dict(zip(sums["_day"].to_pylist(), sums["rows_sum"].to_pylist(), strict=True))
