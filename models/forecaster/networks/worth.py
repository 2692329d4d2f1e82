"""What the critic and the attention are worth: the same fits compared on clean inputs and on shocked ones.

A shock spoils what a network reads of the test pairs, never what was sold. The verdict is a paired test over series
(Künsch 1989, Efron and Tibshirani 1993): a part buys something only where the interval of its gain leaves out 0 and the
gain has the same sign for every seed, for two fits of one network differ by their seeds as well.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.common.compare import BootstrapResult, paired_bootstrap
from models.common.protocols import DataError, ProgressCallback, silent
from models.common.report import MetricRow
from models.forecaster.config import QUANTILES, Config, NetworkKind
from models.forecaster.data import Dataset, Panel
from models.forecaster.networks.candidate import NAMES, fit_prepared, forecast_panel
from models.forecaster.networks.config import NetworkConfig
from models.forecaster.networks.grids import grid_of, prepare_grids
from models.forecaster.sources import KEY_PREFIX, OPENING, VALUE_PREFIXES
from models.forecaster.spec import feature_group

Float = npt.NDArray[np.floating[Any]]
NOISE = 0.3  # of a state value's own size
CLEAN, SHOCKED = "clean", "all shocks"
COMPARED: tuple[tuple[NetworkKind, NetworkKind], ...] = (("lstm_gan", "lstm"), ("transformer", "lstm"))
CONFIDENCE = 0.975  # two looks at each part, clean and shocked, share the usual 5 %
Shock = Callable[[Panel, np.random.Generator], Panel]


@dataclass(frozen=True)
class Verdict:
    """Whether `part` buys something over `without`: differences of the scaled pinball loss (below 0 is better)."""

    part: str
    without: str
    clean: BootstrapResult
    shocked: BootstrapResult
    by_seed: Mapping[str, tuple[float, ...]]
    buys: bool
    sentence: str


@dataclass(frozen=True)
class Worth:
    """Rows per network and shock (segment), scaled by what targets are divided by, and a verdict per part."""

    rows: tuple[MetricRow, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """The verdicts as sentences, for a report."""
        return tuple(verdict.sentence for verdict in self.verdicts)


def shocked(
    data: Dataset,
    config: Config,
    cfg: NetworkConfig,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    features: Sequence[str] | None = None,
    on_progress: ProgressCallback = silent,
) -> Worth:
    """Fit LSTM, LSTM-GAN and Transformer with every seed on the same pairs and judge them on the test pairs of `data`.

    DataError without a held-out window or with fewer than two series judged in it.
    """
    test = data.test
    if test is None:
        raise DataError("no held-out periods: prepare the data with hold_out=True to judge what a part is worth")
    if not seeds:
        raise DataError("seeds (): expected at least one")
    prepared = prepare_grids(data, config, cfg, names=features, seed=seeds[0])
    actual = data.targets(test)
    judged = ~np.isnan(actual).all(axis=1)
    if judged.sum() < 2:
        raise DataError(
            f"{int(judged.sum())} of {judged.size} series are judged after the cutoff: at least 2 are needed"
        )
    scale = grid_of(test, config, prepared.names, actual, floor=prepared.kind.floor).scale
    panels = {name: shock(test, np.random.default_rng(seeds[0])) for name, shock in shocks().items()}
    pinball: dict[tuple[NetworkKind, str], list[Float]] = {}
    squared: dict[tuple[NetworkKind, str], list[Float]] = {}
    for round_, seed in enumerate(seeds):
        for index, kind in enumerate(NAMES):
            on_progress(f"judging {NAMES[kind]}, seed {seed}", (round_ + index / len(NAMES)) / len(seeds))
            network = fit_prepared(kind, prepared, cfg, threads=config.threads, seed=seed)
            for name, panel in panels.items():
                outputs = forecast_panel(network, prepared, config, panel)
                pinball.setdefault((kind, name), []).append(_pinball(actual, outputs, scale))
                squared.setdefault((kind, name), []).append(_by_series(((actual - outputs["mean"]) / scale) ** 2))
    rows = [
        MetricRow(NAMES[kind], metric, value, "ratio", name)
        for (kind, name), losses in pinball.items()
        for metric, value in (
            ("pinball_scaled", float(np.nanmean(losses))),
            ("rmse_scaled", float(np.sqrt(np.nanmean(squared[kind, name])))),
        )
    ]
    return Worth(tuple(rows), tuple(judge(part, without, pinball, seeds) for part, without in COMPARED))


def shocks() -> dict[str, Shock]:
    """What can befall the inputs of N test pairs, by name; the first leaves them as they are."""
    return {
        CLEAN: lambda panel, _: panel,
        "levels doubled": lambda panel, _: _levels(panel, 2.0),
        "levels halved": lambda panel, _: _levels(panel, 0.5),
        "covariates missing": lambda panel, _: _ahead(panel, lambda _name, grid: np.full_like(grid, np.nan)),
        "promotions flipped": lambda panel, _: _ahead(panel, _flipped),
        "noise on the state": _noisy,
    }


def _levels(panel: Panel, factor: float) -> Panel:
    """What was sold lately, told wrongly; the divisor stays, or the forecasts would move with it as they should."""
    state = {
        name: values * factor if name.startswith(VALUE_PREFIXES) else values for name, values in panel.state.items()
    }
    return Panel(panel.series, panel.period, panel.origin, state, panel.known_future)


def _ahead(panel: Panel, change: Callable[[str, Float], Float]) -> Panel:
    known_future = {name: grid if name == OPENING else change(name, grid) for name, grid in panel.known_future.items()}
    return Panel(panel.series, panel.period, panel.origin, panel.state, known_future)


def _flipped(name: str, grid: Float) -> Float:
    """Flags of promotions the other way round; depths and prices are no flags and stay."""
    promotion = feature_group(f"at_{name}") == "promotion and price"
    return 1.0 - grid if promotion and set(np.unique(grid[~np.isnan(grid)])) <= {0.0, 1.0} else grid


def _noisy(panel: Panel, rng: np.random.Generator) -> Panel:
    """Every state column but the level itself and the keys, those of the season too, which the divisor reads."""
    state = {
        name: values
        if name == "scale" or name.startswith(KEY_PREFIX)
        else values * rng.lognormal(0.0, NOISE, values.shape)
        for name, values in sorted(panel.state.items())
    }
    return Panel(panel.series, panel.period, panel.origin, state, panel.known_future)


def _pinball(actual: Float, outputs: Mapping[str, Float], scale: Float) -> Float:
    """Mean pinball loss over the three quantiles, scaled, of each series (N,); NaN where nothing is judged."""
    losses = []
    for level, name in zip(QUANTILES, ("q10", "q50", "q90"), strict=True):
        over = (actual - outputs[name]) / scale
        losses.append(np.maximum(level * over, (level - 1.0) * over))
    return _by_series(np.asarray(np.mean(losses, axis=0)))


def _by_series(loss: Float) -> Float:
    known = ~np.isnan(loss)
    total = np.where(known, loss, 0.0).sum(axis=1)
    mean: Float = np.divide(total, known.sum(axis=1), out=np.full(loss.shape[0], np.nan), where=known.any(axis=1))
    return mean


def judge(
    part: NetworkKind,
    without: NetworkKind,
    pinball: Mapping[tuple[NetworkKind, str], list[Float]],
    seeds: Sequence[int],
) -> Verdict:
    """Judge `part` by the scaled pinball loss of each series, {(kind, shock): a (N,) per seed}, against `without`."""
    names = [name for name in shocks() if name != CLEAN]
    results: dict[str, BootstrapResult] = {}
    by_seed: dict[str, tuple[float, ...]] = {}
    for label, members in ((CLEAN, [CLEAN]), (SHOCKED, names)):
        mine, theirs = (
            np.stack([np.mean([pinball[kind, name][at] for name in members], axis=0) for at in range(len(seeds))])
            for kind in (part, without)
        )
        # One row a series, the mean over the seeds: its fits share their data, so they are no further observations.
        results[label] = paired_bootstrap(
            mine.mean(axis=0), theirs.mean(axis=0), np.arange(mine.shape[1]), seed=seeds[0], confidence=CONFIDENCE
        )
        by_seed[label] = tuple(float(value) for value in np.nanmean(mine - theirs, axis=1))
    level = {
        label: float(np.nanmean([pinball[without, name] for name in members]))
        for label, members in ((CLEAN, [CLEAN]), (SHOCKED, names))
    }
    gains = [label for label in results if results[label].high < 0 and max(by_seed[label]) < 0]
    losses = [label for label in results if results[label].low > 0 and min(by_seed[label]) > 0]
    buys = bool(gains) and not losses
    told = "; ".join(
        f"{label} {result.diff / level[label]:+.1%} ({CONFIDENCE:.1%} interval {result.low / level[label]:+.1%} to "
        f"{result.high / level[label]:+.1%})"
        for label, result in results.items()
    )
    found = (
        f"buys something ({', '.join(gains)})"
        if buys
        else "buys nothing" + (f" and costs ({', '.join(losses)})" if losses else "")
    )
    sentence = f"{NAMES[part]} against {NAMES[without]}, {len(seeds)} seeds, pinball loss: {told}: it {found}"
    return Verdict(NAMES[part], NAMES[without], results[CLEAN], results[SHOCKED], by_seed, buys, sentence)
