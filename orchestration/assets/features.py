"""Features: the state at every forecast origin, Feast's views of it, the training join and the online store."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from orchestration.days import DAYS, HOW_TO_CHOOSE, ONE_RUN, chosen, report_days
from orchestration.resources import WorkspaceResource
from orchestration.workspace import Workspace

OWNERS = ["team:ml-engineers"]
# What the steps below import, for seconds; asked for in the steps before them.
FEAST = (
    "features.offline_store",
    "features.store.definitions",
    "orchestration.feature_tables",
)
BY_ORIGIN = f"By origin, each of which is a day. {HOW_TO_CHOOSE} A day that is no origin holds no row."


@dg.asset(
    key=["features", "sales_state"],
    deps=[dg.AssetKey(["demand", "sales"]), dg.AssetKey(["demand", "series"]), dg.AssetKey(["demand", "covariates"])],
    group_name="features",
    owners=OWNERS,
    kinds={"ibis", "duckdb"},
    description="What is known of every series at the end of each forecast origin: levels, seasons, lags, stock-outs. "
    + BY_ORIGIN,
    partitions_def=DAYS,
    backfill_policy=ONE_RUN,
)
def sales_state(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """State features by series and origin."""
    from orchestration.absence import no_sales, not_provided
    from orchestration.aside import expect
    from orchestration.feature_tables import build_state

    opened = workspace.open()
    if remedy := no_sales(opened):
        return dg.MaterializeResult(metadata=not_provided(remedy))
    expect(*FEAST)
    outcome = build_state(opened, force=chosen(context))
    report_days(context, dg.AssetKey(["features", "sales_state"]), outcome.made)
    return dg.MaterializeResult(metadata=outcome.metadata)


@dg.asset(
    key=["features", "feast_repository"],
    deps=[dg.AssetKey(["features", "sales_state"])],
    group_name="features",
    owners=OWNERS,
    kinds={"feast"},
    description="Entities and feature views, applied to Feast's registry.",
)
def feast_repository(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """`feast apply`."""
    from orchestration.feature_tables import apply_feast

    return dg.MaterializeResult(metadata=_aside(apply_feast, workspace.open()))


@dg.asset(
    key=["features", "training_state"],
    deps=[dg.AssetKey(["features", "feast_repository"])],
    group_name="features",
    owners=OWNERS,
    kinds={"feast", "duckdb"},
    description="Feast's point-in-time join of the state on to the training origins; one row an entity row, always.",
)
def training_state(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """The training frame."""
    from orchestration.feature_tables import build_training_state

    return dg.MaterializeResult(metadata=_aside(build_training_state, workspace.open()))


@dg.asset(
    key=["features", "known_future"],
    deps=[dg.AssetKey(["features", "sales_state"])],
    group_name="features",
    owners=OWNERS,
    kinds={"ibis", "duckdb"},
    description="Calendar, planned promotions and prices, and forecasts over the horizon, as they were known at each origin. "
    + BY_ORIGIN,
    partitions_def=DAYS,
    backfill_policy=ONE_RUN,
)
def known_future(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Known-ahead covariates by origin and step."""
    from orchestration.absence import no_sales, not_provided
    from orchestration.feature_tables import build_known_future

    opened = workspace.open()
    if remedy := no_sales(opened):
        return dg.MaterializeResult(metadata=not_provided(remedy))
    outcome = build_known_future(opened, force=chosen(context))
    report_days(context, dg.AssetKey(["features", "known_future"]), outcome.made)
    return dg.MaterializeResult(metadata=outcome.metadata)


@dg.asset(
    key=["features", "online_store"],
    deps=[dg.AssetKey(["features", "feast_repository"]), dg.AssetKey(["features", "known_future"])],
    group_name="features",
    owners=OWNERS,
    kinds={"feast"},
    description="The newest state of every series, materialised into the online store.",
)
def online_store(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Incremental materialisation."""
    from orchestration.feature_tables import materialise_online

    return dg.MaterializeResult(metadata=_aside(materialise_online, workspace.open()))


def _aside(step: Callable[[Workspace], dict[str, Any]], workspace: Workspace) -> dict[str, Any]:
    """A step on the second interpreter; of a source without sales, why there is none."""
    from orchestration.absence import no_sales, not_provided
    from orchestration.aside import call

    remedy = no_sales(workspace)
    return call(step, workspace) if remedy is None else not_provided(remedy)


FEATURE_ASSETS = [sales_state, feast_repository, training_state, known_future, online_store]
