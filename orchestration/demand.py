"""From clean tables to demand: dense sales, series and covariates, whichever road the source's tables take."""

from dataclasses import dataclass
from typing import Any

from orchestration.catalogue import TABLES
from orchestration.fingerprints import Stamp, fingerprint
from orchestration.ingest import TableOutcome
from orchestration.workspace import Workspace

NAMES = ("sales", "series", "covariates")
CODE = ("orchestration/demand.py", "features/sales.py", "features/covariates.py", "features/cleaning_sales.py")
JUDGE = ("features/cleaning.py", "data_checks/gate.py", *(f"data_checks/contracts/{name}.odcs.yaml" for name in NAMES))


@dataclass(frozen=True)
class _Demand:
    sales: Any
    series: Any
    covariates: Any


def build_demand(workspace: Workspace) -> dict[str, TableOutcome]:
    """Write `gold/sales`, `gold/series` and `gold/covariates` once all three were held against their contracts.

    When one of them does not pass, all three stay as they were: they speak of the same series.
    """
    from data_checks.contracts import load_contract

    lake = workspace.lake
    made_from = fingerprint(code=(*CODE, *JUDGE), inputs=_inputs(workspace))
    present = {name: lake.version("gold", name) for name in NAMES}
    stamp = Stamp(workspace.root / "judged" / "demand.json")
    said = stamp.facts()
    if stamp.says(made_from) and all(v is not None and v.fingerprint == made_from for v in present.values()):
        return {
            name: TableOutcome(
                True,
                {**said[name]["metadata"], "unchanged": True, "rows": v.rows, "content_hash": v.content_hash},
                said[name]["check"],
            )
            for name, v in present.items()
            if v is not None
        }
    con = workspace.connect()
    built = (
        _from_transactions(workspace, con) if "transactions" in workspace.source.tables else _from_sales(workspace, con)
    )
    judged = {name: _judge(name, getattr(built, name), con) for name in NAMES}
    outcomes = {name: judgement.outcome for name, judgement in judged.items()}
    if not all(outcome.passed for outcome in outcomes.values()):
        return outcomes
    facts = {name: {"metadata": dict(o.metadata), "check": o.check_metadata} for name, o in outcomes.items()}
    for name, judgement in judged.items():
        key = load_contract(name).primary_key
        version = lake.write("gold", name, judgement.rows, fingerprint=made_from, sort_by=key)
        outcomes[name].metadata.update(rows=version.rows, content_hash=version.content_hash)
    stamp.write(made_from, facts)
    return outcomes


@dataclass(frozen=True)
class _Judgement:
    rows: Any
    outcome: TableOutcome


def _judge(name: str, table: Any, con: Any) -> _Judgement:
    from data_checks.contracts import load_contract
    from data_checks.decisions import Decisions
    from data_checks.gate import judge
    from features.cleaning import tag_table

    contract = load_contract(name)
    rows = con.create_table(f"demand_{name}", table, temp=True)
    result = judge(tag_table(rows, contract), contract, references={}, decisions=Decisions(), con=con)
    passed = result.success or (name == "covariates" and result.counts["in"] == 0)
    broken = [f"{fact.rule_id}: {fact.failing} of {fact.rows}" for fact in result.broken_rules]
    outcome = TableOutcome(
        passed, {**result.counts, "unchanged": False}, {"rules": len(result.facts), "broken": broken}
    )
    return _Judgement(rows.select(*contract.column_names), outcome)


def _inputs(workspace: Workspace) -> dict[str, Any]:
    """Content of what is read, and what the source says of itself beside its rows."""
    lake, source = workspace.lake, workspace.source
    return {
        "tables": {spec.name: lake.content_hash("clean", spec.name) for spec in TABLES},
        "delivered": lake.content_hash("raw", "sales"),
        "provided": source.tables,
        "frequency": source.frequency,
        "absent": getattr(source, "absent", None),
        "top_series": workspace.settings.top_series,
    }


def _from_transactions(workspace: Workspace, con: Any) -> _Demand:
    import ibis

    from data_checks.contracts import load_contract
    from features.covariates import build_covariates
    from features.sales import daily_sales

    provided = workspace.source.tables

    def table(name: str) -> Any:
        return workspace.lake.read("clean", name, con) if name in provided else None

    inventory = table("inventory")
    built = daily_sales(
        table("transactions"),
        products=table("products"),
        stores=table("stores"),
        inventory=inventory,
        top_series=None if inventory is not None else workspace.settings.top_series,
    )
    given = {name: table(name) for name in ("calendar", "weather_forecast", "promotions") if name in provided}
    covariates = build_covariates(**given) if given else ibis.memtable(load_contract("covariates").empty())
    return _Demand(built.sales, built.series, covariates)


def _from_sales(workspace: Workspace, con: Any) -> _Demand:
    from features.cleaning_sales import densify

    lake, source = workspace.lake, workspace.source
    series = lake.read("clean", "series", con)
    sales = densify(
        lake.read("clean", "sales", con),
        series,
        frequency=source.frequency,
        absent=getattr(source, "absent", None),
        delivered=_delivered(lake.read("raw", "sales", con)),
    )
    return _Demand(sales, series, lake.read("clean", "covariates", con))


def _delivered(raw: Any) -> Any:
    """Every (series, period) the source spoke of, good or bad."""
    from features.cleaning import cast_value

    return raw.select(series_id=cast_value(raw.series_id, "str"), period_start=cast_value(raw.period_start, "date"))
