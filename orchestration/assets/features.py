"""Features: the state at every forecast origin, Feast's views of it, the training join and the online store."""

import dagster as dg

from orchestration.days import DAYS, HOW_TO_CHOOSE, ONE_RUN, chosen, report_days
from orchestration.resources import WorkspaceResource

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
    from orchestration.aside import expect
    from orchestration.feature_tables import build_state

    expect(*FEAST)
    outcome = build_state(workspace.open(), force=chosen(context))
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
    from orchestration.aside import call
    from orchestration.feature_tables import apply_feast

    return dg.MaterializeResult(metadata=call(apply_feast, workspace.open()))


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
    from orchestration.aside import call
    from orchestration.feature_tables import build_training_state

    return dg.MaterializeResult(metadata=call(build_training_state, workspace.open()))


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
    from orchestration.feature_tables import build_known_future

    outcome = build_known_future(workspace.open(), force=chosen(context))
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
    from orchestration.aside import call
    from orchestration.feature_tables import materialise_online

    return dg.MaterializeResult(metadata=call(materialise_online, workspace.open()))


FEATURE_ASSETS = [sales_state, feast_repository, training_state, known_future, online_store]
