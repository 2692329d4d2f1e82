"""From the validation periods, which no member was fitted on, to the weights of the blend: a rolling backtest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.forecaster.blend import LEVEL, ZERO_SHARE, Blend, Member, fit_blend, segment_of
from models.forecaster.data import Panel
from models.forecaster.model import OUTPUTS, Loss, predict_booster

Float = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]


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

    def outputs(self, boosters: Mapping[str, Any], panel: Panel, threads: int) -> dict[Member, Float]:
        """What each member says of the rows, as `Blend.combine` takes it."""
        trees = np.stack([predict_booster(boosters[output], self.X, threads) for output in OUTPUTS], axis=1)
        said: dict[Member, Float] = {"trees": trees, "season": np.ones(self.value.size)}
        if LEVEL in panel.state:
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
    """The best blend on the rows, by the weights that the loss of the mean gives them, and its quantiles {q10: (V,)}."""
    outputs, segment = held.outputs(boosters, panel, threads), held.segment(panel)
    weight = held.scale if loss == "poisson" else np.ones_like(held.scale)
    blend = fit_blend(outputs, held.value / held.scale, weight, segment, held.step)
    combined = blend.combine(outputs, segment, held.step)
    return blend, {output: combined[:, at] for at, output in enumerate(OUTPUTS) if at}


def columns_of(blend: Blend, state: Mapping[str, Float]) -> set[str]:
    """State columns that a blend reads beside those of its models."""
    wanted = {ZERO_SHARE, LEVEL} if "level" in blend.members else {ZERO_SHARE}
    return wanted & set(state) if len(blend.members) > 1 else set()
