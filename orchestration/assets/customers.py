"""Customers: state at a moment, Feast's online views, and one row that tells all of a customer."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from orchestration.assets.lifecycle import ENGINEERS, LATER, PRIORITY_TAG
from orchestration.resources import WorkspaceResource
from orchestration.workspace import Workspace

TABLES = ("events", "transactions", "sessions", "impressions", "customers", "friendships", "products", "promotions")


@dg.asset(
    key=["features", "customer_state"],
    deps=[dg.AssetKey(["clean", name]) for name in TABLES],
    group_name="customers",
    owners=ENGINEERS,
    kinds={"ibis", "duckdb"},
    op_tags={PRIORITY_TAG: LATER},
    description="What was known of every customer at the end of the newest day, and of days a week apart before it.",
)
def customer_state(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """State features by customer and moment."""
    from orchestration.customers import build_state

    return _result(build_state, workspace.open())


@dg.asset(
    key=["features", "customers_online"],
    deps=[dg.AssetKey(["features", "customer_state"])],
    group_name="customers",
    owners=ENGINEERS,
    kinds={"feast"},
    op_tags={PRIORITY_TAG: LATER},
    description="Customers in Feast: for training by a point-in-time join, for services online; what changed is written.",
)
def customers_online(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Views applied, files published, online store brought up to date."""
    from orchestration.customers import materialise_online

    return _result(materialise_online, workspace.open())


@dg.asset(
    key=["features", "customer_360"],
    deps=[dg.AssetKey(["features", "customer_state"]), dg.AssetKey(["features", "attention"])],
    group_name="customers",
    owners=ENGINEERS,
    kinds={"ibis", "duckdb"},
    op_tags={PRIORITY_TAG: LATER},
    description="One row per customer: records, behaviour, attention in the shop, and profile where there is one; each field with its "
    "lineage.",
)
def customer_360(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Records, state and profile side by side."""
    from orchestration.customers import build_360

    return _result(build_360, workspace.open())


def _result(step: Callable[[Workspace], dict[str, Any]], workspace: Workspace) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """A step; of a source without customers, why there is none."""
    from orchestration.absence import no_customers, not_provided

    remedy = no_customers(workspace)
    return dg.MaterializeResult(metadata=step(workspace) if remedy is None else not_provided(remedy))


CUSTOMER_ASSETS = [customer_state, customers_online, customer_360]
