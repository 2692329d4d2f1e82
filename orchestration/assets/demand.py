"""Demand: one dense sales table, whatever the source delivered, with its series and covariates."""

import dagster as dg

from orchestration.catalogue import TABLES
from orchestration.days import DAYS, HOW_TO_CHOOSE, ONE_RUN, chosen, report_days, sync_days
from orchestration.resources import WorkspaceResource

DEMAND_TABLES = {
    "sales": "Units or revenue of every series and period on a regular grid; closed and censored periods are marked. "
    f"By day. {HOW_TO_CHOOSE}",
    "series": "Every series with its keys, its place in the hierarchy and its first and last period.",
    "covariates": "What is known beside sales, with the day it became known: calendar, promotions, forecasts as issued.",
}


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            ["demand", name],
            deps=[dg.AssetKey(["clean", spec.name]) for spec in TABLES],
            group_name="demand",
            owners=["team:ml-engineers"],
            kinds={"duckdb", "parquet"},
            description=description,
            partitions_def=DAYS if name == "sales" else None,
        )
        for name, description in DEMAND_TABLES.items()
    ],
    check_specs=[
        dg.AssetCheckSpec(
            "contract",
            asset=dg.AssetKey(["demand", name]),
            blocking=True,
            description="The table that models read keeps its contract.",
        )
        for name in DEMAND_TABLES
    ],
    backfill_policy=ONE_RUN,
)
def demand(context: dg.AssetExecutionContext, workspace: WorkspaceResource):  # type: ignore[no-untyped-def]
    """Build the three tables together: they come from the same rows."""
    from orchestration.demand import build_demand
    from orchestration.ingest import known_days

    opened = workspace.open()
    for name, outcome in build_demand(opened, force=chosen(context)).items():
        key = dg.AssetKey(["demand", name])
        if outcome.passed and outcome.made:
            sync_days(context.instance, known_days(opened))  # where sales are delivered they alone tell the days
            report_days(context, key, outcome.made)
        yield dg.MaterializeResult(
            asset_key=key,
            metadata=outcome.metadata,
            check_results=[
                dg.AssetCheckResult(
                    asset_key=key, passed=outcome.passed, check_name="contract", metadata=outcome.check_metadata
                )
            ],
        )


DEMAND_ASSETS = [demand]
