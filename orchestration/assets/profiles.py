"""Customer profiles: what each customer bought and did, segments and influence trained on it, scores of every customer."""

import dagster as dg

from orchestration.resources import WorkspaceResource

OWNERS = ["team:ml-engineers"]
PURCHASES, BEHAVIOUR = dg.AssetKey(["features", "customer_purchases"]), dg.AssetKey(["features", "customer_behaviour"])
FRIENDSHIPS = dg.AssetKey(["clean", "friendships"])


@dg.asset(
    key=PURCHASES,
    deps=[dg.AssetKey(["clean", table]) for table in ("events", "transactions", "products")],
    group_name="profiles",
    owners=OWNERS,
    kinds={"ibis", "duckdb"},
    description="What known customers bought, line by line: in the online shop where it tells of events, else by receipts.",
)
def customer_purchases(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """One row a line."""
    from orchestration.profiling import build_purchases

    return dg.MaterializeResult(metadata=build_purchases(workspace.open()))


@dg.asset(
    key=BEHAVIOUR,
    deps=[dg.AssetKey(["clean", table]) for table in ("events", "transactions", "products", "sessions", "customers")],
    group_name="profiles",
    owners=OWNERS,
    kinds={"ibis", "duckdb"},
    description="Sums of every customer's visits, clicks, carts, orders, units and spend, and days since they were seen.",
)
def customer_behaviour(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """One row a customer."""
    from orchestration.profiling import build_behaviour

    return dg.MaterializeResult(metadata=build_behaviour(workspace.open()))


@dg.asset(
    key=["profiles", "challenger"],
    deps=[PURCHASES, BEHAVIOUR, FRIENDSHIPS],
    group_name="profiles",
    owners=OWNERS,
    kinds={"scikitlearn", "pytorch"},
    description="Named segments beside RFM quintiles and two peers; a graph network of who moves whom, judged on days held "
    "out and, on the twin, by campaigns.",
    retry_policy=dg.RetryPolicy(max_retries=1, delay=5),
)
def challenger(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Train, score, save."""
    from orchestration.profiling import train_challenger

    return dg.MaterializeResult(metadata=train_challenger(workspace.open(), on_progress=context.log.info))


@dg.asset(
    key=["profiles", "scores"],
    deps=[PURCHASES, BEHAVIOUR, FRIENDSHIPS, dg.AssetKey(["profiles", "challenger"])],
    group_name="profiles",
    owners=OWNERS,
    kinds={"pytorch"},
    description="features/customer_profiles: segment, recency, orders, spend, influence and embedding of every customer.",
)
def scores(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """One row a customer."""
    from orchestration.profiling import write_scores

    return dg.MaterializeResult(metadata=write_scores(workspace.open()))


PROFILE_ASSETS = [customer_purchases, customer_behaviour, challenger, scores]
