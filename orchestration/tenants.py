"""What a model brings to registry, gate, evidence page and release: one implementation a model, and what all share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from orchestration.absence import not_provided
from orchestration.registry import RegisteredVersion
from orchestration.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from data_checks.lake import Layer
    from models.common.artifact import Manifest
    from orchestration.criteria import CommonBudgets, Criterion

TENANTS: Mapping[str, str] = {
    "forecaster": "orchestration.forecaster_tenant:ForecasterTenant",
    "recommender": "orchestration.recommender_tenant:RecommenderTenant",
    "pricing": "orchestration.pricing_tenant:PricingTenant",
    "inspection": "orchestration.inspection_tenant:InspectionTenant",
    "detector": "orchestration.detector_tenant:DetectorTenant",
}


@dataclass(frozen=True)
class Contest:
    """Challenger, baseline and champion on the same held-out data; the fields are those of `promotion.judge_challenger`."""

    window: tuple[date, date] | None
    trained_until: Mapping[str, date]
    loss: "Mapping[str, NDArray[np.float64]]"
    measured: Mapping[str, float]
    unit: str
    by_period: "Mapping[str, NDArray[np.float64]] | None" = None
    champion_problem: str | None = None
    judged: str = ""
    slack: float | None = None
    beside: "Sequence[Criterion]" = ()


@dataclass(frozen=True)
class Example:
    """One customer or series on the evidence page: what was known, what the model said and why, what came then."""

    known: str
    said: Sequence[str]
    came: str


@dataclass(frozen=True)
class Explanation:
    """What moves the model's answers: the weight of each group of inputs, largest first, and examples to read."""

    title: str
    note: str
    weights: Sequence[tuple[str, float]]
    examples: Sequence[Example] = field(default=())


class Tenant(Protocol):
    """A model in the house. Heavy imports stay inside the methods: sensors and the UI ask for names alone."""

    name: str
    optional: bool  # a run goes on without a champion of it
    judging_code: tuple[str, ...]  # decides a verdict, beside the gate itself
    release_code: tuple[str, ...]  # decides what a release folder holds
    serving_code: tuple[str, ...]  # goes into the bento, beside `serving` and `models`
    judged_tables: "tuple[tuple[Layer, str], ...]"  # decide a verdict by their content
    shown_tables: "tuple[tuple[Layer, str], ...]"  # on the evidence page

    def absence(self, workspace: Workspace) -> str | None:
        """Why this source has nothing for the model, and what would be needed; None where it has."""

    def budgets(self, workspace: Workspace) -> "CommonBudgets":
        """What it must keep to be served."""

    def config(self, workspace: Workspace) -> Mapping[str, Any]:
        """Its configuration as plain JSON types."""

    def contest(
        self, workspace: Workspace, challenger: RegisteredVersion, champion: RegisteredVersion | None
    ) -> Contest:
        """Score both and the baseline on data that neither saw; ValueError says why that cannot be done."""

    def explanation(self, workspace: Workspace, version: RegisteredVersion) -> Explanation:
        """What moves its answers."""

    def limits(self, manifest: "Manifest") -> list[str]:
        """What it cannot do, in sentences."""

    def release_inputs(self, workspace: Workspace) -> dict[str, Any]:
        """What a release is made from beside the artifact."""

    def release_facts(self, workspace: Workspace) -> dict[str, Any]:
        """What people are told of a release."""

    def fill(self, workspace: Workspace, version: RegisteredVersion, folder: Path) -> None:
        """Write all that a release holds into the new folder `folder`."""


def tenant(model: str) -> Tenant:
    """The tenant of that name; ValueError names those there are."""
    if model not in TENANTS:
        raise ValueError(
            f"there is no model {model!r} in the registry of this workspace: use one of {', '.join(TENANTS)}"
        )
    module, _, name = TENANTS[model].partition(":")
    found: Tenant = getattr(import_module(module), name)()
    return found


def unless_absent(workspace: Workspace, model: str, step: Callable[[Workspace, str], dict[str, Any]]) -> dict[str, Any]:
    """`step(workspace, model)`; of a source that has nothing for the model, why."""
    remedy = tenant(model).absence(workspace)
    return step(workspace, model) if remedy is None else not_provided(remedy)
