"""From raw to clean: tag every row, let the gate judge, set aside what broke a rule, pass on the rest."""

import hashlib
from typing import TYPE_CHECKING, Any

from orchestration.catalogue import TABLES
from orchestration.fingerprints import Stamp, fingerprint
from orchestration.ingest import TableOutcome
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from data_checks.decisions import Decisions

PARTITIONS = {spec.name: spec.partition_by for spec in TABLES}
CODE = ("orchestration/cleaning.py", "features/cleaning.py", "features/cleaning_text.py", "data_checks/gate.py")
OWN_CODE = {"transactions": ("features/cleaning_transactions.py",), "sales": ("features/cleaning_sales.py",)}
REFERENCES = {spec.name: spec.references for spec in TABLES}


def clean_table(workspace: Workspace, table: str, *, run_id: str) -> TableOutcome:
    """Judge `raw/<table>`; when it passes, replace `clean/<table>` by the good rows.

    When it does not, the clean table of the last run that passed stays, and the check stops what lies downstream. The
    steward's decisions are part of the inputs: a release makes the next run judge again.
    """
    from data_checks.contracts import load_contract

    lake, contract = workspace.lake, load_contract(table)
    if table not in workspace.source.tables:
        lake.write("clean", table, contract.empty(), fingerprint="absent")
        return TableOutcome(True, {"provided": False, "rows": 0}, {"note": "this source has no such table"})
    decisions = workspace.quarantine.decisions(table)
    made_from = fingerprint(
        code=(*CODE, *OWN_CODE.get(table, ()), f"data_checks/contracts/{table}.odcs.yaml"),
        inputs={
            "raw": lake.content_hash("raw", table),
            "references": {name: lake.content_hash("clean", name) for name in _references(workspace, table)},
            "decisions": _digest(decisions),
            "source": _source_facts(workspace, table),
        },
    )
    version, judged = lake.version("clean", table), workspace.history.runs(table)
    same = version is not None and version.fingerprint == made_from and _stamp(workspace, table).says(made_from)
    # A batch refused since then is what quarantine and site show: to go back means to judge again.
    if version is not None and same and judged and judged[-1].success:
        metadata = {**judged[-1].counts, "rows": version.rows, "content_hash": version.content_hash, "unchanged": True}
        return TableOutcome(True, metadata, _last_check(workspace, table))
    return _judge_and_write(workspace, table, decisions, made_from, run_id)


def _judge_and_write(
    workspace: Workspace, table: str, decisions: "Decisions", made_from: str, run_id: str
) -> TableOutcome:
    from data_checks.contracts import load_contract
    from data_checks.docs_site import build_site
    from data_checks.gate import judge

    lake, contract = workspace.lake, load_contract(table)
    con = workspace.connect()
    stamp = _stamp(workspace, table)
    references = {name: lake.read("clean", name, con) for name in _references(workspace, table)}
    tagged = _tag(workspace, table, contract, con)
    result = judge(tagged, contract, references=references, decisions=decisions, con=con)
    stamp.clear()
    workspace.quarantine.write(table, "all", result.failing)
    workspace.history.record(result, run_id=run_id)
    metadata: dict[str, Any] = {**result.counts, "unchanged": False}
    if result.success:
        version = lake.write(
            "clean",
            table,
            result.good,
            fingerprint=made_from,
            partition_by=PARTITIONS[table],
            sort_by=contract.primary_key,
        )
        metadata |= {"rows": version.rows, "content_hash": version.content_hash}
    build_site(workspace.site, history=workspace.history, quarantine=workspace.quarantine)
    stamp.write(made_from)
    return TableOutcome(result.success, metadata, _last_check(workspace, table))


def _stamp(workspace: Workspace, table: str) -> Stamp:
    """From what quarantine, history and site last heard of a table, whether it passed or not."""
    return Stamp(workspace.root / "judged" / f"{table}.json")


def _references(workspace: Workspace, table: str) -> list[str]:
    return [name for name in REFERENCES[table] if name in workspace.source.tables]


def _source_facts(workspace: Workspace, table: str) -> dict[str, Any]:
    """What the source says of itself beside its rows and `_tag_rows` goes by."""
    if table == "transactions":
        return dict(getattr(workspace.source, "transaction_rules", {}))
    return {"frequency": workspace.source.frequency} if table == "sales" else {}


def _last_check(workspace: Workspace, table: str) -> dict[str, Any]:
    """What the newest judgement of a table says in the UI: figures, the page to read, and what stops it."""
    last = workspace.history.runs(table)[-1]
    facts: dict[str, Any] = {
        "rules": len(last.facts),
        "rows failing": sum(fact.failing for fact in last.facts),
        "page": str(workspace.site / f"table-{table}.html"),
    }
    broken = [
        f"{fact.rule_id}: {fact.failing} of {fact.rows} rows fail ({fact.failing_fraction:.2%}), "
        f"{fact.tolerated_fraction:.2%} are tolerated"
        for fact in last.facts
        if fact.failing_fraction > fact.tolerated_fraction
    ]
    if broken:
        remedy = f"read `storeloop quarantine show {table}`, then release or reject the rows, or mend the source"
        facts |= {"broken": broken, "remedy": remedy}
    return facts


def _tag(workspace: Workspace, table: str, contract: Any, con: Any) -> Any:
    raw = workspace.lake.read("raw", table, con)
    return _repair_texts(_tag_rows(workspace, table, raw, contract), raw, contract)


def _tag_rows(workspace: Workspace, table: str, raw: Any, contract: Any) -> Any:
    if table == "transactions":
        from features.cleaning_transactions import TransactionRules, tag_transactions

        rules = TransactionRules(**getattr(workspace.source, "transaction_rules", {}))
        return tag_transactions(raw, contract, rules=rules)
    if table == "sales":
        from features.cleaning_sales import tag_sales

        return tag_sales(raw, contract, frequency=workspace.source.frequency)
    from features.cleaning import tag_table

    return tag_table(raw, contract)


def _repair_texts(tagged: Any, raw: Any, contract: Any) -> Any:
    """Mends wrong encodings in every column whose contract forbids them."""
    from features.cleaning import cast_value
    from features.cleaning_text import encoding_repairs, repair_column, suspicious_texts

    judged = {rule.column for rule in contract.rules if rule.kind == "pattern"}
    for column in [name for name in contract.column_names if name in judged and name in raw.columns]:
        # Of the raw table: to ask the tagged one would do the whole cleaning once more.
        texts = suspicious_texts(cast_value(raw[column], "str")).to_pyarrow()["text"].to_pylist()
        tagged = repair_column(tagged, column, encoding_repairs(texts))
    return tagged


def _digest(decisions: "Decisions") -> str:
    import pyarrow.compute as pc

    verdicts = decisions.verdicts
    joined = pc.binary_join_element_wise(*(verdicts[name] for name in verdicts.column_names), "\x1f").to_pylist()
    return hashlib.sha256("\n".join(sorted(joined)).encode()).hexdigest()
