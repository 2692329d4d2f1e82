"""Training: elasticities of each series, drawn to their groups', then levels and seasons that go with them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.common.artifact import Manifest, write_artifact
from models.common.protocols import DataError, ProgressCallback, silent
from models.common.report import Report
from models.elasticity.config import Config
from models.elasticity.data import Dataset, Floats
from models.elasticity.levels import fit_levels, years_since
from models.elasticity.model import estimate, pool
from models.elasticity.predict import MODEL, NUMBERS, Predictor
from models.elasticity.spec import FORMAT_VERSION, ModelSpec

LIBRARIES = ("numpy",)


@dataclass(frozen=True)
class Trained:
    """Trained elasticities in memory: what `save` writes."""

    config: Config
    spec: ModelSpec
    numbers: dict[str, Floats]
    data_fingerprint: str
    trained_until: np.datetime64
    seed: int

    def predictor(self) -> Predictor:
        """The predictor that `load` would return after `save`: what is evaluated is what is served."""
        return Predictor(self.spec, self.numbers)

    def save(self, folder: Path, *, report: Report | None = None, code_revision: str = "unknown") -> Manifest:
        """Write the artifact to `folder` (see `models.common.artifact`); a `report` adds its metrics."""
        from safetensors.numpy import save

        arrays = {name: np.ascontiguousarray(each) for name, each in sorted(self.numbers.items())}
        return write_artifact(
            folder,
            name="elasticity",
            config=self.config,
            files={MODEL: self.spec.model_dump_json(indent=1).encode(), NUMBERS: save(arrays)},
            metrics=report.metric_dicts() if report else (),
            input_schema={name: {"shape": ["N"], "type": "text"} for name in ("series", "groups")},
            output_schema={name: {"shape": ["N"], "type": "float"} for name in ("elasticity", "error", "low", "high")},
            data_fingerprint=self.data_fingerprint,
            code_revision=code_revision,
            trained_until=self.trained_until.astype("datetime64[D]").item(),
            seed=self.seed,
            libraries=LIBRARIES,
        )


def train(data: Dataset, cfg: Config, *, seed: int, on_progress: ProgressCallback = silent) -> Trained:
    """Elasticities of the data's series before its test periods; nothing is drawn, `seed` is recorded alone.

    DataError where no series has enough periods and prices.
    """
    on_progress("series", 0.0)
    known = data.before(data.test_from)
    years = years_since(known.periods, known.periods[0])
    alone = estimate(known, years)
    on_progress("groups", 0.6)
    try:
        pooled = pool(alone, known.group, len(known.groups))
    except ValueError as error:
        raise DataError(str(error)) from error
    promotion = _of_group(alone.promotion, np.isfinite(alone.error), known)
    on_progress("levels", 0.8)
    levels = fit_levels(known, pooled.elasticity, promotion, years)
    spec = ModelSpec(
        format_version=FORMAT_VERSION,
        series=known.series,
        groups=known.groups,
        first=str(known.periods[0]),
        harmonics=cfg.harmonics,
        half_life=levels.half_life,
        trend_share=levels.share,
        until=levels.until,
        confidence=cfg.confidence,
    )
    numbers = {
        "elasticity": pooled.elasticity,
        "error": pooled.error,
        "promotion": promotion,
        "level": levels.level,
        "reference": known.reference,
        "mean": pooled.mean,
        "mean_error": pooled.mean_error,
        "spread": pooled.spread,
        "season": levels.season,
        "trend": levels.trend,
    }
    on_progress("trained", 1.0)
    return Trained(cfg, spec, numbers, data.fingerprint, data.trained_until, seed)


def _of_group(values: Floats, told: np.ndarray, data: Dataset) -> Floats:
    """The median (N,) of each series' group: one series has too few promotions to tell its own lift."""
    found = np.zeros(len(data.groups))
    for number in range(len(data.groups)):
        rows = told & (data.group == number)
        if rows.any():
            found[number] = np.median(values[rows])
    return np.asarray(found[data.group])
