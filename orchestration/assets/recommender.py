"""The recommender: who took what, in order, the challenger trained on it, promotion gate, release and edge bundle."""

import dagster as dg

from orchestration.assets.lifecycle import ENGINEERS, LATER, PRIORITY_TAG, lifecycle_assets
from orchestration.resources import WorkspaceResource


@dg.asset(
    key=["features", "interactions"],
    deps=[dg.AssetKey(["clean", "events"]), dg.AssetKey(["clean", "transactions"])],
    group_name="recommender",
    owners=ENGINEERS,
    kinds={"ibis", "duckdb"},
    op_tags={PRIORITY_TAG: LATER},
    description="Who took which item, in the order in which each customer did: events, and lines of known customers.",
)
def interactions(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """One table of both."""
    from orchestration.interactions import build_interactions

    return dg.MaterializeResult(metadata=build_interactions(workspace.open()))


@dg.asset(
    key=["features", "item_attributes"],
    deps=[dg.AssetKey(["clean", "item_attributes"]), dg.AssetKey(["clean", "products"])],
    group_name="recommender",
    owners=ENGINEERS,
    kinds={"ibis", "duckdb"},
    op_tags={PRIORITY_TAG: LATER},
    description="What is known of every item: attributes as delivered, category and brand of products.",
)
def item_attributes(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """One table of both."""
    from orchestration.interactions import build_item_attributes

    return dg.MaterializeResult(metadata=build_item_attributes(workspace.open()))


@dg.asset(
    key=["recommender", "challenger"],
    deps=[
        dg.AssetKey(["features", "interactions"]),
        dg.AssetKey(["features", "item_attributes"]),
        dg.AssetKey(["clean", "friendships"]),
    ],
    group_name="recommender",
    owners=ENGINEERS,
    kinds={"pytorch", "onnx"},
    op_tags={PRIORITY_TAG: LATER},
    description="Trained on all but the last item of every customer, scored by where it ranks that one among all items, "
    "beside popularity, nearest items, EASE, ALS and BPR.",
    retry_policy=dg.RetryPolicy(max_retries=1, delay=5),
)
def challenger(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Train, score, save."""
    from orchestration.recommending import train_challenger

    return dg.MaterializeResult(metadata=train_challenger(workspace.open(), on_progress=context.log.info))


RECOMMENDER_ASSETS = [
    interactions,
    item_attributes,
    challenger,
    *lifecycle_assets(
        "recommender",
        held_out="the last item of every customer that neither saw",
        released="What services load: champion, popular and new items, what every customer took; running services follow.",
        state=("features", "interactions"),
    ),
]
