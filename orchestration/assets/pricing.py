"""Prices of fresh goods: their fitted demand, the challenger trained on it, gate, release, and each morning's proposals."""

import dagster as dg

from orchestration.assets.lifecycle import ENGINEERS, LATER, PRIORITY_TAG, lifecycle_assets
from orchestration.resources import WorkspaceResource

GOODS = dg.AssetKey(["features", "fresh_goods"])


@dg.asset(
    key=GOODS,
    deps=[dg.AssetKey(["clean", table]) for table in ("stores", "products", "prices", "inventory", "promotions")],
    group_name="pricing",
    owners=ENGINEERS,
    kinds={"numpy"},
    op_tags={PRIORITY_TAG: LATER},
    description="Demand, elasticity, costs and orders of every product with a shelf life of 30 days or less in every store.",
)
def fresh_goods(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """One row a good."""
    from orchestration.fresh_lake import build_goods

    return dg.MaterializeResult(metadata=build_goods(workspace.open()))


@dg.asset(
    key=["pricing", "challenger"],
    deps=[GOODS],
    group_name="pricing",
    owners=ENGINEERS,
    kinds={"pytorch"},
    op_tags={PRIORITY_TAG: LATER},
    description="A Q-network that prices all fresh goods, trained on simulated shelves within the errors of fitted demand, "
    "judged beside list price, cost-plus, myopic prices, a markdown ladder, a rollout and plain DQN.",
    retry_policy=dg.RetryPolicy(max_retries=1, delay=5),
)
def challenger(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Train, score, save."""
    from orchestration.pricing import train_challenger

    return dg.MaterializeResult(metadata=train_challenger(workspace.open(), on_progress=context.log.info))


@dg.asset(
    key=["pricing", "proposals"],
    deps=[GOODS, dg.AssetKey(["pricing", "release"])],
    group_name="pricing",
    owners=ENGINEERS,
    kinds={"numpy"},
    op_tags={PRIORITY_TAG: LATER},
    description="features/price_proposals: what the champion asks for every fresh good this morning, the rule that moved it, "
    "who decided, its gain over list price, and the price that a discount may be shown against. In approval mode they wait at "
    "`/approvals` of the service.",
)
def proposals(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """One row a good."""
    from orchestration.price_proposals import propose_prices

    return dg.MaterializeResult(metadata=propose_prices(workspace.open()))


PRICING_ASSETS = [
    fresh_goods,
    challenger,
    *lifecycle_assets(
        "pricing",
        held_out="simulated shelves of today's goods that neither was trained on",
        released="What services load: champion and the approved markdown ladders it falls back to; running services follow.",
        state=("features", "fresh_goods"),
    ),
    proposals,
]
