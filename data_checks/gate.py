"""The gate between tagged rows and the clean table: facts from the engine, verdict from Great Expectations."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from data_checks.contracts import Contract
from data_checks.decisions import Decisions
from data_checks.gate_result import GateResult, RuleFact
from data_checks.gate_rows import BROKEN, JUDGED, GateError, bound, check_tagged, mask_rows, stored
from data_checks.gate_verdicts import Sorted, sort_out
from data_checks.rules import REPAIRED, ROW_CLASS, ROW_KEY, TYPE_ERRORS

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

__all__ = ["Decisions", "GateError", "GateResult", "RuleFact", "judge"]

CLASS_COUNTS = {
    "duplicate": "duplicates",
    "matched_cancellation": "matched_cancellations",
    "non_merchandise": "non_merchandise",
}


def judge(
    rows: "ibis.Table",
    contract: Contract,
    *,
    references: Mapping[str, "ibis.Table"],
    decisions: Decisions,
    con: Any,
    provided: bool = True,
) -> GateResult:
    """Judge tagged rows by a strict contract.

    `rows` carry the contract's columns and `_row_key`, `_class`, `_repaired`, `_type_errors` (see `features.cleaning`);
    rows of class `row` and `duplicate` are judged (copies not by expression rules). `references` are the clean tables
    that rules look into; a rule whose table is not among them is not judged and says so in its fact. A table that
    refers to itself is looked up in `rows` and, where given, in `references` too (earlier batches). `provided=False`
    says that the source has no such table, so that an empty one passes. Dirty data never raises. Errors: GateError for
    rows that lack columns, types or tags.
    """
    check_tagged(rows, contract)
    rows = bound(rows, con)
    masked = mask_rows(rows, contract, references, con)
    classes = _count_by(rows, ROW_CLASS, con)
    unknown = sorted(set(classes) - {"row", *CLASS_COUNTS}, key=str)
    if unknown:
        raise GateError(f"{contract.name}: {ROW_CLASS} has {unknown}; cleaning knows row, {', '.join(CLASS_COUNTS)}")
    # Kept narrow and only while needed, so that conditions and lookups are worked out once.
    with stored(masked.table, con) as masks:
        judged = _count_by(masks, JUDGED, con)
        flagged = _flagged(masks, rows, decisions, contract, con)
    sorted_rows = sort_out(flagged, contract, decisions)
    facts = _facts(contract, judged, sorted_rows, masked.notes)
    total = sum(classes.values())
    validation = _validate(contract, facts, total, provided=provided)
    held = sorted_rows.held_keys
    counts = {"in": total, "good": classes.get("row", 0) - len(held), "quarantined": len(held)}
    counts |= {name: classes.get(row_class, 0) for row_class, name in CLASS_COUNTS.items()}
    return GateResult(
        table=contract.name,
        success=bool(validation["success"]),
        facts=facts,
        counts=counts,
        good=_good(rows, contract, held),
        failing=sorted_rows.failing,
        validation=validation,
    )


def _count_by(table: "ibis.Table", column: str, con: Any) -> dict[Any, int]:
    counted = con.to_pyarrow(table.group_by(column).agg(n=lambda t: t.count()))
    return dict(zip(counted[column].to_pylist(), counted["n"].to_pylist(), strict=True))


def _flagged(masks: "ibis.Table", rows: "ibis.Table", decisions: Decisions, contract: Contract, con: Any) -> "pa.Table":
    """Rows that break a rule, and rejected rows even if they break none any more; contract columns as text."""
    import ibis
    import pyarrow as pa
    import pyarrow.compute as pc

    text = {name: rows[name].cast("string") for name in contract.column_names}
    spelt = rows.select(ROW_KEY, ROW_CLASS, REPAIRED, TYPE_ERRORS, **text)
    broken = masks.filter(masks[BROKEN] != 0).select(ROW_KEY, BROKEN)
    verdicts = decisions.verdicts
    rejected = verdicts.filter(pc.equal(verdicts["verdict"], "reject")).select([ROW_KEY])
    if rejected.num_rows:
        whole = masks.filter(masks[BROKEN] == 0).select(ROW_KEY, BROKEN).semi_join(ibis.memtable(rejected), ROW_KEY)
        broken = broken.union(whole)
    flagged: pa.Table = con.to_pyarrow(spelt.inner_join(broken, ROW_KEY))
    return flagged


def _facts(
    contract: Contract, judged: Mapping[int, int], sorted_rows: Sorted, notes: Mapping[str, str]
) -> tuple[RuleFact, ...]:
    facts = []
    for position, rule in enumerate(contract.rules):
        tally = sorted_rows.tallies[rule.rule_id]
        facts.append(
            RuleFact(
                rule_id=rule.rule_id,
                kind=rule.kind,
                column=", ".join(rule.columns),
                description=rule.description,
                rows=sum(rows for mask, rows in judged.items() if mask >> position & 1),
                failing=tally.broken - tally.released - tally.rejected,
                released=tally.released,
                rejected=tally.rejected,
                tolerated_fraction=rule.tolerated_fraction,
                quarantines=rule.quarantines,
                note=notes.get(rule.rule_id, ""),
            )
        )
    return tuple(facts)


def _validate(contract: Contract, facts: tuple[RuleFact, ...], total: int, *, provided: bool) -> dict[str, Any]:
    """Great Expectations' result over the facts, each rule's counts written beside its verdict."""
    import pandas as pd

    from data_checks.suites import ROWS, suite_on_facts, validate

    frame = pd.DataFrame([{ROWS: total, **{fact.rule_id: fact.failing_fraction for fact in facts}}])
    validation = validate(suite_on_facts(contract, provided=provided), frame)
    by_rule = {fact.rule_id: fact for fact in facts}
    for result in validation["results"]:
        fact = by_rule.get(result["expectation_config"]["meta"]["rule_id"])
        if fact is not None:
            # The names that Great Expectations itself gives to counts of rows.
            result["result"] |= {
                "element_count": fact.rows,
                "unexpected_count": fact.failing,
                "unexpected_percent": 100 * fact.failing_fraction,
            }
    return validation


def _good(rows: "ibis.Table", contract: Contract, held: "pa.Array") -> "ibis.Table":
    import ibis
    import pyarrow as pa

    good = rows.filter(rows[ROW_CLASS] == "row")
    if len(held):
        good = good.anti_join(ibis.memtable(pa.table({ROW_KEY: held})), ROW_KEY)
    schema = contract.ibis_schema()
    return good.select(**{name: good[name].cast(schema[name]) for name in contract.column_names})
