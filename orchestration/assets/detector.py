"""Product recognition: pictures through the gate, the challenger fitted to them, promotion gate, release."""

import dagster as dg

from orchestration.assets.lifecycle import ENGINEERS, LATER, PRIORITY_TAG, lifecycle_assets
from orchestration.assets.tables import GATE, STEWARDS, judged
from orchestration.resources import WorkspaceResource

PICTURES = dg.AssetKey(["cameras", "pictures"])


@dg.asset(
    key=PICTURES,
    group_name="detector",
    owners=[STEWARDS],
    kinds={"opencv", "greatexpectations"},
    op_tags={PRIORITY_TAG: LATER},
    description="Labelled pictures of shelves and counters and photos of each product: the twin's cameras, or an image set of the "
    "shop's own. Broken pictures, absurd boxes and unknown classes lie in quarantine; some pictures are shown with their labels.",
    check_specs=[dg.AssetCheckSpec("gate", asset=PICTURES, blocking=True, description=GATE)],
)
def pictures(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Draw or read, judge, show."""
    from orchestration.camera_pictures import take_pictures

    outcome = take_pictures(workspace.open())
    return dg.MaterializeResult(metadata=outcome.metadata, check_results=[judged(outcome)])


@dg.asset(
    key=["detector", "challenger"],
    deps=[PICTURES],
    group_name="detector",
    owners=ENGINEERS,
    kinds={"pytorch", "onnx"},
    op_tags={PRIORITY_TAG: LATER},
    description="A class-agnostic finder fitted to the shop's pictures from the base checkpoint, and a gallery of products seen by an "
    "embedder; judged by mAP and right names beside colour histograms and shrunken pixels, with sample pictures.",
    retry_policy=dg.RetryPolicy(max_retries=1, delay=5),
)
def challenger(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Fit, score, save."""
    from orchestration.detecting import train_challenger

    return dg.MaterializeResult(metadata=train_challenger(workspace.open(), on_progress=context.log.info))


DETECTOR_ASSETS = [
    pictures,
    challenger,
    *lifecycle_assets(
        "detector",
        held_out="the newest pictures, which neither saw",
        released="What services load: champion and what people enrolled since; running services follow.",
        state=("cameras", "pictures"),
    ),
]
