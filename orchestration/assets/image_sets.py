"""Image sets: every one through the gate, with sample pictures; what a report says of their labels."""

import dagster as dg

from orchestration.assets.lifecycle import ENGINEERS, LATER, PRIORITY_TAG
from orchestration.assets.tables import GATE, STEWARDS, judged
from orchestration.resources import WorkspaceResource

SETS = dg.AssetKey(["images", "sets"])


@dg.asset(
    key=SETS,
    group_name="images",
    owners=[STEWARDS],
    kinds={"duckdb", "greatexpectations"},
    op_tags={PRIORITY_TAG: LATER},
    description="Every image set that was taken in, judged again where its files, a steward's decisions or the report on its labels "
    "have changed; too many broken pictures, absurd boxes or suspicious labels refuse a set. Sheets of its pictures are shown.",
    check_specs=[dg.AssetCheckSpec("gate", asset=SETS, blocking=True, description=GATE)],
)
def image_sets(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Judge, show."""
    from orchestration.image_loop import judge_sets

    outcome = judge_sets(workspace.open())
    return dg.MaterializeResult(metadata=outcome.metadata, check_results=[judged(outcome)])


@dg.asset(
    key=["images", "label_quality"],
    deps=[SETS],
    group_name="images",
    owners=ENGINEERS,
    kinds={"python"},
    op_tags={PRIORITY_TAG: LATER},
    description="What cleanlab says of the labels of each set, held against a model that did not learn from them: evidence that a "
    "model may learn from it.",
)
def label_quality(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Show the reports."""
    from orchestration.image_loop import report_sets

    return dg.MaterializeResult(metadata=report_sets(workspace.open()))


IMAGE_SET_ASSETS = [image_sets, label_quality]
