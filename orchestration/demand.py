"""From clean tables to demand: dense sales, series and covariates, whichever road the source's tables take."""

from dataclasses import dataclass
from typing import Any

from orchestration.catalogue import TABLES
from orchestration.fingerprints import fingerprint
from orchestration.ingest import TableOutcome
from orchestration.workspace import Workspace

NAMES = ("sales", "series", "covariates")


@dataclass(frozen=True)
class _Demand:
    sales: Any
    series: Any
    covariates: Any


def build_demand(workspace: Workspace) -> dict[str, TableOutcome]:
    """Write `gold/sales`, `gold/series` and `gold/covariates`, each held against its contract first."""
    from data_checks.contracts import load_contract
    from data_checks.decisions import Decisions
    from data_checks.gate import judge
    from features.cleaning import tag_table

    lake = workspace.lake
    versions = {spec.name: lake.version("clean", spec.name) for spec in TABLES}
    made_from = fingerprint(
        code=("features/sales.py", "features/covariates.py", "features/cleaning_sales.py", "data_checks/contracts"),
        inputs={
            "tables": {name: v.content_hash for name, v in versions.items() if v is not None},
            "top_series": workspace.settings.top_series,
        },
    )
    present = {name: lake.version("gold", name) for name in NAMES}
    if all(v is not None and v.fingerprint == made_from for v in present.values()):
        return {
            name: TableOutcome(True, {"rows": v.rows, "unchanged": True, "content_hash": v.content_hash})
            for name, v in present.items()
            if v is not None
        }
    con = workspace.connect()
    built = (
        _from_transactions(workspace, con) if "transactions" in workspace.source.tables else _from_sales(workspace, con)
    )
    outcomes = {}
    for name in NAMES:
        contract = load_contract(name)
        rows = con.create_table(f"demand_{name}", getattr(built, name), temp=True)
        result = judge(tag_table(rows, contract), contract, references={}, decisions=Decisions(), con=con)
        passed = result.success or (name == "covariates" and result.counts["in"] == 0)
        metadata: dict[str, Any] = {**result.counts, "unchanged": False}
        if passed:
            version = lake.write(
                "gold", name, rows.select(*contract.column_names), fingerprint=made_from, sort_by=contract.primary_key
            )
            metadata |= {"rows": version.rows, "content_hash": version.content_hash}
        broken = [f"{fact.rule_id}: {fact.failing} of {fact.rows}" for fact in result.broken_rules]
        outcomes[name] = TableOutcome(passed, metadata, {"rules": len(result.facts), "broken": broken})
    return outcomes


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
