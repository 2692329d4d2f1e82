"""What happens to a challenger of any model: registered, judged, released, packaged for the cloud and for the edge."""

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from orchestration.resources import WorkspaceResource
from orchestration.workspace import Workspace

ENGINEERS = ["team:ml-engineers"]
DEPLOYERS = ["team:deployers"]
PRIORITY_TAG, LATER = "dagster/priority", "-1"  # of steps that wait for all others that are ready
Step = Callable[[Workspace, str], dict[str, Any]]


def lifecycle_assets(model: str, *, held_out: str, released: str, state: Sequence[str]) -> list[dg.AssetsDefinition]:
    """The assets `<model>/registered`, `champion`, `release`, `bento` and `edge_bundle`.

    `held_out` says on what the gate judges, `released` what services load; `state` is the asset that a release is made
    from beside the champion. Of a source that has nothing for the model each of them says so.
    """

    def made(
        step: str, after: Sequence[Sequence[str]], kind: str, owners: list[str], description: str, do: Step
    ) -> Any:
        @dg.asset(
            key=[model, step],
            deps=[dg.AssetKey(list(key)) for key in after],
            group_name=model,
            owners=owners,
            kinds={kind},
            description=description,
        )
        def step_asset(workspace: WorkspaceResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
            from orchestration.tenants import unless_absent

            return dg.MaterializeResult(metadata=unless_absent(workspace.open(), model, do))

        return step_asset

    registered = "The challenger as an MLflow run with its pictures, and as a version in the registry."
    judged = f"The promotion gate: the challenger beside the champion on {held_out}, with an evidence page."
    packed = "The champion as one BentoML package, without the training stack."
    signed = "The same release as a signed bundle for an edge box."
    return [
        made("registered", [[model, "challenger"]], "mlflow", ENGINEERS, registered, _register),
        made("champion", [[model, "registered"]], "mlflow", ENGINEERS, judged, _judge),
        made("release", [[model, "champion"], state], "onnx", DEPLOYERS, released, _of_champion(_release)),
        made("bento", [[model, "release"]], "bentoml", DEPLOYERS, packed, _of_champion(_bento)),
        made("edge_bundle", [[model, "release"]], "onnx", DEPLOYERS, signed, _of_champion(_edge_bundle)),
    ]


def _of_champion(step: Step) -> Step:
    """The step, left out where a model without which the house goes on has no champion yet."""

    def left_out_or_done(workspace: Workspace, model: str) -> dict[str, Any]:
        from orchestration.absence import not_provided
        from orchestration.tenants import tenant

        if tenant(model).optional and workspace.registry.champion(model) is None:
            return not_provided(f"no version passed the promotion gate yet; see `storeloop models {model}`")
        return step(workspace, model)

    return left_out_or_done


def _register(workspace: Workspace, model: str) -> dict[str, Any]:
    """Log the run, register the version."""
    from orchestration.challengers import register_challenger

    return register_challenger(workspace, model)


def _judge(workspace: Workspace, model: str) -> dict[str, Any]:
    """Judge and, if it wins, promote."""
    from orchestration.judging import judge_and_promote

    return judge_and_promote(workspace, model)


def _release(workspace: Workspace, model: str) -> dict[str, Any]:
    """Write the release folder, move the pointer."""
    from orchestration.releases import publish_release

    return publish_release(workspace, model)


def _bento(workspace: Workspace, model: str) -> dict[str, Any]:
    """`bentoml build`."""
    from orchestration.absence import not_provided
    from orchestration.releases import build_bento
    from serving.packaging import BOTS

    if model not in BOTS:
        return not_provided(f"there is no service of the {model} in `serving.packaging.BOTS`")
    return build_bento(workspace, model)


def _edge_bundle(workspace: Workspace, model: str) -> dict[str, Any]:
    """Build and verify."""
    from edge.bots import BOTS
    from orchestration.absence import not_provided
    from orchestration.releases import build_edge_bundle

    if model not in BOTS:
        return not_provided(f"there is no runtime of the {model} in `edge.bots.BOTS`")
    return build_edge_bundle(workspace, model)
