"""The forecaster: challenger, report, promotion gate, release and edge bundle."""

import dagster as dg

from orchestration.resources import WorkspaceResource

OWNERS = ["team:ml-engineers"]
DEPLOYERS = ["team:deployers"]


@dg.asset(
    key=["forecaster", "challenger"],
    deps=[
        dg.AssetKey(["features", "training_state"]),
        dg.AssetKey(["features", "known_future"]),
        dg.AssetKey(["demand", "sales"]),
    ],
    group_name="forecaster",
    owners=OWNERS,
    kinds={"xgboost", "onnx"},
    description="Trained on what lies before the cutoff, scored after it beside baselines, a peer and the oracle.",
    retry_policy=dg.RetryPolicy(max_retries=1, delay=5),
)
def challenger(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Train, score, save."""
    from orchestration.forecasting import train_challenger

    return dg.MaterializeResult(metadata=train_challenger(workspace.open(), on_progress=context.log.info))


@dg.asset(
    key=["forecaster", "registered"],
    deps=[dg.AssetKey(["forecaster", "challenger"])],
    group_name="forecaster",
    owners=OWNERS,
    kinds={"mlflow"},
    description="The challenger as an MLflow run with its pictures, and as a version in the registry.",
)
def registered(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Log the run, register the version."""
    from orchestration.challengers import register_challenger
    from orchestration.forecasting import MODEL

    return dg.MaterializeResult(metadata=register_challenger(workspace.open(), MODEL))


@dg.asset(
    key=["forecaster", "champion"],
    deps=[dg.AssetKey(["forecaster", "registered"])],
    group_name="forecaster",
    owners=OWNERS,
    kinds={"mlflow"},
    description="The promotion gate: the challenger beside the champion on a window neither saw, with an evidence page.",
)
def champion(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Judge and, if it wins, promote."""
    from orchestration.judging import judge_and_promote

    return dg.MaterializeResult(metadata=judge_and_promote(workspace.open()))


@dg.asset(
    key=["forecaster", "release"],
    deps=[dg.AssetKey(["forecaster", "champion"]), dg.AssetKey(["features", "online_store"])],
    group_name="forecaster",
    owners=DEPLOYERS,
    kinds={"onnx"},
    description="What services load: champion, newest state, last good forecast of every series; running services follow.",
)
def release(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Forecast every series, write the release folder, move the pointer."""
    from orchestration.releases import publish_release

    return dg.MaterializeResult(metadata=publish_release(workspace.open()))


@dg.asset(
    key=["forecaster", "bento"],
    deps=[dg.AssetKey(["forecaster", "release"])],
    group_name="forecaster",
    owners=DEPLOYERS,
    kinds={"bentoml"},
    description="The champion as one BentoML package, without the training stack.",
)
def bento(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """`bentoml build`."""
    from orchestration.releases import build_bento

    return dg.MaterializeResult(metadata=build_bento(workspace.open()))


@dg.asset(
    key=["forecaster", "edge_bundle"],
    deps=[dg.AssetKey(["forecaster", "release"])],
    group_name="forecaster",
    owners=DEPLOYERS,
    kinds={"onnx"},
    description="The same release as a signed bundle for an edge box.",
)
def edge_bundle(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Build and verify."""
    from orchestration.releases import build_edge_bundle

    return dg.MaterializeResult(metadata=build_edge_bundle(workspace.open()))


FORECASTER_ASSETS = [challenger, registered, champion, release, bento, edge_bundle]
