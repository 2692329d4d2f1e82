"""The forecaster: challenger, report, promotion gate, release and edge bundle."""

import dagster as dg

from orchestration.assets.lifecycle import ENGINEERS, lifecycle_assets
from orchestration.resources import WorkspaceResource


@dg.asset(
    key=["forecaster", "challenger"],
    deps=[
        dg.AssetKey(["features", "training_state"]),
        dg.AssetKey(["features", "known_future"]),
        dg.AssetKey(["demand", "sales"]),
    ],
    group_name="forecaster",
    owners=ENGINEERS,
    kinds={"xgboost", "onnx"},
    description="Trained on what lies before the cutoff, scored after it beside baselines, a peer and the oracle.",
    retry_policy=dg.RetryPolicy(max_retries=1, delay=5),
)
def challenger(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Train, score, save."""
    from orchestration.forecasting import MODEL, train_challenger
    from orchestration.tenants import unless_absent

    told = unless_absent(workspace.open(), MODEL, lambda w, _: train_challenger(w, on_progress=context.log.info))
    return dg.MaterializeResult(metadata=told)


FORECASTER_ASSETS = [
    challenger,
    *lifecycle_assets(
        "forecaster",
        held_out="a window neither saw",
        released="What services load: champion, newest state, last good forecast of every series; running services follow.",
        state=("features", "online_store"),
    ),
]
