"""From the validation periods, which no member was fitted on, to the weights of the blend: a rolling backtest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from models.common.protocols import ProgressCallback
from models.forecaster.blend import LEVEL, ZERO_SHARE, Blend, Member, fit_blend, segment_of
from models.forecaster.config import Config, NetworkKind
from models.forecaster.data import Dataset, Panel
from models.forecaster.effects import Effects
from models.forecaster.model import OUTPUTS, Loss, predict_booster
from models.forecaster.rows import ModelRows

if TYPE_CHECKING:
    from models.forecaster.networks.member import NetworkMember

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
NETWORK_PAIRS = 5_000  # with fewer pairs a network has nothing that the trees have not
DAYS_OF_WEEK = 7
AUTO_NETWORK: NetworkKind = "lstm"


@dataclass(frozen=True)
class HeldRows:
    """V rows of the validation periods: X (V, F), value, scale (V,), pair (V,) index into the panel, step (V,) from 1.

    network (V, 4): what a network said of them, in units of the scale; None without one.
    """

    X: npt.NDArray[np.float32]
    value: Float
    scale: Float
    pair: Ints
    step: Ints
    network: Float | None = None
    effects: bool = False  # these weigh the levels already, and a bare level knows of no promotion

    def outputs(self, boosters: Mapping[str, Any], panel: Panel, threads: int) -> dict[Member, Float]:
        """What each member says of the rows, as `Blend.combine` takes it."""
        trees = np.stack([predict_booster(boosters[output], self.X, threads) for output in OUTPUTS], axis=1)
        said: dict[Member, Float] = {"trees": trees, "season": np.ones(self.value.size)}
        if LEVEL in panel.state and not self.effects:
            said["level"] = panel.state[LEVEL][self.pair] / self.scale
        if self.network is not None:
            said["network"] = self.network
        return said

    def segment(self, panel: Panel) -> Ints:
        """Index of the segment of each row, (V,)."""
        share = {name: values[self.pair] for name, values in panel.state.items() if name == ZERO_SHARE}
        return segment_of(share, self.pair.size)


def blend_on(
    held: HeldRows, boosters: Mapping[str, Any], panel: Panel, *, loss: Loss, threads: int
) -> tuple[Blend, dict[str, Float]]:
    """The best blend on the rows, by the weights that the loss of the mean gives them, and what it says {mean: (V,), ...}."""
    outputs, segment = held.outputs(boosters, panel, threads), held.segment(panel)
    weight = held.scale if loss == "poisson" else np.ones_like(held.scale)
    # What effects leave to the trees is mostly noise, and the trees were stopped by these very rows: they must earn their
    # place. Error against expected demand of three worlds of the twin, two seeds each: 0.277 of naive's, effects alone 0.270.
    first: Member = "season" if held.effects else "trees"
    day = panel.period[held.pair] + held.step
    week = _weeks(day - day.min()) if held.effects else None
    blend = fit_blend(outputs, held.value / held.scale, weight, segment, held.step, first=first, week=week)
    combined = blend.combine(outputs, segment, held.step)
    return blend, {output: combined[:, at] for at, output in enumerate(OUTPUTS)}


def _weeks(day: Ints) -> Ints:
    """The week of days (V,) that count from 0; the last few days are part of the week before."""
    last = max(0, (int(day.max()) + 1 + DAYS_OF_WEEK // 2) // DAYS_OF_WEEK - 1)
    return np.minimum(day // DAYS_OF_WEEK, last)


def columns_of(blend: Blend, state: Mapping[str, Float]) -> set[str]:
    """State columns that a blend reads beside those of its models."""
    wanted = {ZERO_SHARE, LEVEL} if "level" in blend.members else {ZERO_SHARE}
    return wanted & set(state) if len(blend.members) > 1 else set()


def fit_network_member(
    data: Dataset,
    cfg: Config,
    names: tuple[str, ...],
    effects: Effects | None,
    *,
    counts: bool,
    refit: bool,
    seed: int,
    on_progress: ProgressCallback,
) -> "NetworkMember | None":
    """The network that is tried as a member; None where the config wants none, or `auto` finds no case for one."""
    kind = cfg.network
    if kind == "auto":
        kind = "none" if counts or len(data.panel) < NETWORK_PAIRS else AUTO_NETWORK
    if kind == "none":
        return None
    from models.forecaster.networks import NetworkConfig
    from models.forecaster.networks.member import fit_member

    def tell(stage: str, fraction: float) -> None:
        on_progress(stage, 0.5 + 0.3 * fraction)

    network = NetworkConfig(ensemble=cfg.network_ensemble)
    return fit_member(kind, data, cfg, network, names, effects, refit=refit, seed=seed, on_progress=tell)


def judged_rows(
    valid: ModelRows | None, pair: Ints, step: Ints, network: "NetworkMember | None", *, effects: bool
) -> HeldRows | None:
    """The rows that blend and calibration are made by: those of the network's validation pairs where there is one."""
    if network is not None and not np.isnan(network.valid.value).all():
        known = np.nonzero(~np.isnan(network.valid.value))
        grid = network.valid
        n_features = grid.X.shape[2] - (network.series is not None)
        return HeldRows(
            grid.X[known][:, :n_features],
            grid.value[known],
            grid.scale[known],
            network.pairs[known[0]],
            known[1] + 1,
            network.said[known],
            effects,
        )
    if valid is None:
        return None
    X, value, scale, short = valid
    return HeldRows(X[~short], value[~short], scale[~short], pair[~short], step[~short], effects=effects)


def network_note(network: "NetworkMember | None", blend: Blend) -> str:
    """What became of the network, for a reader."""
    if network is None:
        return "no network was fitted"
    verdict = "is part of the blend" if "network" in blend.members else "buys nothing beside the trees: it stays out"
    fits = f"{len(network.epochs)} fits of {', '.join(map(str, network.epochs))} epochs"
    return f"network {network.kind}: {fits} in {network.seconds:.0f} s; their average {verdict}"
