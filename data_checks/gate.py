"""The gate between tagged rows and the clean table: facts from the engine, verdict from Great Expectations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data_checks.contracts import Contract
from data_checks.decisions import Decisions
from data_checks.gate_result import GateResult, RuleFact, Verdict
from data_checks.gate_rows import BROKEN, DAY, JUDGED, GateError, bound, check_tagged, mask_rows, stored
from data_checks.gate_tallies import CLASSES, WHOLE, Tallies, tally
from data_checks.gate_verdicts import sort_out
from data_checks.lake_files import UNDATED
from data_checks.rules import REPAIRED, ROW_CLASS, ROW_KEY, TYPE_ERRORS

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

__all__ = ["Assessment", "Decisions", "GateError", "GateResult", "RuleFact", "Verdict", "assess", "conclude", "judge"]


@dataclass(frozen=True)
class Assessment:
    """What the engine found in some rows, before any verdict: counts by day, `failing` rows as in `Verdict`, `good` rows
    as in `GateResult`, and `notes`: rule id -> why it could not be judged."""

    tallies: Tallies
    failing: "pa.Table"
    good: "ibis.Table"
    notes: Mapping[str, str]


def judge(
    rows: "ibis.Table",
    contract: Contract,
    *,
    references: Mapping[str, "ibis.Table"],
    decisions: Decisions,
    con: Any,
    provided: bool = True,
) -> GateResult:
    """Judge a whole table of tagged rows by a strict contract: `assess`, then `conclude`.

    `provided=False` says that the source has no such table, so that an empty one passes. Dirty data never raises.
    """
    found = assess(rows, contract, references=references, decisions=decisions, con=con)
    verdict = conclude(contract, found.tallies, failing=found.failing, notes=found.notes, provided=provided)
    return GateResult(**vars(verdict), good=found.good)


def assess(
    rows: "ibis.Table",
    contract: Contract,
    *,
    references: Mapping[str, "ibis.Table"],
    decisions: Decisions,
    con: Any,
    day: str | None = None,
    repeated_elsewhere: "ibis.Table | None" = None,
) -> Assessment:
    """Hold tagged rows against every rule of a contract.

    `rows` carry the contract's columns and `_row_key`, `_class`, `_repaired`, `_type_errors` (see `features.cleaning`);
    rows of class `row` and `duplicate` are judged (copies not by expression rules). `references` are the clean tables
    that rules look into; a rule whose table is not among them is not judged and says so in its fact. A table that
    refers to itself is looked up in `rows` and, where given, in `references` too (earlier batches). `day` names a date
    column to count by; `repeated_elsewhere` holds primary keys that rows outside `rows` have as well. Errors: GateError
    for rows that lack columns, types or tags.
    """
    import ibis

    check_tagged(rows, contract)
    rows = bound(rows, con)
    rows = rows.mutate(**{DAY: ibis.literal(WHOLE) if day is None else rows[day].cast("string").fill_null(UNDATED)})
    elsewhere = None if repeated_elsewhere is None else bound(repeated_elsewhere, con)
    masked = mask_rows(rows, contract, references, con, elsewhere)
    fates = _count_by(rows, [DAY, ROW_CLASS], con)
    unknown = sorted(set(fates[ROW_CLASS].to_pylist()) - set(CLASSES), key=str)
    if unknown:
        raise GateError(f"{contract.name}: {ROW_CLASS} has {unknown}; cleaning knows {', '.join(CLASSES)}")
    # Kept narrow and only while needed, so that conditions and lookups are worked out once.
    with stored(masked.table, con) as masks:
        judged = _count_by(masks, [DAY, JUDGED], con)
        flagged = _flagged(masks, rows, decisions, contract, con)
    sorted_rows = sort_out(flagged, contract, decisions)
    tallies = tally(contract, judged=judged, fates=fates, broken=sorted_rows.broken, held=sorted_rows.held)
    return Assessment(tallies, sorted_rows.failing, _good(rows, contract, sorted_rows.held_keys), masked.notes)


def conclude(
    contract: Contract,
    tallies: Tallies,
    *,
    failing: "pa.Table",
    notes: Mapping[str, str],
    provided: bool = True,
) -> Verdict:
    """Great Expectations' verdict over counts: of a whole table, or of the days that `tallies` has."""
    facts, counts = tallies.facts(contract, notes), tallies.counts()
    validation = _validate(contract, facts, counts["in"], provided=provided)
    return Verdict(
        table=contract.name,
        success=bool(validation["success"]),
        facts=facts,
        counts=counts,
        failing=failing,
        validation=validation,
    )


def failing_rows(contract: Contract) -> "pa.Table":
    """No failing rows, with the columns that failing rows have."""
    import pyarrow as pa

    keys = {
        ROW_KEY: pa.string(),
        ROW_CLASS: pa.string(),
        "held": pa.bool_(),
        "rules": pa.list_(pa.string()),
        "raw": pa.string(),
    }
    return pa.schema([*keys.items(), *((name, pa.string()) for name in contract.column_names)]).empty_table()


def _count_by(table: "ibis.Table", columns: list[str], con: Any) -> "pa.Table":
    counted: pa.Table = con.to_pyarrow(table.group_by(columns).agg(rows=lambda t: t.count()))
    return counted


def _flagged(masks: "ibis.Table", rows: "ibis.Table", decisions: Decisions, contract: Contract, con: Any) -> "pa.Table":
    """Rows that break a rule, and rejected rows even if they break none any more; contract columns as text."""
    import ibis
    import pyarrow as pa
    import pyarrow.compute as pc

    text = {name: _as_text(rows[name]) for name in contract.column_names}
    spelt = rows.select(ROW_KEY, DAY, ROW_CLASS, REPAIRED, TYPE_ERRORS, **text)
    broken = masks.filter(masks[BROKEN] != 0).select(ROW_KEY, BROKEN)
    verdicts = decisions.verdicts
    rejected = verdicts.filter(pc.equal(verdicts["verdict"], "reject")).select([ROW_KEY])
    if rejected.num_rows:
        whole = masks.filter(masks[BROKEN] == 0).select(ROW_KEY, BROKEN).semi_join(ibis.memtable(rejected), ROW_KEY)
        broken = broken.union(whole)
    flagged: pa.Table = con.to_pyarrow(spelt.inner_join(broken, ROW_KEY))
    return flagged


def _as_text(column: Any) -> Any:
    """As a page shows it: of bytes what they are known by, for a file is no text and would fill the page."""
    text = column.cast("string")
    return "bytes with MD5 " + text.hexdigest("md5") if column.type().is_binary() else text


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
