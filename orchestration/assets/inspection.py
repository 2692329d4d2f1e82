"""Visual inspection: the packing line's two tables through the gate, the challenger trained on them, promotion gate, release."""

import dagster as dg

from orchestration.assets.lifecycle import ENGINEERS, LATER, PRIORITY_TAG, lifecycle_assets
from orchestration.assets.tables import GATE, STEWARDS, judged
from orchestration.resources import WorkspaceResource

TITLES = {
    "approved_samples": "How the packages of each batch should look and weigh",
    "inspections": "Packages that a person opened, with picture and readings",
}


def belt_asset(table: str, deps: tuple[str, ...] = ()) -> dg.AssetsDefinition:
    """A table of the packing line; its gate stops everything downstream of it."""

    @dg.asset(
        key=["belt", table],
        deps=[dg.AssetKey(["belt", name]) for name in deps],
        group_name="inspection",
        owners=[STEWARDS],
        kinds={"duckdb", "greatexpectations"},
        op_tags={PRIORITY_TAG: LATER},
        description=f"{TITLES[table]}; rows that break a rule, and pictures that cannot be read, lie in quarantine.",
        check_specs=[dg.AssetCheckSpec("gate", asset=dg.AssetKey(["belt", table]), blocking=True, description=GATE)],
    )
    def belt_table(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
        from orchestration.belt import clean_belt_table

        outcome = clean_belt_table(workspace.open(), table, run_id=context.run.run_id)
        return dg.MaterializeResult(metadata=outcome.metadata, check_results=[judged(outcome)])

    return belt_table


@dg.asset(
    key=["inspection", "challenger"],
    deps=[dg.AssetKey(["belt", "approved_samples"]), dg.AssetKey(["belt", "inspections"])],
    group_name="inspection",
    owners=ENGINEERS,
    kinds={"pytorch", "onnx"},
    op_tags={PRIORITY_TAG: LATER},
    description="A network over what differs from the approved sample, its misses bounded by conformal risk control, judged beside "
    "sensor thresholds, logistic regression and a Gaussian anomaly model; pictures of what was passed, rejected and sent to a human.",
    retry_policy=dg.RetryPolicy(max_retries=1, delay=5),
)
def challenger(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Train, score, save."""
    from orchestration.inspecting import train_challenger

    return dg.MaterializeResult(metadata=train_challenger(workspace.open(), on_progress=context.log.info))


INSPECTION_ASSETS = [
    belt_asset("approved_samples"),
    belt_asset("inspections", ("approved_samples",)),
    challenger,
    *lifecycle_assets(
        "inspection",
        held_out="the newest packages, which neither saw",
        released="What services load: champion and the approved samples of the batches; running services follow.",
        state=("belt", "approved_samples"),
    ),
]
