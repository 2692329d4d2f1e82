"""Demand: one dense sales table, whatever the source delivered, with its series and covariates."""

import dagster as dg

from orchestration.assets.features import FEAST
from orchestration.catalogue import DEMAND_TABLES
from orchestration.days import DAYS, HOW_TO_CHOOSE, ONE_RUN, chosen, report_days, sync_days
from orchestration.resources import WorkspaceResource

DESCRIPTIONS = {
    "sales": "Units or revenue of every series and period on a regular grid; closed and censored periods are marked.",
    "series": "Every series with its keys, its place in the hierarchy and its first and last period.",
    "covariates": "What is known beside sales, with the day it became known: calendar, promotions, planned prices, forecasts.",
}
BY_DAY = f"Made with sales, which are by day. {HOW_TO_CHOOSE}"


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            ["demand", made],
            deps=[dg.AssetKey(["clean", name]) for name in DEMAND_TABLES],
            group_name="demand",
            owners=["team:ml-engineers"],
            kinds={"duckdb", "parquet"},
            description=f"{description} {BY_DAY}",
        )
        for made, description in DESCRIPTIONS.items()
    ],
    check_specs=[
        dg.AssetCheckSpec(
            "contract",
            asset=dg.AssetKey(["demand", name]),
            blocking=True,
            description="The table that models read keeps its contract.",
        )
        for name in DESCRIPTIONS
    ],
    # Of all three: Dagster's backfill ends in an error where a step makes assets with partitions and without.
    partitions_def=DAYS,
    backfill_policy=ONE_RUN,
)
def demand(context: dg.AssetExecutionContext, workspace: WorkspaceResource):  # type: ignore[no-untyped-def]
    """Build the three tables together: they come from the same rows."""
    from orchestration.absence import no_sales, not_provided
    from orchestration.aside import expect
    from orchestration.demand import build_demand
    from orchestration.ingest import TableOutcome, known_days

    opened = workspace.open()
    if (remedy := no_sales(opened)) is None:
        expect(*FEAST)
        outcomes = build_demand(opened, force=chosen(context))
    else:
        outcomes = dict.fromkeys(DESCRIPTIONS, TableOutcome(True, not_provided(remedy)))
    made = outcomes["sales"].made
    if made:
        sync_days(context.instance, known_days(opened))  # where sales are delivered they alone tell the days
    for name, outcome in outcomes.items():
        key = dg.AssetKey(["demand", name])
        report_days(context, key, made if name == "sales" else dict.fromkeys(made))
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
