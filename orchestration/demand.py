"""From clean tables to demand: dense sales, series and covariates, whichever road the source's tables take."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from orchestration.catalogue import DEMAND_TABLES
from orchestration.demand_days import blocks, sales_days, sales_of
from orchestration.fingerprints import Stamp, fingerprint
from orchestration.ingest import TableOutcome, changed_days, made_days
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    from data_checks.lake import TableVersion

NAMES = ("sales", "series", "covariates")
CODE = (
    "orchestration/demand.py",
    "orchestration/demand_days.py",
    "features/sales.py",
    "features/covariates.py",
    "features/cleaning_sales.py",
)
JUDGE = ("features/cleaning.py", "data_checks/gate.py", *(f"data_checks/contracts/{name}.odcs.yaml" for name in NAMES))


def build_demand(workspace: Workspace, *, force: Collection[str] = ()) -> dict[str, TableOutcome]:
    """Write `gold/sales`, `gold/series` and `gold/covariates` once all three were held against their contracts.

    When one of them does not pass, all three stay as they were: they speak of the same series. Of sales the days are made
    and judged whose rows or series changed, and those in `force`.
    """
    lake = workspace.lake
    made_from = fingerprint(code=(*CODE, *JUDGE), inputs=_inputs(workspace))
    stamp = Stamp(workspace.root / "judged" / "demand.json")
    present, said = {name: lake.version("gold", name) for name in NAMES}, stamp.facts()
    if (
        not force
        and stamp.says(made_from)
        and all(v is not None and said["content"].get(name) == v.content_hash for name, v in present.items())
    ):
        return {
            name: TableOutcome(
                True,
                {
                    **said[name]["metadata"],
                    **dict.fromkeys(said[name]["metadata"].keys() & {"days_made"}, 0),
                    "unchanged": True,
                    "rows": v.rows,
                    "content_hash": v.content_hash,
                },
                said[name]["check"],
            )
            for name, v in present.items()
            if v is not None
        }
    stamp.clear()
    build = _from_transactions if "transactions" in workspace.source.tables else _from_sales
    outcomes = build(workspace, made_from, frozenset(force))
    if all(outcome.passed for outcome in outcomes.values()):
        facts = {name: {"metadata": dict(o.metadata), "check": o.check_metadata} for name, o in outcomes.items()}
        stamp.write(made_from, {**facts, "content": {name: lake.content_hash("gold", name) for name in NAMES}})
    return outcomes


@dataclass(frozen=True)
class _Judgement:
    rows: Any
    outcome: TableOutcome


def _judge(name: str, table: Any, con: Any) -> _Judgement:
    from data_checks.contracts import load_contract
    from data_checks.decisions import Decisions
    from data_checks.gate import assess, conclude
    from data_checks.gate_rows import bound
    from features.cleaning import tag_table
    from orchestration.aside import call

    contract = load_contract(name)
    rows = bound(table, con)
    found = assess(tag_table(rows, contract), contract, references={}, decisions=Decisions(), con=con)
    result = call(conclude, contract, found.tallies, failing=found.failing, notes=found.notes)
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
        "tables": {name: lake.content_hash("clean", name) for name in DEMAND_TABLES},
        "delivered": lake.content_hash("raw", "sales"),
        "provided": sorted(source.tables & set(DEMAND_TABLES)),
        "frequency": source.frequency,
        "absent": getattr(source, "absent", None),
        "top_series": workspace.settings.top_series,
    }


def _from_transactions(workspace: Workspace, made_from: str, forced: frozenset[str]) -> dict[str, TableOutcome]:
    import ibis

    from features.sales import series_table

    lake, con = workspace.lake, workspace.connect()
    provided = workspace.source.tables
    products, stores = (lake.read("clean", n, con) if n in provided else None for n in ("products", "stores"))
    planned = sales_days(workspace, forced)
    series = _judge("series", series_table(ibis.memtable(planned.spans), products=products, stores=stores), con)
    covariates = _judge("covariates", _covariates(workspace, sorted(planned.made_from), con), con)
    with lake.update("gold", "sales", partition_by="period_start", sort_by=("series_id",)) as update:
        before = update.made_from()
        stale = [day for day, said in planned.made_from.items() if before.get(day) != said or day in forced]
        sales = TableOutcome(True, {"unchanged": not stale, "days": len(planned.made_from), "days_made": len(stale)})
        for block in list(blocks(stale, planned.spans.num_rows)) or ([] if update.before else [[]]):
            made = _judge("sales", sales_of(workspace, planned.spans, block, con := workspace.connect()), con)
            update.put(made.rows, made_from={day: planned.made_from[day] for day in block})
            sales = _added(sales, made.outcome)
        outcomes = {"sales": sales, "series": series.outcome, "covariates": covariates.outcome}
        if all(outcome.passed for outcome in outcomes.values()):
            _write(workspace, "series", series, made_from)
            _write(workspace, "covariates", covariates, made_from)
            version = update.commit(made_from, days=planned.made_from.keys())
            sales.metadata.update(rows=version.rows, content_hash=version.content_hash)
            outcomes["sales"] = replace(sales, made=made_days(version, stale))
    return outcomes


def _covariates(workspace: Workspace, days: Sequence[str], con: Any) -> Any:
    """Covariates of the clean tables; `days` are the ISO days of sales, ascending."""
    import ibis

    from data_checks.contracts import load_contract
    from features.covariates import build_covariates

    provided = workspace.source.tables
    told = [name for name in ("calendar", "weather_forecast", "promotions") if name in provided]
    told += ["price_plans"] if "price_plans" in provided and days else []
    if not told:
        return ibis.memtable(load_contract("covariates").empty())
    told += ["products"] if "products" in provided else []
    tables = {name: workspace.lake.read("clean", name, con) for name in told}
    span = (date.fromisoformat(days[0]), date.fromisoformat(days[-1])) if days else None
    return build_covariates(**tables, sales_days=span)


def _from_sales(workspace: Workspace, made_from: str, forced: frozenset[str]) -> dict[str, TableOutcome]:
    from features.cleaning_sales import densify

    lake, source, con = workspace.lake, workspace.source, workspace.connect()
    series = lake.read("clean", "series", con)
    sales = densify(
        lake.read("clean", "sales", con),
        series,
        frequency=source.frequency,
        absent=getattr(source, "absent", None),
        delivered=_delivered(lake.read("raw", "sales", con)),
    )
    built = {"sales": sales, "series": series, "covariates": lake.read("clean", "covariates", con)}
    judged = {name: _judge(name, table, con) for name, table in built.items()}
    outcomes = {name: judgement.outcome for name, judgement in judged.items()}
    if all(outcome.passed for outcome in outcomes.values()):
        before = lake.version("gold", "sales")
        version, *_ = [_write(workspace, name, judgement, made_from) for name, judgement in judged.items()]
        made = changed_days(before, version) | forced & version.partitions.keys()
        outcomes["sales"] = replace(outcomes["sales"], made=made_days(version, made))
    return outcomes


def _write(workspace: Workspace, name: str, judgement: _Judgement, made_from: str) -> "TableVersion":
    from data_checks.contracts import load_contract

    version = workspace.lake.write(
        "gold",
        name,
        judgement.rows,
        fingerprint=made_from,
        # Days are files here too, so that features see which of them changed.
        partition_by="period_start" if name == "sales" else None,
        sort_by=load_contract(name).primary_key,
    )
    judgement.outcome.metadata.update(rows=version.rows, content_hash=version.content_hash)
    return version


def _added(sales: TableOutcome, block: TableOutcome) -> TableOutcome:
    """What is said of all blocks so far and one more."""
    counts = {name: sales.metadata.get(name, 0) + n for name, n in block.metadata.items() if name != "unchanged"}
    broken = [*sales.check_metadata.get("broken", []), *block.check_metadata["broken"]]
    return TableOutcome(
        sales.passed and block.passed, {**sales.metadata, **counts}, {**block.check_metadata, "broken": broken}
    )


def _delivered(raw: Any) -> Any:
    """Every (series, period) the source spoke of, good or bad."""
    from features.cleaning import cast_value

    return raw.select(series_id=cast_value(raw.series_id, "str"), period_start=cast_value(raw.period_start, "date"))
